"""Utterance and Corpus: stretches of speech and what was said in them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import file_digest, sha256
from math import inf
from pathlib import Path
from random import Random

import numpy as np

from modellab.errors import BadAudio, BadManifest
from modellab.speech.audio import Audio, read_audio
from modellab.speech.effect import Condition, Effect, Personal
from modellab.speech.restriction import Restriction
from modellab.speech.transcript import Word

_DURATION_STRATA = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One stretch of speech and its reference; an empty reference says that nobody spoke.

    It is the recording at `audio` from `start_s` to `end_s`, where None is the recording's end. `language` is an ISO
    639-1 code, empty where unknown or nobody speaks; `speaker` is None where unknown; `extra` holds what else the
    corpus says of it, by the corpus's own names. `words` are the reference's with their times in seconds from the
    start of what is heard, empty where the corpus has none. `effects` are done to the audio in turn before anybody
    hears it, by chance drawn from `seed`; `duration_s` is that of the audio they leave.

    Raises:
        BadManifest: when it does not end after it starts.
    """

    id: str
    audio: Path
    duration_s: float
    reference: str
    language: str = ""
    speaker: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    start_s: float = 0.0
    end_s: float | None = None
    words: tuple[Word, ...] = ()
    effects: tuple[Effect, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < (inf if self.end_s is None else self.end_s):
            raise BadManifest(
                f"utterance {self.id!r}: a stretch starts at 0 s or later and ends after it starts, "
                f"not {self.start_s} to {self.end_s}"
            )

    @property
    def is_cut(self) -> bool:
        """Whether it is a stretch of its recording, and not the whole."""
        return self.start_s > 0 or self.end_s is not None

    def fact(self, name: str) -> str | float | None:
        """Give what the corpus says under a name: a field of this class or one of the extra ones."""
        own = {"id": self.id, "language": self.language, "speaker": self.speaker, "duration": self.duration_s}
        return own[name] if name in own else self.extra.get(name)

    def hear(self) -> Audio:
        """Give what a model hears of it: the stretch of its recording, with every effect done to it.

        Raises:
            BadAudio: when it cannot be read, or an effect leaves nothing of it.
        """
        audio = read_audio(self.audio, self.start_s, self.end_s)
        for place, effect in enumerate(self.effects):
            try:
                audio = effect.apply(audio, self._chance(f"{place}/{effect.condition}"))
            except BadAudio as error:
                raise BadAudio(f"{self.id}: {effect.condition}: {error}") from error
        return audio

    def under(self, effects: Sequence[Effect], seed: int) -> "Utterance":
        """Give the same utterance with these effects done to it after its own."""
        changed = self
        own = tuple(effect.done_to(self.id) if isinstance(effect, Personal) else effect for effect in effects)
        for effect in own:
            lasts_s = changed.duration_s
            changed = replace(
                changed,
                duration_s=effect.moved_s(lasts_s, lasts_s),
                words=tuple(_moved(word, effect, lasts_s) for word in changed.words),
            )
        return replace(changed, effects=(*self.effects, *own), seed=seed)

    def _chance(self, what: str) -> np.random.Generator:
        """Give chance that depends on the seed, the utterance and what it is for alone."""
        return np.random.default_rng(int.from_bytes(sha256(f"{self.seed}/{self.id}/{what}".encode()).digest()[:16]))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Corpus:
    """Utterances under one name, and a revision: a hash of everything a score depends on.

    `left_out` counts what the corpus itself says not to score, by the corpus's own words. `clean` is the name it had
    before `conditions` were put on its audio, and empty where none were.

    Raises:
        BadManifest: when there is no utterance, or two share an id.
    """

    name: str
    utterances: tuple[Utterance, ...]
    revision: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    clean: str = ""
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not self.utterances:
            raise BadManifest(f"corpus {self.name!r} has no utterances")
        seen: set[str] = set()
        for utterance in self.utterances:
            if utterance.id in seen:
                raise BadManifest(f"corpus {self.name!r}: two utterances have the id {utterance.id!r}")
            seen.add(utterance.id)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __len__(self) -> int:
        return len(self.utterances)

    def __repr__(self) -> str:
        left_out = "".join(f", {count} left out ({why})" for why, count in self.left_out.items())
        return (
            f"<corpus {self.name}: {len(self)} utterances, {self.duration_s:.1f} s, revision {self.revision}{left_out}>"
        )

    @property
    def duration_s(self) -> float:
        """Seconds of audio in all."""
        return sum(utterance.duration_s for utterance in self.utterances)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages spoken, sorted; empty where nobody speaks."""
        return tuple(sorted({utterance.language for utterance in self.utterances} - {""}))

    def where(self, wanted: Sequence[Restriction]) -> "Corpus":
        """Give the utterances of which all this is true; the restriction is part of name and revision.

        Raises:
            BadManifest: when none is left, naming the values there are.
        """
        if not wanted:
            return self
        kept = tuple(u for u in self if all(each.allows(u.fact(each.fact)) for each in wanted))
        asked = sorted(map(str, wanted))
        if not kept:
            there = {each.fact: sorted({str(u.fact(each.fact) or "") for u in self})[:8] for each in wanted}
            raise BadManifest(f"corpus {self.name!r}: no utterance has {', '.join(asked)}; there is {there}")
        return replace(
            self,
            name=".".join((self.name, *(each.label for each in wanted))),
            utterances=kept,
            revision=_digest(f"{self.revision}/where={asked}/{[u.id for u in kept]}"),
        )

    def under(self, effects: Sequence[Effect], seed: int) -> "Corpus":
        """Give the same speech with effects done to its audio; they and the seed are part of name and revision."""
        if not effects:
            return self
        conditions = tuple(effect.condition for effect in effects)
        return replace(
            self,
            name="+".join((self.name, *map(str, conditions))),
            utterances=tuple(utterance.under(effects, seed) for utterance in self),
            revision=_digest(f"{self.revision}/effects={list(effects)!r}/seed={seed}"),
            clean=self.clean or self.name,
            conditions=(*self.conditions, *conditions),
        )

    def sample(self, count: int, seed: int) -> "Corpus":
        """Give `count` utterances drawn by seed, in their old order; the draw is part of the revision.

        Every speaker, and among a speaker's utterances every quarter of the corpus by duration, is drawn from in
        proportion to its size: the first utterances of a set are no fair sample, since many sets are sorted.

        Source: systematic sampling from a list ordered by strata, Cochran 1977, chapter 8.
        """
        if count >= len(self):
            return self
        random = Random(f"{seed}/{self.revision}")  # noqa: S311
        listed = self._by_strata(random)
        step, start = len(listed) / count, random.random()
        drawn = sorted(listed[int((turn + start) * step)] for turn in range(count))
        return replace(
            self,
            utterances=tuple(self.utterances[index] for index in drawn),
            revision=_digest(f"{self.revision}/stratified/limit={count}/seed={seed}"),
        )

    def _by_strata(self, random: Random) -> list[int]:
        """Give the places of all utterances, those of one speaker together, sorted by quarter of duration in these."""
        by_duration = sorted(range(len(self)), key=lambda place: self.utterances[place].duration_s)
        quarter = {place: _DURATION_STRATA * rank // len(self) for rank, place in enumerate(by_duration)}
        strata: dict[str, list[int]] = defaultdict(list)
        for place, utterance in enumerate(self.utterances):
            strata[utterance.speaker or ""].append(place)
        speakers = list(strata.values())
        random.shuffle(speakers)
        return [
            place
            for places in speakers
            for place in sorted(random.sample(places, len(places)), key=quarter.__getitem__)
        ]


def corpus_of(name: str, utterances: tuple[Utterance, ...], left_out: Mapping[str, int] | None = None) -> Corpus:
    """Give the corpus of these utterances; its revision hashes every audio file, cut and reference.

    Raises:
        BadManifest: when there is none, two share an id, or a file cannot be opened.
    """
    digests = {path: _file_digest(path) for path in dict.fromkeys(utterance.audio for utterance in utterances)}
    lines = "\n".join(_line(utterance, digests[utterance.audio]) for utterance in utterances)
    return Corpus(name=name, utterances=utterances, revision=_digest(lines), left_out=left_out or {})


def _line(u: Utterance, digest: str) -> str:
    whole = f"{u.id}\t{digest}\t{u.reference}\t{u.language}\t{u.speaker or ''}"
    cut = f"{whole}\t{u.start_s!r}\t{u.end_s!r}" if u.is_cut else whole
    return f"{cut}\t{[(word.text, word.start_s, word.end_s) for word in u.words]}" if u.words else cut


def _moved(word: Word, effect: Effect, duration_s: float) -> Word:
    start_s, end_s = (effect.moved_s(time_s, duration_s) for time_s in (word.start_s, word.end_s))
    return Word(text=word.text, start_s=start_s, end_s=end_s)


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadManifest(f"cannot open audio file {path}: {error}") from error


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
