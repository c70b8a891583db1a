"""Note: what stands below the table, so that nothing is lost in silence: failures, skips, differences, gaps."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from modellab.records.record import Arrangement
from modellab.reporting.parity import Parity
from modellab.reporting.quantisation import spoken as spoken_cost
from modellab.reporting.summary import Failed, Report
from modellab.reporting.varied import spoken

_NAMED = 3
_MESSAGE_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A heading with how many there are, and one line for each."""

    title: str
    lines: tuple[str, ...]


def notes(report: Report) -> tuple[Note, ...]:
    """Give all that a reader must know besides the table; headings that have nothing under them are left out."""
    every = (
        Note(title=f"Failures: {len(report.failures)}", lines=tuple(_failures(report))),
        Note(title="This run is not whole", lines=tuple(_gaps(report))),
        Note(
            title=f"Skipped: {len(report.skipped)}",
            lines=tuple(f"{s.model} on {s.corpus or 'every corpus'}: {s.reason}" for s in report.skipped),
        ),
        Note(
            title="Options that a runtime cannot honour",
            lines=tuple(f"{model}: {', '.join(options)}" for model, options in report.not_honoured.items()),
        ),
        Note(
            title="Same weights in full precision, other runtime or device",
            lines=tuple(_parity(pair) for pair in report.parity),
        ),
        Note(title="What a compute type costs against the fullest of the run", lines=tuple(_quantised(report))),
        Note(title="Transcripts out of the cache", lines=tuple(_cached(report))),
        Note(
            title="Heard in another way",
            lines=tuple(
                f"{each.model} on {each.corpus}, {each.variation}: {spoken(each)} [{each.verdict}]"
                for each in report.varied
            ),
        ),
        Note(title="Where nobody spoke", lines=tuple(_nonspeech(report))),
        Note(title="Crews", lines=tuple(map(_crew, report.arrangements))),
        Note(title="Budgets that this run has no facts for", lines=tuple(_unmeasured(report))),
    )
    return tuple(note for note in every if note.lines)


def _failures(report: Report) -> Iterator[str]:
    groups: dict[tuple[str, str, str, str, str], list[Failed]] = defaultdict(list)
    for failed in report.failures:
        groups[failed.model, failed.corpus, failed.lane, failed.stage, f"{failed.kind}: {failed.message}"].append(
            failed
        )
    for (model, corpus, lane, stage, message), own in groups.items():
        names = [failed.utterance for failed in own if failed.utterance]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        of = f" ({', '.join(names[:_NAMED])}{more})" if names else ""
        where = f" on {corpus}" if corpus else ""
        yield f"{model}{where}, {lane}, {stage}: {len(own)} ×{of}: {_short(message)}"  # noqa: RUF001


def _gaps(report: Report) -> Iterator[str]:
    for session in report.run.unfinished:
        yield f"session {session.number} is {session.outcome}: it ended before all it had planned, or has not ended"
    if report.torn:
        yield f"{report.torn} line(s) of the record file were cut short by a crash or a full disk and are not counted"
    for model in report.untouched:
        yield f"{model} was planned and left no record"
    for row in report.rows:
        where = f"{row.model.id} on {row.corpus}"
        if row.hearing.missing:
            yield f"{where}: {row.hearing.missing} utterances were never tried"
        if row.batched:
            yield f"{where}: {row.batched} timed in batches, which say nothing of latency"


def _quantised(report: Report) -> Iterator[str]:
    for row in report.rows:
        if row.quantisation:
            yield f"{row.model.id} on {row.corpus}: {spoken_cost(row.quantisation)}"


def _parity(pair: Parity) -> str:
    apart = (
        f"{len(pair.changed)} of {pair.compared} utterances differ, {pair.more_errors:+d} errors"
        if pair.compared
        else "nothing to compare"
    )
    named = (
        f" ({', '.join(pair.changed[:_NAMED])}{', …' if len(pair.changed) > _NAMED else ''})" if pair.changed else ""
    )
    lost = f"; {pair.not_compared} heard by one only" if pair.not_compared else ""
    return f"{pair.corpus}: {pair.right} against {pair.left}: {apart}{named}{lost} [{pair.verdict}]"


def _cached(report: Report) -> Iterator[str]:
    for row in report.rows:
        hearing = row.hearing
        if hearing.cached:
            came = f"{hearing.cached} of {hearing.heard} transcripts came out of the cache"
            yield f"{row.model.id} on {row.corpus}: {came}; no time was taken of them"


def _nonspeech(report: Report) -> Iterator[str]:
    for row in report.rows:
        if (found := row.nonspeech) and found.words:
            yield (
                f"{row.model.id} on {row.corpus}: {found.words} words in {found.duration_s:.0f} s without speech "
                f"({found.words_per_minute:.0f} a minute), in {found.written} of {found.utterances} recordings, "
                f"{found.loops} written over and over"
            )


def _crew(arranged: Arrangement) -> str:
    tried = ", ".join(f"{t.replicas} of {t.threads}: {t.rtfx:.2f}" for t in arranged.trials)
    return (
        f"{arranged.model} on {arranged.corpus}: {arranged.replicas} replicas of {arranged.threads} threads"
        f"{f' (seconds of audio a second, {tried})' if tried else ', known from an earlier run'}"
    )


def _unmeasured(report: Report) -> Iterator[str]:
    claims: dict[str, list[str]] = defaultdict(list)
    for row in report.rows:
        for claim in row.unmeasured:
            claims[claim].append(f"{row.model.id} on {row.corpus}" if row.corpus else row.model.id)
    for claim, rows in claims.items():
        yield f"{claim}: {', '.join(rows)}"


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _MESSAGE_LENGTH else f"{line[:_MESSAGE_LENGTH]}…"
