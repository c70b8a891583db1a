"""Outcome: what is kept of a record once it has been scored, small enough to hold a million of them."""

from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.reporting.accuracy import is_silence, words_of
from modellab.reporting.nonspeech import Nonspeech, nonspeech_of
from modellab.scoring.memo import Memo
from modellab.scoring.normalize import normalizer_for
from modellab.scoring.score import Score
from modellab.scoring.wer import metric_for, score_all

_DIGEST_BYTES = 8


class Outcome(NamedTuple):
    """A record of the accuracy lane, its text let go.

    Attributes:
        score: under the rules and by the metric of its language; a failure counts as having written nothing.
        digest: of the words that were written, normalised: equal where they are.
        speaker: as the record has it.
        silent: whether nothing is said in the utterance, so that its score enters no rate.
        nonspeech: what was written where nothing is said; None elsewhere, and where it failed.
        cached: whether the transcript was written in an earlier run.
        failure: why there is no transcript.
    """

    score: Score
    digest: bytes
    speaker: str | None
    silent: bool
    nonspeech: Nonspeech | None
    cached: bool
    failure: Failure | None


class Scorer:
    """Scores records one at a time. A reference that several models hear is normalised once."""

    def __init__(self) -> None:
        self._languages = _Languages()

    def outcome(self, record: Record, failure: Failure | None) -> Outcome:
        """Give what is kept of a record of the accuracy lane; `failure` equals the record's, and many may share it."""
        written, silent = record.transcript.text if record.transcript else "", is_silence(record)
        score, words = self._languages[record.language].score(record.reference, written)
        return Outcome(
            score=score,
            digest=_digest(words),
            speaker=record.speaker,
            silent=silent,
            nonspeech=nonspeech_of(record) if silent else None,
            cached=record.cached,
            failure=failure,
        )


def digest_of(record: Record) -> bytes:
    """Give the digest of a record's normalised words, as its outcome has it."""
    return _digest(words_of(record))


def _digest(words: str) -> bytes:
    return blake2b(words.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()


class _Language:
    """The rules and the metric of one language, and what has been normalised under them."""

    def __init__(self, language: str) -> None:
        self._rules, self._metric = normalizer_for(language), metric_for(language)
        self._normalized = replace(self._rules, rewrite=str)
        self._said = Memo(self._rules)

    def score(self, said: str, written: str) -> tuple[Score, str]:
        """Give the score of one utterance, and the normalised words that were written."""
        words = self._rules(written)
        (score,) = score_all([(self._said[said], words)], self._normalized, self._metric)
        return score, words


class _Languages(dict[str, _Language]):
    def __missing__(self, language: str) -> _Language:
        self[language] = rules = _Language(language)
        return rules
