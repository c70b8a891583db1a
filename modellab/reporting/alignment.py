"""Alignment: how far a hearing's words are from when they were said, where the corpus knows it."""

from collections.abc import Iterable

from modellab.records.record import Record
from modellab.scoring.normalize import normalizer_for
from modellab.scoring.timestamps import TimeErrors, time_errors


def pool_time_errors(records: Iterable[Record]) -> TimeErrors:
    """Give the errors of all records that have words with times on both sides."""
    pooled = TimeErrors()
    for record in records:
        if record.reference_words and record.transcript:
            heard = tuple(word for segment in record.transcript.segments for word in segment.words)
            pooled += time_errors(record.reference_words, heard, normalizer_for(record.language))
    return pooled
