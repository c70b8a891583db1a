"""History: the estimates of each gate over time, as JSON lines. Nothing is judged by it."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from modellab.errors import BadRecord
from modellab.gating.dossier import Verdicts
from modellab.records.lines import Lines, Torn, reason_of

FILE = "history.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finding of one comparison: when, of what, and what it came to."""

    at: str
    comparison: str
    base: str
    candidate: str
    gate: str
    decision: str
    estimate: float | None
    low: float | None
    high: float | None
    counted: str
    count: int
    block_sd: float | None
    machine: str

    @property
    def index(self) -> float | None:
        """The candidate where the base is 100; of error rates 100 and the points of difference; None: not measured."""
        return None if self.estimate is None or not isfinite(self.estimate) else 100 * (1 + self.estimate)


def remember(verdicts: Verdicts, path: Path) -> None:
    """Add every finding to the file."""
    lines = Lines(path)
    for finding in verdicts.findings:
        sd = finding.evidence.get("block_sd")
        entry = Entry(
            at=verdicts.created_at,
            comparison=verdicts.id,
            base=verdicts.base,
            candidate=verdicts.candidate,
            gate=finding.gate.name,
            decision=finding.decision,
            estimate=finding.estimate,
            low=finding.low,
            high=finding.high,
            counted=finding.counted,
            count=finding.count,
            block_sd=float(sd) if isinstance(sd, float) else None,
            machine=verdicts.machine,
        )
        lines.append(json.dumps(asdict(entry)).encode())
    lines.close()


def read_history(path: Path) -> Iterator[Entry]:
    """Give what was remembered, oldest first; a line that was cut short is passed over.

    Raises:
        BadRecord: when there is no such file, or a line is whole and no entry.
    """
    if not path.exists():
        raise BadRecord(f"no history at {path}: it is written by `modellab gate`")
    entries = TypeAdapter(Entry)
    try:
        yield from (line for line in Lines(path).read(entries.validate_json) if not isinstance(line, Torn))
    except ValidationError as error:
        raise BadRecord(f"{path}: {reason_of(error)}") from error


def as_csv(entries: Iterable[Entry]) -> str:
    """Give a row for each gate of each comparison, oldest first, for tools that look for changes over time.

    Of a comparison that was judged again, the last time counts. What was not measured has no row: such tools take a
    number in every row.
    """
    last = {(entry.comparison, entry.gate): entry for entry in entries}
    names = [each.name for each in fields(Entry)]
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow([*names, "index"])
    for entry in sorted(last.values(), key=lambda each: each.at):
        if entry.index is not None:
            rows.writerow([*(getattr(entry, name) for name in names), f"{entry.index:.6g}"])
    return written.getvalue()
