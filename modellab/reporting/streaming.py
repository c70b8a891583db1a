"""Streamed: what utterances that came as fast as they were spoken come to: how soon, how steady, how right."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from statistics import median

from rapidfuzz.distance import Prefix

from modellab.errors import ScoreMismatch
from modellab.records.scenario import Stream
from modellab.reporting.accuracy import pool
from modellab.scoring.difference import Difference, Pair, difference
from modellab.scoring.normalize import normalizer_for
from modellab.scoring.quantile import SAMPLES_FOR
from modellab.scoring.score import Score
from modellab.scoring.unit import plain, units
from modellab.scoring.wer import metric_for, score


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """One model on one corpus, streamed in one way. Words are characters where a language puts no space between.

    An utterance that failed has never shown anything: it counts as endlessly late in both medians over utterances,
    and all its words as deleted. A median of fewer than three, or one that is endless, is None.

    Attributes:
        method: how it was streamed, as the facts have it.
        step_s: the least audio between two partials.
        utterances: how many, those that failed among them.
        failed: how many have no final text.
        first_partial_s: from the start of the audio to the first text that is not empty; the median over utterances
            in which something is said. It cannot be less than what passes before the first word is spoken.
        final_s: from the end of the audio, taken for the end of speech, to the final text; the median over utterances.
        slowest_final_s: the longest of these among those that have one; None where none has.
        stable_s: from when a word's place first showed any word until it showed the final one for good; the median over
            words of final texts. A word that comes or goes before it moves a word to another place.
        revisions_per_word: words that were shown and taken back, per word of the final texts. Each partial takes back
            what it does not share, from the first word on, with the next. None where nothing was written.
        scores: the errors of final texts, pooled, one per metric and normaliser.
        compared: utterances with a final text that were heard offline, too.
        cost: the error rate of the compared less that of the same offline; None where nothing is said in any.
    """

    model: str
    corpus: str
    method: str
    step_s: float
    utterances: int
    failed: int
    first_partial_s: float | None
    final_s: float | None
    slowest_final_s: float | None
    stable_s: float | None
    revisions_per_word: float | None
    scores: tuple[Score, ...]
    compared: int
    cost: Difference | None


def streamed(streams: Iterable[Stream], offline: Mapping[str, Score] | None = None) -> tuple[Streamed, ...]:
    """Give what streams come to, for each model, corpus, method and step, in the order in which they first come.

    Of several streams of one utterance the last counts: a resumed run may hold them. `offline` has the scores of what
    the same model wrote of the same utterances with all of their audio at hand, by their ids.

    Source: revisions after the unstable partial word ratio of Shangguan et al. 2020, "Analyzing the Quality and
    Stability of a Streaming End-to-End On-Device Speech Recognizer".

    Raises:
        ScoreMismatch: when the offline scores are under another normaliser or metric.
    """
    ways: dict[tuple[str, str, str, float], dict[str, Stream]] = defaultdict(dict)
    for stream in streams:
        ways[stream.model, stream.corpus, stream.method, stream.step_s][stream.utterance] = stream
    return tuple(_streamed(tuple(own.values()), offline or {}) for own in ways.values())


def _streamed(streams: Sequence[Stream], offline: Mapping[str, Score]) -> Streamed:
    first, answered = streams[0], [stream for stream in streams if stream.failure is None]
    spoken = [stream for stream in streams if stream.reference.strip()]
    texts = [_Shown(stream) for stream in answered]
    words = sum(len(text.final) for text in texts)
    final_s = [_final_s(stream) for stream in streams]
    compared = [stream for stream in answered if stream.utterance in offline]
    return Streamed(
        model=first.model,
        corpus=first.corpus,
        method=first.method,
        step_s=first.step_s,
        utterances=len(streams),
        failed=len(streams) - len(answered),
        first_partial_s=_median([_first_partial_s(stream) for stream in spoken]),
        final_s=_median(final_s),
        slowest_final_s=max(filter(isfinite, final_s), default=None),
        stable_s=_median([seconds for text in texts for seconds in text.stable_s()]),
        revisions_per_word=sum(text.taken_back for text in texts) / words if words else None,
        scores=pool(map(_score, spoken)),
        compared=len(compared),
        cost=_cost(compared, offline),
    )


class _Shown:
    """The texts of a stream in words that compare, and when each was there."""

    def __init__(self, stream: Stream) -> None:
        self._at_s = [partial.at_s for partial in stream.partials]
        self._words = [tuple(map(plain, units(partial.text, stream.language))) for partial in stream.partials]

    @property
    def final(self) -> tuple[str, ...]:
        return self._words[-1]

    @property
    def taken_back(self) -> int:
        return sum(len(before) - Prefix.similarity(before, after) for before, after in pairwise(self._words))

    def stable_s(self) -> Iterator[float]:
        """Give for each final word the seconds that its place changed."""
        for place, word in enumerate(self.final):
            shown = [words[place : place + 1] for words in self._words]
            first = next(number for number, there in enumerate(shown) if there)
            last_other = max((number for number, there in enumerate(shown) if there != (word,)), default=-1)
            yield self._at_s[last_other + 1] - self._at_s[first]


def _first_partial_s(stream: Stream) -> float:
    return next((partial.at_s for partial in stream.partials if partial.text.strip()), inf)


def _final_s(stream: Stream) -> float:
    return stream.partials[-1].at_s - stream.audio_duration_s if stream.partials else inf


def _median(seconds: Sequence[float]) -> float | None:
    """Give the median, in which endless waiting counts; None of too few, or where it is endless itself."""
    found = median(seconds) if len(seconds) >= SAMPLES_FOR[0.5] else inf
    return found if isfinite(found) else None


def _score(stream: Stream) -> Score:
    written = stream.partials[-1].text if stream.partials else ""
    return score(stream.reference, written, normalizer_for(stream.language), metric_for(stream.language))


def _cost(streams: Sequence[Stream], offline: Mapping[str, Score]) -> Difference | None:
    known = all(stream.speaker is not None for stream in streams)
    pairs = [_pair(stream, offline[stream.utterance], by_speaker=known) for stream in streams]
    return difference(pairs, unit="speaker" if known else "utterance")


def _pair(stream: Stream, before: Score, *, by_speaker: bool) -> Pair:
    after = _score(stream)
    if (before.metric, before.normalizer) != (after.metric, after.normalizer):
        raise ScoreMismatch(
            f"{stream.utterance!r} was scored by {before.metric} under {before.normalizer} offline and by "
            f"{after.metric} under {after.normalizer} streamed: score both under the same rules"
        )
    return Pair(cluster=(stream.speaker or "") if by_speaker else stream.utterance, before=before, after=after)
