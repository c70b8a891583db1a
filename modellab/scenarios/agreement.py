"""Agreement: what of a text will not change any more, where a model hears all that was said again and again."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq, Levenshtein, Prefix

from modellab.scoring.unit import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """LocalAgreement-2: words are confirmed once two successive hypotheses have them in the same place.

    Words are the same where they differ in capitals and punctuation alone; shown is what the later hypothesis wrote.
    A hypothesis is of all audio so far, and may have words other than the confirmed ones in their place: what follows
    those that they come closest to is what it adds, so that a word more or less there costs and doubles nothing.

    Source: Liu et al. 2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
    Selection"; Macháček et al. 2023, "Turning Whisper into Real-Time Transcription System", who find what follows by
    the times of words.

    Attributes:
        confirmed: words that will not change.
        pending: what the last hypothesis has after them.
    """

    confirmed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What is shown."""
        return self.confirmed + self.pending

    def hearing(self, words: Sequence[str]) -> "Agreement":
        """Give what stands after one more hypothesis, in words as written."""
        added = self._added(words)
        agreed = Prefix.similarity(_plain(self.pending), _plain(added))
        return Agreement(confirmed=self.confirmed + added[:agreed], pending=added[agreed:])

    def ending(self, words: Sequence[str]) -> "Agreement":
        """Give what stands in the end: what was confirmed, and what the last hypothesis has after it."""
        return Agreement(confirmed=self.confirmed + self._added(words))

    def _added(self, words: Sequence[str]) -> tuple[str, ...]:
        """Give what follows the part that comes closest to the confirmed."""
        confirmed, heard = _plain(self.confirmed), _plain(words)
        parts = (heard[:end] for end in range(len(heard) + 1))
        return tuple(words[len(min(parts, key=lambda part: _distance(confirmed, part))) :])


def _distance(confirmed: tuple[str, ...], part: tuple[str, ...]) -> tuple[int, int, int]:
    """Give the edits between two lists; of as many edits, those that leave more words, or change the length less."""
    edits, left = Levenshtein.distance(confirmed, part), LCSseq.similarity(confirmed, part)
    return edits, -left, abs(len(part) - len(confirmed))


def _plain(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(plain, words))
