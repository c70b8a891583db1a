"""Records: which facts may be written down."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from modellab.errors import BadRecord
from modellab.records.failure import Failure
from modellab.records.record import ColdStart, Record
from modellab.speech.transcript import Transcript

MakeRecord = Callable[..., Record]
FAILURE = Failure(stage="transcribe", kind="RuntimeError", message="no memory")


def test_a_record_is_a_transcript_or_a_failure(record: MakeRecord) -> None:
    """A record with both a transcript and a failure, or with neither, is refused by its utterance."""
    for outcome in (
        {"transcript": Transcript(text=""), "failure": FAILURE},
        {"transcript": None, "failure": None},
    ):
        with pytest.raises(BadRecord, match="'u1'"):
            record(**outcome)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("field", ["audio_duration_s", "transcribe_s"])
def test_seconds_are_finite(record: MakeRecord, field: str, bad: float) -> None:
    """A record with a duration that is not finite is refused by its utterance."""
    with pytest.raises(BadRecord, match=r"'u1'.*finite"):
        record(**{field: (0.5, bad) if field == "transcribe_s" else bad})


def test_another_schema_is_refused(record: MakeRecord) -> None:
    """A fact of a schema that this version does not know is refused, saying which and what helps."""
    for fact in (record(), ColdStart(model="m", session=1)):
        with pytest.raises(BadRecord, match=r"schema 4.*upgrade"):
            replace(fact, schema=4)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"lane": "variation"}, "variation"),
        ({"lane": "accuracy", "variation": "alone"}, "variation"),
        ({"cached": True, "transcribe_s": (0.1,)}, "cached"),
    ],
)
def test_facts_that_contradict_each_other_are_refused(record: MakeRecord, facts: dict[str, Any], reason: str) -> None:
    """A variation has its own lane, and a transcript out of the cache took no time."""
    with pytest.raises(BadRecord, match=rf"'u1'.*{reason}"):
        record(**facts)
