"""Whether the gate cries wolf: decisions of it where base and candidate are the same code, on real weights.

Each trial is a comparison as `modellab gate` makes it, by the rules of fixtures/gates.toml: the same session, blocks
of fresh processes, looks, drift. It gives a decision a metric. Trials are added to the folder of `--output`, so the
command can be stopped and run again, until there are `--decisions` of them. Then it prints false alarms with the bound
they leave open, beside what other tools would have said of the same seconds.

`--replay` measures nothing: it draws tens of thousands of comparisons from the blocks recorded so far, slowed by
nothing and by known shares, and has the plan of gates.toml decide them. `--plots DIR` draws the figures of
docs/gates.md.

    python benchmarks/gate_aa.py [--decisions N] [--minutes N] [--output DIR] [--replay] [--plots DIR]
"""

import argparse
import sys
from pathlib import Path

from gate_report import print_conditions, print_replay, print_rivals, print_tally, said
from gate_trials import options_of, proving, say

from modellab.gating.proof import Trials, tally
from modellab.machine.clock import MONOTONIC
from modellab.measuring.inject import Injection


def main() -> int:
    """Measure and print; give 0 where there was no false alarm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options_of(parser, "gates/aa", 24 * 60)
    parser.add_argument("--decisions", type=int, default=300, help="how many there are to be in all (300)")
    parser.add_argument("--replay", action="store_true", help="measure nothing; replay what was recorded")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write the figures there")
    parser.add_argument("--power", type=Path, default=Path("gates/power"), metavar="DIR", help="its trials, for those")
    options = parser.parse_args()
    bench, trials = proving(options), Trials(options.output)
    until_s = MONOTONIC() + 60 * options.minutes
    known = trials.read()
    while not options.replay and MONOTONIC() < until_s:
        done = tally(finding for trial in known for finding in trial.findings)
        if done.decisions >= options.decisions:
            break
        trial = bench.trial(len(known) + 1, Injection())
        trials.append(trial)
        known = (*known, trial)
        say(f"trial {trial.number}: {said(trial)}")
    comparisons = bench.recorded(known)
    alarms = print_tally(known)
    if comparisons:
        print_conditions(comparisons)
        print_rivals(comparisons)
    if options.replay:
        print_replay(comparisons, bench.rules)
    if options.plots:
        from gate_plots import write

        write(options.plots, known, comparisons, bench.rules, Trials(options.power).read())
    return 1 if alarms.hits else 0


if __name__ == "__main__":
    sys.exit(main())
