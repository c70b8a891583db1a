"""Language: whether a model heard which language was spoken."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_CODE = re.compile(r"[a-z]{2,3}")
_UNSTATED = frozenset({"und", "mul", "mis", "zxx"})

# Codes of one language that runtimes and corpora write in two ways: withdrawn ones, and those of Whisper.
_SAME = {
    "iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "cmn": "zh", "fil": "tl", "nb": "no",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Which language was spoken, which was detected, and in how many utterances."""

    stated: str
    detected: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """What was detected in many utterances, the most frequent first, ties by the alphabet. `a + b` pools.

    `unjudged` counts the utterances of which nothing can be said, since the corpus or the model states no language.
    """

    found: tuple[Detection, ...] = ()
    unjudged: int = 0

    @property
    def judged(self) -> int:
        """Utterances whose language is stated, and for which the model states one."""
        return sum(detection.count for detection in self.found)

    @property
    def accuracy(self) -> float | None:
        """The share of judged utterances whose language was detected, as a fraction; None where none is judged."""
        right = sum(detection.count for detection in self.found if detection.stated == detection.detected)
        return right / self.judged if self.judged else None

    @property
    def mistaken(self) -> tuple[Detection, ...]:
        """What was detected wrongly."""
        return tuple(detection for detection in self.found if detection.stated != detection.detected)

    def __add__(self, other: "Detections") -> "Detections":
        counts: Counter[tuple[str, str]] = Counter()
        for detection in (*self.found, *other.found):
            counts[detection.stated, detection.detected] += detection.count
        return Detections(found=_ordered(counts), unjudged=self.unjudged + other.unjudged)


def detections(pairs: Iterable[tuple[str | None, str | None]]) -> Detections:
    """Give what was detected, from pairs of the stated and the detected language of an utterance.

    Leave out utterances whose language the model was told, and models of one language: they detect nothing.
    """
    counts: Counter[tuple[str, str]] = Counter()
    unjudged = 0
    for stated, detected in pairs:
        spoken, heard = language_code(stated), language_code(detected)
        if spoken and heard:
            counts[spoken, heard] += 1
        else:
            unjudged += 1
    return Detections(found=_ordered(counts), unjudged=unjudged)


def language_code(tag: str | None) -> str | None:
    """Give the ISO 639 code of a language tag, of two letters where there is one: `en` for `en-US`, `zh` for `zh_cn`.

    None where it says no language: nothing, `und`, or a name such as `english`, which none of the backends answers.

    Source: IANA's registry of language subtags, for codes that were withdrawn.
    """
    code = (tag or "").strip().lower().replace("_", "-").partition("-")[0]
    return _SAME.get(code, code) if _CODE.fullmatch(code) and code not in _UNSTATED else None


def _ordered(counts: Mapping[tuple[str, str], int]) -> tuple[Detection, ...]:
    ordered = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
    return tuple(Detection(stated=stated, detected=detected, count=count) for (stated, detected), count in ordered)
