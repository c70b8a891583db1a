"""Alignment: when each word of a reference is said."""

from collections.abc import Iterable
from math import isfinite

from modellab.corpora.stretch import OVERSHOOT_S
from modellab.errors import BadManifest
from modellab.speech.transcript import Word


def parse_word(text: object, start: object, end: object, where: str) -> Word:
    """Give a word and its times in seconds, as a corpus states them.

    Raises:
        BadManifest: when the word is no text, or a time no finite number.
    """
    if not isinstance(text, str) or not text.strip():
        raise BadManifest(f"{where}: a word is a text that is not empty, not {text!r:.80}")
    return Word(text=text.strip(), start_s=_time_s(text, start, where), end_s=_time_s(text, end, where))


def aligned(words: Iterable[Word], duration_s: float, where: str) -> tuple[Word, ...]:
    """Give the words of an utterance; `duration_s` is what it lasts, 0 where that is unknown.

    Raises:
        BadManifest: when one ends before it starts, starts before the one before it does, or lies outside the utterance
            by more than rounding explains.
    """
    listed = tuple(words)
    latest_s = duration_s + OVERSHOOT_S if duration_s else float("inf")
    started_s = -OVERSHOOT_S
    for word in listed:
        said = f"{where}: the word {word.text!r} from {word.start_s:.10g} to {word.end_s:.10g} s"
        if word.end_s < word.start_s:
            raise BadManifest(f"{said} ends before it starts")
        if word.start_s < -OVERSHOOT_S or word.end_s > latest_s:
            raise BadManifest(f"{said} lies outside the utterance, which lasts {duration_s:g} s")
        if word.start_s < started_s:
            raise BadManifest(f"{said} starts before the word before it, at {started_s:.10g} s")
        started_s = word.start_s
    return listed


def _time_s(text: str, time: object, where: str) -> float:
    if isinstance(time, bool) or not isinstance(time, int | float) or not isfinite(time):
        raise BadManifest(f"{where}: the word {text!r} has a time of {time!r:.80}; it must be seconds")
    return float(time)
