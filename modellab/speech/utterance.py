"""Utterance and Corpus: stretches of speech and what was said in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import file_digest, sha256
from math import inf
from pathlib import Path
from random import Random

from modellab.errors import BadManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One stretch of speech and its reference; an empty reference says that nobody spoke.

    It is the recording at `audio` from `start_s` to `end_s`, where None is the recording's end. `language` is an ISO
    639-1 code, empty where unknown or nobody speaks; `speaker` is None where unknown; `extra` holds what else the
    corpus says of it, by the corpus's own names.

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

    def fact(self, name: str) -> str | None:
        """Give what the corpus says under a name: a field of this class or one of the extra ones."""
        own = {"id": self.id, "language": self.language, "speaker": self.speaker}
        return own[name] if name in own else self.extra.get(name)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Corpus:
    """Utterances under one name, and a revision: a hash of everything a score depends on.

    `left_out` counts what the corpus itself says not to score, by the corpus's own words.

    Raises:
        BadManifest: when there is no utterance, or two share an id.
    """

    name: str
    utterances: tuple[Utterance, ...]
    revision: str
    left_out: Mapping[str, int] = field(default_factory=dict)

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

    def where(self, wanted: Mapping[str, str]) -> "Corpus":
        """Give the utterances of which all these facts are true; the restriction is part of name and revision.

        Raises:
            BadManifest: when none is left, naming the values there are.
        """
        if not wanted:
            return self
        kept = tuple(u for u in self if all(u.fact(name) == value for name, value in wanted.items()))
        if not kept:
            there = {name: sorted({u.fact(name) or "" for u in self})[:8] for name in wanted}
            raise BadManifest(f"corpus {self.name!r}: no utterance has {dict(wanted)}; there is {there}")
        return replace(
            self,
            name=".".join((self.name, *wanted.values())),
            utterances=kept,
            revision=_digest(f"{self.revision}/where={sorted(wanted.items())}/{[u.id for u in kept]}"),
        )

    def sample(self, count: int, seed: int) -> "Corpus":
        """Give `count` utterances drawn by seed, in their old order; the draw is part of the revision.

        The first utterances of a set are no fair sample: many sets are sorted by length or speaker.
        """
        if count >= len(self):
            return self
        drawn = sorted(Random(seed).sample(range(len(self)), count))  # noqa: S311
        return replace(
            self,
            utterances=tuple(self.utterances[index] for index in drawn),
            revision=_digest(f"{self.revision}/limit={count}/seed={seed}"),
        )


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
    return f"{whole}\t{u.start_s!r}\t{u.end_s!r}" if u.is_cut else whole


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadManifest(f"cannot open audio file {path}: {error}") from error


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
