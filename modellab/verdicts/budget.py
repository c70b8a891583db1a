"""Budget: what a model must achieve on a corpus, and whether it did."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from modellab.errors import BadDefinition


class Verdict(StrEnum):
    """What a claim came to. Without a budget nothing is claimed, which is not the same as passing."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NO_BUDGET = "no budget"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that a model may need or get wrong; None means that nothing is claimed.

    Attributes:
        wer: pooled word (or character) error rate, a fraction.
        rtf: median real-time factor, seconds of work per second of audio.
        cold_start_s: from the start of a fresh process to its first transcript.
        words_in_silence: words written where nobody spoke, over the whole corpus.
        changed_utterances: utterances whose words differ from another runtime's with the same weights.
        quantisation_wer: the error rate less that of the same model in full precision, a fraction: 0.01 is a point.
        wer_ratio: the error rate under a condition over that without.
        words_per_minute: words written in a minute in which nobody spoke.
        loops: phrases written over and over where nobody spoke, over the whole corpus.
        flips: utterances whose words change when they are heard in another way, of each way.
        missing_words: words of long recordings left out five or more in a row.
        word_time_error_s: mean error of when words begin or end, the greater of the two.
        language_error_rate: share of utterances whose language was mistaken, a fraction.
        latency_p95_s: what 95 of 100 calls of a single caller take at most.
        offline_rtf: seconds for a second of audio when everything is asked for at once, under the best setting.
        server_interval_s: between two requests on average, at the highest rate that a server keeps; 1 / rate.
        first_partial_s: from the start of a stream to the first text, the median over utterances.
        final_s: from the end of a stream to its final text, the median over utterances.
        revisions_per_word: words of a stream that were shown and taken back, per final word.
        streaming_cost: the error rate of a stream less that of the same audio heard whole, a fraction.
        peak_memory_bytes: the most that one process held.
        growth_bytes: by which memory grows with each transcription.
    """

    wer: float | None = None
    rtf: float | None = None
    cold_start_s: float | None = None
    words_in_silence: int | None = None
    changed_utterances: int | None = None
    quantisation_wer: float | None = None
    wer_ratio: float | None = None
    words_per_minute: float | None = None
    loops: int | None = None
    flips: int | None = None
    missing_words: int | None = None
    word_time_error_s: float | None = None
    language_error_rate: float | None = None
    latency_p95_s: float | None = None
    offline_rtf: float | None = None
    server_interval_s: float | None = None
    first_partial_s: float | None = None
    final_s: float | None = None
    revisions_per_word: float | None = None
    streaming_cost: float | None = None
    peak_memory_bytes: float | None = None
    growth_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A budget for every model and corpus that match two glob patterns, and where and when it was set."""

    model: str
    corpus: str
    set_on: date
    machine: str
    budget: Budget

    def covers(self, model: str, corpus: str) -> bool:
        """Whether the rule speaks of this model on this corpus."""
        return fnmatchcase(model, self.model) and fnmatchcase(corpus, self.corpus)

    def table(self) -> dict[str, Any]:
        """Give the rule as a table of plain values."""
        limits = {name: value for name, value in asdict(self.budget).items() if value is not None}
        about = {"model": self.model, "corpus": self.corpus, "set_on": self.set_on.isoformat(), "machine": self.machine}
        return about | limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Rules in order; where several cover a model, a later one overrides what it names."""

    rules: tuple[Rule, ...] = ()

    def tables(self) -> tuple[dict[str, Any], ...]:
        """Give the rules as tables of plain values, as `budgets_from` reads them."""
        return tuple(rule.table() for rule in self.rules)

    def of(self, model: str, corpus: str = "*") -> Budget:
        """Give the budget of a model on a corpus; every field is None where no rule covers them."""
        budget = Budget()
        for rule in self.rules:
            if rule.covers(model, corpus):
                named = {f.name: getattr(rule.budget, f.name) for f in fields(Budget)}
                budget = replace(budget, **{name: value for name, value in named.items() if value is not None})
        return budget


def judge(measured: float | None, limit: float | None) -> Verdict:
    """Give the verdict on one figure: a figure that could not be measured is an error, never a pass."""
    if limit is None:
        return Verdict.NO_BUDGET
    if measured is None:
        return Verdict.ERROR
    return Verdict.PASS if measured <= limit else Verdict.FAIL


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Give the gravest of several verdicts; no verdict at all means no budget."""
    order = (Verdict.ERROR, Verdict.FAIL, Verdict.PASS)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.NO_BUDGET)


def read_budgets(path: Path) -> Budgets:
    """Give the budgets of a TOML file.

    Raises:
        BadDefinition: when the file or one of its keys cannot be understood.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["budget"]
    except (OSError, ValueError, KeyError) as error:
        raise BadDefinition(f"{path} holds no [[budget]] tables that can be read: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadDefinition(f"{path}: budget must be a list of tables, [[budget]], not {entries!r:.80}")
    return budgets_from(entries, source=str(path))


def budgets_from(entries: Sequence[Mapping[str, Any]], source: str) -> Budgets:
    """Give budgets from tables as a TOML file or a run holds them; `source` names them in errors."""
    return Budgets(rules=tuple(_rule(entry, f"{source}, budget {n}") for n, entry in enumerate(entries, start=1)))


_ABOUT = {"model", "corpus", "set_on", "machine"}
_LIMITS = {f.name for f in fields(Budget)}


def _rule(entry: Mapping[str, Any], where: str) -> Rule:
    unknown = set(entry) - _ABOUT - _LIMITS
    if unknown:
        raise BadDefinition(f"{where}: unknown key {min(unknown)!r}; allowed: {', '.join(sorted(_ABOUT | _LIMITS))}")
    missing = {"model", "set_on", "machine"} - set(entry)
    if missing:
        raise BadDefinition(f"{where}: {min(missing)!r} is missing")
    for key in ("model", "corpus", "machine"):
        if not isinstance(entry.get(key, ""), str):
            raise BadDefinition(f"{where}: {key} must be a text, not {entry[key]!r}")
    limits = {key: _limit(entry[key], f"{where}: {key}") for key in _LIMITS & set(entry)}
    return Rule(
        model=entry["model"],
        corpus=entry.get("corpus", "*"),
        set_on=_day(entry["set_on"], where),
        machine=entry["machine"],
        budget=Budget(**limits),
    )


def _day(value: object, where: str) -> date:
    refusal = BadDefinition(f"{where}: set_on must be a day, like 2026-11-23, not {value!r}")
    if not isinstance(value, date | str):
        raise refusal
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise refusal from error


def _limit(value: object, where: str) -> Any:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise BadDefinition(f"{where} must be a number of 0 or more, not {value!r}")
    return value
