"""Parity: whether converted weights still hear what the original ones do, in words and in what the encoder makes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from modellab.backends.base import Backend
from modellab.backends.registry import COMPUTE_TYPES, backend_class, backend_names, refusal
from modellab.checkpoints.weights import Weights
from modellab.errors import BackendUnavailable, MeasurementRefused
from modellab.scoring.normalize import normalizer, normalizer_for
from modellab.scoring.wer import metric_for, score
from modellab.speech.utterance import Corpus, Utterance

NOT_SHOWN = "not shown by this runtime"
FULL_PRECISION, HALF_PRECISION = "float32", "float16"

States: TypeAlias = npt.NDArray[np.float32]

_WINDOWS = 5  # whose encoder states are compared: those of a large model take 8 MB each


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far converted weights may be from the original ones.

    `words` is the rate of words that differ from the original's. Of encoder states `mean` bounds the root mean square
    of the differences and `most` the greatest one, both relative to the root mean square of the states. None judges
    nothing: in whole numbers of eight bits a few states of many jump by ten times that, and no word changes.
    """

    words: float
    mean: float
    most: float | None = None


EXACT = Tolerance(words=0.0, mean=0.0001, most=0.001)
_IN_EIGHT_BITS = Tolerance(words=0.05, mean=0.3)
_TOLERANCES: Mapping[str, Tolerance] = {
    "float16": Tolerance(words=0.0, mean=0.01, most=0.1),
    "bfloat16": Tolerance(words=0.05, mean=0.05),
    "int16": Tolerance(words=0.05, mean=0.05),
    "int8": _IN_EIGHT_BITS,
    "q8_0": _IN_EIGHT_BITS,
    "q5_1": Tolerance(words=0.1, mean=0.3),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far apart encoder states are: the root mean square of the differences, and the greatest of them.

    Both are relative to the root mean square of the original's states; of several windows they are the worst.
    """

    mean: float
    most: float

    def within(self, tolerance: Tolerance) -> bool:
        """Whether neither is more than is let pass."""
        return self.mean <= tolerance.mean and (tolerance.most is None or self.most <= tolerance.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An utterance whose normalised words differ."""

    utterance: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What the original and the converted weights wrote of a corpus, each on its own runtime.

    Attributes:
        before: the runtime and compute type of the original.
        after: those of the converted weights.
        changed: utterances whose words differ, of `utterances`.
        words: the rate of words that differ.
        states: how far apart the encoder states are; None where a runtime does not show them.
        tolerance: how much of either is let pass.
    """

    corpus: str
    revision: str
    utterances: int
    before: str
    after: str
    changed: tuple[Changed, ...]
    words: float
    states: Distance | None
    tolerance: Tolerance

    @property
    def passed(self) -> bool:
        """Whether words, and states where they are shown, are within the tolerance."""
        heard = self.words <= self.tolerance.words
        return heard and (self.states is None or self.states.within(self.tolerance))

    def table(self) -> dict[str, Any]:
        """Give it as plain values, for a manifest; states that no runtime shows are said to be so."""
        states = NOT_SHOWN if self.states is None else asdict(self.states)
        return asdict(self) | {"passed": self.passed, "states": states}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    name: str
    texts: tuple[str, ...]
    states: tuple[States | None, ...]


def parity(
    original: Weights, converted: Weights, corpus: Corpus, *, architecture: str, quantisation: str, threads: int = 1
) -> Parity:
    """Hear a corpus with the original and with the converted weights, one after the other, and compare.

    Args:
        original: in the layout of its upstream; heard in full precision.
        converted: the same in another layout.
        corpus: a small one; both hear it whole.
        architecture: of both.
        quantisation: what the converted weights are stored in; empty for the type of the original.
        threads: processor threads of either runtime.

    Raises:
        BackendUnavailable: when no runtime reads one of the layouts here.
        MeasurementRefused: when nobody speaks in the corpus.
    """
    spoken = [utterance for utterance in corpus if utterance.reference.strip()]
    if not spoken:
        raise MeasurementRefused(f"parity says nothing on {corpus.name}: nobody speaks in it")
    before = _side(_runtime(original, architecture, FULL_PRECISION, threads), spoken)
    after = _side(_runtime(converted, architecture, quantisation or FULL_PRECISION, threads), spoken)
    changed = tuple(_changes(spoken, before.texts, after.texts))
    return Parity(
        corpus=corpus.name,
        revision=corpus.revision,
        utterances=len(spoken),
        before=before.name,
        after=after.name,
        changed=changed,
        words=_rate(spoken, before.texts, after.texts),
        states=_distance(before.states, after.states),
        tolerance=tolerance_of(quantisation),
    )


def tolerance_of(quantisation: str) -> Tolerance:
    """Give how far weights stored so may be from the original ones; stored as those were, or in float32, hardly."""
    stored = quantisation if quantisation in _TOLERANCES else quantisation.partition("_")[0]
    return _TOLERANCES.get(stored, EXACT)


def _runtime(weights: Weights, architecture: str, compute_type: str, threads: int) -> Backend:
    """Give the runtime that reads a layout, in a compute type or the nearest that it has on the cpu."""
    family = weights.layout.partition(":")[0]
    reason: str | None = f"no backend reads {family} of {architecture}"
    for name in _readers(family, architecture):
        for each in dict.fromkeys((compute_type, compute_type.partition("_")[0], FULL_PRECISION, HALF_PRECISION)):
            reason = refusal(name, "cpu", each) if each in COMPUTE_TYPES else f"no runtime computes in {each}"
            if reason is None:
                return backend_class(name)(weights=weights, compute_type=each, threads=threads)
    raise BackendUnavailable(f"parity cannot be checked: {reason}")


def _readers(family: str, architecture: str) -> tuple[str, ...]:
    """Give the backends that are made for an architecture in a layout."""
    return tuple(
        name
        for name in backend_names()
        if (made := backend_class(name)).layout == family and architecture in (made.architectures or ())
    )


def _side(backend: Backend, utterances: Sequence[Utterance]) -> _Side:
    texts, states = [], []
    with backend:
        for number, utterance in enumerate(utterances):
            audio = utterance.hear()
            (written,) = backend.transcribe([audio], utterance.language or None)
            texts.append(written.text)
            if number < _WINDOWS:
                states.append(backend.encoded(audio))
    return _Side(
        name=f"{backend.package} in {backend.compute_type}",
        texts=tuple(map(_words, utterances, texts)),
        states=tuple(states),
    )


def _words(utterance: Utterance, text: str) -> str:
    return normalizer_for(utterance.language)(text)


def _changes(utterances: Sequence[Utterance], before: Sequence[str], after: Sequence[str]) -> Iterator[Changed]:
    for utterance, one, other in zip(utterances, before, after, strict=True):
        if one != other:
            yield Changed(utterance=utterance.id, before=one, after=other)


def _rate(utterances: Sequence[Utterance], before: Sequence[str], after: Sequence[str]) -> float:
    """Give the errors of the later texts against the earlier ones, over the units of the earlier ones."""
    errors = units = 0
    for utterance, one, other in zip(utterances, before, after, strict=True):
        scored = score(one, other, normalizer("none"), metric_for(utterance.language))
        errors, units = errors + scored.errors, units + scored.reference_length
    return errors / max(units, 1)


def _distance(before: Sequence[States | None], after: Sequence[States | None]) -> Distance | None:
    pairs = zip(before, after, strict=True)
    apart = [_apart(one, other) for one, other in pairs if one is not None and other is not None]
    if not apart:
        return None
    return Distance(mean=max(each.mean for each in apart), most=max(each.most for each in apart))


def _apart(one: States, other: States) -> Distance:
    scale, gap = _root_mean_square(one), one - other
    return Distance(mean=_root_mean_square(gap) / scale, most=float(np.abs(gap).max()) / scale)


def _root_mean_square(states: States) -> float:
    return float(np.sqrt(np.mean(np.square(states, dtype=np.float64))))
