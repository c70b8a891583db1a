"""Whether the gate sleeps: how often it sees a candidate that was made worse by a known amount, and what that takes.

Slowdowns are work, not sleep: the candidate's worker goes on for 3, 5 or 8 % longer at every call. Each trial is a
comparison as `modellab gate` makes it, by the rules of fixtures/gates.toml. Word errors of 0.5, 1 and 2 points,
clustered by speaker, are put into what the model wrote, which decodes without chance: both arms hear the corpus once,
and each trial changes other words. A corpus of ten speakers or more is judged for quality, too.

Trials are added to the folder of `--output`, so the command can be stopped and run again, until there are `--runs` of
each slowdown and `--seeds` of each rate of words.

    python benchmarks/gate_power.py [--runs N] [--seeds N] [--minutes N] [--corpus NAME] [--output DIR] [--report]
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from gate_report import print_detections, print_words
from gate_trials import Proving, options_of, proving, say

from modellab.gating.judging import Evidence, judge
from modellab.gating.proof import Trial, Trials
from modellab.gating.rules import DRIFT, QUALITY, SPEED_METRICS
from modellab.machine.clock import MONOTONIC, timed
from modellab.measuring.contender import spoiled, transcribe
from modellab.measuring.inject import Injection
from modellab.records.record import Record

SLOWER = (1.05, 1.03, 1.08)
POINTS = (0.5, 1.0, 2.0)
GOAL, GOAL_MINUTES = 0.95, 10.0


def slow_trials(bench: Proving, trials: Trials, runs: int, until_s: float) -> None:
    """Measure what is wanting, one of each slowdown after the other."""
    own = tuple(each for each in bench.rules.expectations if each.metric in SPEED_METRICS)
    rules = replace(bench.rules, expectations=own)
    known = {(trial.injected, trial.number) for trial in trials.read()}
    for number, factor in product(range(1, runs + 1), SLOWER):
        injection = Injection(slow=factor)
        if (str(injection), number) in known:
            continue
        if MONOTONIC() >= until_s:
            return
        trial = bench.trial(number, injection, rules)
        trials.append(trial)
        said = ", ".join(f"{f.gate.metric} {f.decision} ({f.count})" for f in trial.findings)
        say(f"{trial.injected}, trial {number}: {trial.blocks} blocks, {trial.took_s:.0f} s: {said}")


def word_trials(bench: Proving, trials: Trials, seeds: int) -> None:
    """Hear the corpus by both arms, change words in what the candidate wrote, and judge."""
    known = {(trial.injected, trial.number) for trial in trials.read()}
    wanted = [
        (number, injection)
        for number, points in product(range(1, seeds + 1), POINTS)
        if (str(injection := Injection(wer=points, seed=number)), number) not in known
    ]
    if not wanted:
        return
    say(f"both arms hear {len(bench.corpus)} utterances of {bench.corpus.name}")
    (base, candidate), took_s = timed(
        lambda: [tuple(transcribe(bench.contender(name), bench.corpus)) for name in ("base", "candidate")]
    )
    for number, injection in wanted:
        trials.append(_word_trial(bench, number, injection, {"base": base, "candidate": candidate}, took_s))


def _word_trial(
    bench: Proving, number: int, injection: Injection, heard: Mapping[str, Sequence[Record]], took_s: float
) -> Trial:
    changed = tuple(spoiled(record, injection) for record in heard["candidate"])
    evidence = Evidence(revision=bench.corpus.revision, base=heard["base"], candidate=changed)
    gates = bench.rules.gates((bench.spec.id,))
    words = {gate: expected for gate, expected in gates.items() if gate.metric in {DRIFT, QUALITY}}
    return Trial(
        number=number,
        injected=str(injection),
        findings=tuple(judge(gate, expected, evidence, bench.rules)[0] for gate, expected in words.items()),
        blocks=0,
        took_s=took_s,
        decided_s={},
        changed=sum(new is not old for new, old in zip(changed, heard["candidate"], strict=True)),
    )


def main() -> int:
    """Measure and print; give 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options_of(parser, "gates/power", 24 * 60)
    parser.add_argument("--runs", type=int, default=20, help="of each slowdown (20); 0 for words alone")
    parser.add_argument("--seeds", type=int, default=100, help="of each rate of wrong words (100)")
    parser.add_argument("--report", action="store_true", help="measure nothing; print what is known")
    options = parser.parse_args()
    bench = proving(options)
    slow = Trials(options.output)
    words = Trials(options.output / bench.corpus.name)
    if not options.report:
        word_trials(bench, words, options.seeds)
        slow_trials(bench, slow, options.runs, MONOTONIC() + 60 * options.minutes)
    blind = print_words(words.read())
    seen = print_detections(slow.read(), GOAL_MINUTES)
    return 0 if not blind and seen >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
