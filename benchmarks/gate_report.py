"""What the proofs of the gate print: tables as docs/gates.md has them."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

import numpy as np
from gate_trials import say

from modellab.gating.proof import Tally, Trial, by_metric, replay_family, rivals, scatter, tally
from modellab.gating.rules import DRIFT, QUALITY, SPEED_METRICS, Rules
from modellab.measuring.inject import Injection
from modellab.records.duel import DuelBlock
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding
from modellab.verdicts.rate import Rate
from modellab.verdicts.replay import replay
from modellab.verdicts.sequential import Plan
from modellab.verdicts.student import mean_of

Comparisons = Sequence[Sequence[DuelBlock]]
SLOWER = (0.0, 0.02, 0.03, 0.05, 0.08)
RUNS = 20_000


def share(rate: Rate) -> str:
    """Give a rate with what it leaves open."""
    if rate.share is None:
        return "-"
    low, high = rate.interval()
    return f"{rate.hits} of {rate.of}: {100 * rate.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _bare(rate: Rate) -> str:
    """Give a rate whose hits are not of one another independent, so that nothing bounds it."""
    return f"{rate.hits} of {rate.of}: {percent(rate.share)}"


def percent(value: float | None, digits: int = 1) -> str:
    """Give a share in percent."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    say("")
    for row in (head, ["---"] * len(head), *rows):
        say(f"| {' | '.join(map(str, row))} |")


def said(trial: Trial) -> str:
    """Give a trial in a line."""
    findings = ", ".join(f"{found.gate.metric} {found.decision} ({found.count})" for found in trial.findings)
    return f"{trial.blocks} blocks, {trial.took_s:.0f} s: {findings}"


def print_tally(trials: Sequence[Trial]) -> Rate:
    """Print the decisions of identical code by metric and in all; give the false alarms."""
    every = tally(finding for trial in trials for finding in trial.findings)
    minutes, blocks = sum(trial.took_s for trial in trials) / 60, sum(trial.blocks for trial in trials)
    say(f"\n{len(trials)} comparisons of identical code, {blocks} blocks, {minutes:.0f} minutes")
    own = {metric: tally(findings) for metric, findings in by_metric(trials).items()}
    judged = {metric: each for metric, each in own.items() if each.decisions + each.refused.hits}
    table(
        ("gate", "decisions", "false alarms", "inconclusive", "of these suspected", "errors", "blocks a decision"),
        [_tallied(metric, each) for metric, each in (judged | {"all": every}).items()],
    )
    say(
        f"\nfalse alarms: {every.regressed.hits} of {every.decisions} decisions, "
        f"below {every.regressed.high():.2%} with 95 % confidence (goal: 0 of 300, below 1 %)"
    )
    for reason, count in every.errors.items():
        say(f"error, {count} times: {reason}")
    return every.regressed


def _tallied(metric: str, own: Tally) -> tuple[object, ...]:
    blocks = f"{fmean(own.counted):.1f}" if metric in SPEED_METRICS and own.counted else ""
    counts = own.regressed.hits, own.inconclusive.hits, own.suspected, own.refused.hits
    return metric, own.decisions, *counts, blocks


def print_conditions(comparisons: Comparisons) -> None:
    """Print how blocks scatter, and what was dropped by which rule."""
    blocks = [block for own in comparisons for block in own]
    say(f"\n{len(blocks)} blocks, each {median(block.took_s for block in blocks):.1f} s (median)")
    table(
        ("metric", "blocks", "dropped", "mean of all, 95 % bounds", "sd of all", "of good", "of a normal core",
         "of one comparison"),
        [_scattered(comparisons, metric) for metric in SPEED_METRICS],
    )  # fmt: skip
    dropped = scatter(comparisons, "rtf").dropped
    say(f"\ndropped by rule: {', '.join(f'{rule} {count}' for rule, count in dropped.items()) or 'none'}")


def _scattered(comparisons: Comparisons, metric: str) -> tuple[object, ...]:
    found = scatter(comparisons, metric)
    sds = sorted(sd for own in comparisons if (sd := scatter([own], metric).sd) is not None)
    within = f"{percent(sds[0])} to {percent(sds[-1])}, median {percent(median(sds))}" if sds else ""
    every, mean = float(np.std(found.values, ddof=1)), mean_of(np.array(found.values))
    low, high = mean.interval(0.95)
    middle = f"{100 * float(mean.mean):+.2f} % [{100 * low:+.2f}, {100 * high:+.2f}]"
    lost = len(found.values) - len(found.good)
    return (
        metric,
        len(found.values),
        lost,
        middle,
        *(percent(sd, 2) for sd in (every, found.sd, found.robust_sd)),
        within,
    )


def print_rivals(comparisons: Comparisons) -> None:
    """Print what other tools would have said of the same seconds."""
    every, following = rivals(comparisons), rivals(comparisons, apart=1)
    table(
        ("rule, on the seconds of rtf", "false alarms"),
        [
            ("pytest-benchmark mean:5%, stored baseline, every later comparison", _bare(every.stored)),
            ("pytest-benchmark mean:5%, stored baseline, the next comparison", share(following.stored)),
            ("pytest-benchmark mean:5%, both arms of one comparison", share(every.beside)),
            ("asv, every later comparison", _bare(every.asv_stored)),
            ("asv, the next comparison", share(following.asv_stored)),
            ("asv, both arms of one comparison", share(every.asv)),
        ],
    )


def print_replay(comparisons: Comparisons, rules: Rules) -> None:
    """Print what the plans decide on blocks drawn from the recorded ones."""
    gates = plans(rules)
    for metric, plan in gates.items():
        good = np.array(scatter(comparisons, metric).good)
        say(f"\nreplay of {metric}: {RUNS} runs on {len(good)} blocks, above {plan.floor:g}, of {plan.interest:g}")
        table(
            ("slower", "regressed", f"and stands among {len(gates)}", "passed", "inconclusive", "blocks"),
            [_replayed(good, plan, slower, rules, len(gates)) for slower in SLOWER],
        )
    table(
        ("slower", "pytest-benchmark, stored", "in one comparison", "asv, stored", "in one comparison"),
        [(percent(slower, 0), *map(percent, _rates(comparisons, slower))) for slower in SLOWER],
    )


def _replayed(good: np.ndarray, plan: Plan, slower: float, rules: Rules, gates: int) -> tuple[object, ...]:
    runs = replay(good, plan, slower=slower, runs=RUNS)
    family = replay_family(good, plan, gates=gates, alpha=rules.family_alpha, slower=slower, runs=RUNS)
    shares = runs.regressed, family.confirmed, runs.passed, runs.inconclusive
    return percent(slower, 0), *(percent(rate.share, 2) for rate in shares), f"{runs.mean_blocks:.1f}"


def _rates(comparisons: Comparisons, slower: float) -> tuple[float | None, ...]:
    rates = rivals(comparisons, slower=slower)
    return rates.stored.share, rates.beside.share, rates.asv_stored.share, rates.asv.share


def plans(rules: Rules) -> Mapping[str, Plan]:
    """Give the plan of each metric of speed."""
    of_one = rules.gates(["one model"])
    return {gate.metric: each.plan for gate, each in of_one.items() if gate.metric in SPEED_METRICS}


def print_detections(trials: Sequence[Trial], limit_min: float) -> float:
    """Print how often each slowdown was seen, and what it took; give the share seen in time at 5 %."""
    kinds = {kind: [trial for trial in trials if trial.injected == kind] for kind in _kinds(trials)}
    table(
        ("slower", "gate", "detected", "missed", "inconclusive", "of these suspected", "errors", "blocks",
         "minutes: median, most", f"within {limit_min:g} min"),
        [
            _detected(kind, metric, findings, own, _in_time(own, metric, limit_min))
            for kind, own in kinds.items()
            for metric, findings in by_metric(own).items()
        ],
    )  # fmt: skip
    own = kinds.get("slow:1.05", [])
    goal = _in_time(own, "rtf", limit_min) / len(own) if own else 0.0
    say(f"\nrtf seen at 5 % within {limit_min:g} minutes: {goal:.0%} (goal: 95 %)")
    return goal


def _kinds(trials: Sequence[Trial]) -> list[str]:
    return sorted({trial.injected for trial in trials})


def _detected(kind: str, metric: str, findings: Sequence[Finding], own: Sequence[Trial], in_time: int) -> list[object]:
    own_tally = tally(findings)
    minutes = [trial.decided_s[metric] / 60 for trial in own if metric in trial.decided_s]
    return [
        percent(Injection.read(kind).slow - 1, 0),
        metric,
        share(own_tally.regressed),
        own_tally.counts.get(Decision.PASS, 0),
        own_tally.inconclusive.hits,
        own_tally.suspected,
        own_tally.refused.hits,
        f"{fmean(own_tally.counted):.1f}" if own_tally.counted else "",
        f"{median(minutes):.1f}, {max(minutes):.1f}" if minutes else "",
        in_time,
    ]


def _in_time(trials: Iterable[Trial], metric: str, limit_min: float) -> int:
    return sum(
        _said(trial, metric) is Decision.REGRESSED and trial.decided_s.get(metric, 0.0) <= 60 * limit_min
        for trial in trials
    )


def print_words(trials: Sequence[Trial]) -> int:
    """Print how often wrong words were seen; give how many trials with changed words drift has missed."""
    rates = sorted({Injection.read(trial.injected).wer for trial in trials})
    own = {points: [trial for trial in trials if Injection.read(trial.injected).wer == points] for points in rates}
    table(
        ("points", "trials", "any word changed", "seen by drift", "utterances changed", "points gained",
         "quality: detected", "passed", "inconclusive", "informs"),
        [_worded(points, each) for points, each in own.items()],
    )  # fmt: skip
    return sum(bool(trial.changed) and _said(trial, DRIFT) is not Decision.REGRESSED for trial in trials)


def _worded(points: float, own: Sequence[Trial]) -> tuple[object, ...]:
    changed = [trial for trial in own if trial.changed]
    quality = [finding for trial in own for finding in trial.findings if finding.gate.metric == QUALITY]
    decisions = [finding.decision for finding in quality]
    gained = fmean(100 * (finding.estimate or 0.0) for finding in quality)
    return (
        f"{points:g}",
        len(own),
        len(changed),
        sum(_said(trial, DRIFT) is Decision.REGRESSED for trial in changed),
        f"{fmean(trial.changed or 0 for trial in own):.1f}",
        f"{gained:.2f}",
        share(tally(quality).regressed),
        *(decisions.count(each) for each in (Decision.PASS, Decision.INCONCLUSIVE, Decision.INFORMS)),
    )


def _said(trial: Trial, metric: str) -> Decision | None:
    return next((finding.decision for finding in trial.findings if finding.gate.metric == metric), None)
