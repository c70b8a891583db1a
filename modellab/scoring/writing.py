"""Writing: capitals and punctuation, which normalisers take out, in the words that both sides have."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest

from modellab.errors import UnknownName
from modellab.scoring.pairing import equal_words

# The classes of marks. Those that belong to none of the first four are "other": dashes, quotes, colons, ellipses.
MARKS = ("comma", "full stop", "question mark", "exclamation mark", "other")
_CLASSES = {
    **dict.fromkeys(",،、", "comma"),
    **dict.fromkeys(".。।\u06d4", "full stop"),
    **dict.fromkeys("?؟¿", "question mark"),
    **dict.fromkeys("!¡", "exclamation mark"),
}
# Punctuation to Unicode, but part of a word: apostrophes and what is read aloud.
_OF_WORDS = frozenset("'%&@#*/\\_§")
_OPENING = frozenset("¿¡")
_ONE_APOSTROPHE = str.maketrans("\u2019\u02bc", "''")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkCounts:
    """What became of the marks of a class. `a + b` pools.

    Of those in the reference: `hits` are written, `substitutions` written as another class, `deletions` not written.
    Beyond these, `instead` are written where the reference has another class, `insertions` where it has none.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    instead: int = 0

    @property
    def precision(self) -> float | None:
        """The share of written marks that are right, as a fraction; None where none was written."""
        return _share(self.hits, self.hits + self.insertions + self.instead)

    @property
    def recall(self) -> float | None:
        """The share of marks in the reference that were written, as a fraction; None where it has none."""
        return _share(self.hits, self.hits + self.substitutions + self.deletions)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall, as a fraction; None where neither side has a mark."""
        wrong = self.substitutions + self.deletions + self.insertions + self.instead
        return _share(2 * self.hits, 2 * self.hits + wrong)

    def __add__(self, other: "MarkCounts") -> "MarkCounts":
        return MarkCounts(
            hits=self.hits + other.hits,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
            instead=self.instead + other.instead,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Capitals and marks of the words that match. `a + b` pools; what the references cannot speak of is None.

    Attributes:
        words: words of the reference that the hypothesis has too.
        cased: those of them with a letter that has a capital.
        case_errors: those written with other capitals than in the reference.
        capitals: words of the reference with a capital, matched or not.
        smalls: words of the reference with a small letter, matched or not.
        reference_marks: marks in the reference, at matched words or not.
        marks: what became of those at matched words, one count for each of MARKS.
    """

    words: int = 0
    cased: int = 0
    case_errors: int = 0
    capitals: int = 0
    smalls: int = 0
    reference_marks: int = 0
    marks: tuple[MarkCounts, ...] = (MarkCounts(),) * len(MARKS)

    @property
    def case_error_rate(self) -> float | None:
        """The share of matched words with wrong capitals; None where the references are all capitals or all small."""
        return _share(self.case_errors, self.cased) if self.capitals and self.smalls else None

    @property
    def punctuation(self) -> MarkCounts | None:
        """What became of the marks of all classes; None where the references have no mark."""
        return sum(self.marks, MarkCounts()) if self.reference_marks else None

    def of(self, mark: str) -> MarkCounts | None:
        """Give what became of one class of MARKS; None where the references have no mark of any class.

        Raises:
            UnknownName: when there is no such class.
        """
        if mark not in MARKS:
            raise UnknownName("class of marks", mark, MARKS)
        return self.marks[MARKS.index(mark)] if self.reference_marks else None

    def __add__(self, other: "Writing") -> "Writing":
        return Writing(
            words=self.words + other.words,
            cased=self.cased + other.cased,
            case_errors=self.case_errors + other.case_errors,
            capitals=self.capitals + other.capitals,
            smalls=self.smalls + other.smalls,
            reference_marks=self.reference_marks + other.reference_marks,
            marks=tuple(ours + theirs for ours, theirs in zip(self.marks, other.marks, strict=True)),
        )


def writing(reference: str, hypothesis: str, metric: str = "wer") -> Writing:
    """Give the counts of capitals and marks from raw texts, over the words that both have in the same place.

    Words match if they are the same in small letters without the marks around them; for the metric `cer`, characters
    are the words. Marks inside a word (`3.5`, `don't`) belong to it, and apostrophes around one say nothing. A mark
    that stands alone belongs to the word before it.
    """
    said, heard = _written(reference, metric), _written(hypothesis, metric)
    matched = equal_words([word.text.lower() for word in said], [word.text.lower() for word in heard])
    pairs = [(said[theirs], heard[ours]) for theirs, ours in matched]
    cased = [(theirs.text, ours.text) for theirs, ours in pairs if theirs.has_case]
    return Writing(
        words=len(pairs),
        cased=len(cased),
        case_errors=sum(theirs != ours for theirs, ours in cased),
        capitals=sum(word.text != word.text.lower() for word in said),
        smalls=sum(word.text != word.text.upper() for word in said),
        reference_marks=sum(len(word.before) + len(word.after) for word in said),
        marks=_count_marks(pairs),
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """A word as it is written, and the classes of the marks before and after it."""

    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def has_case(self) -> bool:
        return self.text.lower() != self.text.upper()


_Pair = tuple[_Written, _Written]


def _written(text: str, metric: str) -> list[_Written]:
    """Give the words of a text. Marks that have no word to belong to are left out."""
    text = unicodedata.normalize("NFC", text).translate(_ONE_APOSTROPHE)
    words: list[_Written] = []
    opening: tuple[str, ...] = ()
    for piece in "".join(text.split()) if metric == "cer" else text.split():
        word = _taken_apart(piece)
        if word.text:
            words.append(replace(word, before=opening + word.before))
            opening = ()
        elif words and not _opens(piece):
            words[-1] = replace(words[-1], after=words[-1].after + word.after)
        else:
            opening += word.after
    return words


def _taken_apart(piece: str) -> _Written:
    """Give a word without what is around it; the marks of a piece that holds no word come after it."""
    around = "".join({character for character in piece if character == "'" or _is_mark(character)})
    rest = piece.lstrip(around)
    word = rest.rstrip(around)
    before = piece.removesuffix(rest) if rest else ""
    return _Written(word, _classes(before), _classes(piece[len(before) + len(word) :]))


def _classes(marks: str) -> tuple[str, ...]:
    """Give the class of each mark. The same one several times is one mark, and of full stops it is an ellipsis."""
    runs = ((unicodedata.normalize("NFKC", mark), len(list(run))) for mark, run in groupby(marks) if mark != "'")
    return tuple("other" if mark == "." and times > 1 else _CLASSES.get(mark, "other") for mark, times in runs)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "P" and character not in _OF_WORDS


def _opens(piece: str) -> bool:
    """Whether marks belong to the word after them: an opening bracket or quote, or a Spanish mark before a sentence."""
    return all(mark in _OPENING or unicodedata.category(mark) in {"Ps", "Pi"} for mark in piece)


def _count_marks(pairs: Iterable[_Pair]) -> tuple[MarkCounts, ...]:
    """Give the counts of each class, from what stands before and what stands after the words of each pair."""
    counts = dict.fromkeys(MARKS, MarkCounts())
    for theirs, ours in pairs:
        for said, written in ((theirs.before, ours.before), (theirs.after, ours.after)):
            for mark, count in _compared(said, written):
                counts[mark] += count
    return tuple(counts.values())


def _compared(said: Sequence[str], written: Sequence[str]) -> Iterator[tuple[str, MarkCounts]]:
    """Give what became of the marks in one place: the same are hits, the rest is paired in the order it stands in."""
    theirs, ours = Counter(said), Counter(written)
    for mark in (theirs & ours).elements():
        yield mark, MarkCounts(hits=1)
    for mark, other in zip_longest((theirs - ours).elements(), (ours - theirs).elements()):
        if mark is not None:
            yield mark, MarkCounts(substitutions=1) if other else MarkCounts(deletions=1)
        if other is not None:
            yield other, MarkCounts(instead=1) if mark else MarkCounts(insertions=1)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
