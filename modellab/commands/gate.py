"""modellab gate: measure a candidate beside its base, and judge whether anything got worse."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from modellab.errors import MeasurementRefused, ModelLabError
from modellab.verdicts.decision import Decision

if TYPE_CHECKING:
    from modellab.arms.matchup import Matchmaker, Matchup
    from modellab.gating.dossier import Dossier, Verdicts
    from modellab.gating.rules import Rules

MINUTES = 60.0
CODES = {
    Decision.PASS: 0,
    Decision.INFORMS: 0,
    Decision.REGRESSED: 1,
    Decision.INCONCLUSIVE: 2,
    Decision.ERROR: 3,
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    gate = commands.add_parser(
        "gate",
        help="measure a candidate beside its base, and judge whether anything got worse",
        description="Measure two arms side by side on this machine and judge every gate of gates.toml: words, error "
        "rates, time, memory. Ends with 1 where anything regressed, 3 where a gate could not be judged, 0 otherwise; "
        "what could not be decided is said and fails nobody, unless --strict.",
    )
    arms = gate.add_mutually_exclusive_group(required=True)
    arms.add_argument("--base", metavar="REF", help="the merge base of this and what is checked out, built for it")
    arms.add_argument("--base-python", type=Path, metavar="PATH", help="an environment that exists, by its interpreter")
    arms.add_argument("--base-models", type=Path, metavar="FILE", help="another bench definition, in this environment")
    arms.add_argument("--itself", action="store_true", help="the commit that is checked out against itself")
    for name, what in (("model", "checkpoints"), ("backend", "runtimes"), ("device", "devices")):
        gate.add_argument(f"--{name}", metavar="NAMES", default="", help=f"{what} of both arms (those of bench.toml)")
    gate.add_argument("--compute-type", metavar="NAMES", default="", help="precisions of both arms")
    gate.add_argument("--threads", type=int, default=1, metavar="N", help="threads each arm may use (1)")
    gate.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every draw (0)")
    gate.add_argument("--alpha", type=float, metavar="P", help="chance of a false alarm of each gate of speed")
    gate.add_argument(
        "--only", type=Path, metavar="VERDICTS", help="judge anew what regressed there, with new evidence"
    )
    gate.add_argument(
        "--screen",
        action="store_true",
        help="each gate for itself: what regresses is to be confirmed by --only elsewhere",
    )
    gate.add_argument("--minutes", type=float, default=MINUTES, metavar="N", help=f"begin nothing after ({MINUTES:g})")
    gate.add_argument(
        "--output", type=Path, default=Path("gates"), metavar="DIR", help="where evidence is kept (gates)"
    )
    gate.add_argument("--strict", action="store_true", help="fail where a gate could not be decided, too")
    gate.add_argument("--json", action="store_true", help="print the verdicts as JSON, and nothing else")
    gate.add_argument("pytest", nargs="*", metavar="-- OPTIONS", help="for pytest, which shows the verdicts as tests")
    gate.set_defaults(run=_gate)


def _gate(options: argparse.Namespace) -> int:
    """Give 0, or what says why not; that a comparison could not be made is an error as a gate's is."""
    try:
        return _judge(options)
    except ModelLabError as error:
        print(f"modellab: {error}", file=sys.stderr)
        return CODES[Decision.ERROR]


def _judge(options: argparse.Namespace) -> int:
    from modellab.gating.dossier import plain
    from modellab.gating.github import annotate
    from modellab.gating.history import FILE, remember
    from modellab.gating.summary import headline, summary
    from modellab.plugin.gates import show

    _refuse_company()
    rules = _rules(options)
    with _matchup(options) as matchup:
        verdicts, dossier = _measured(options, rules, matchup)
    dossier.conclude(verdicts)
    (dossier.folder / "summary.md").write_text(summary(verdicts), encoding="utf-8")
    remember(verdicts, options.output / FILE)
    if options.json:
        print(json.dumps(plain(verdicts), indent=1))
    else:
        show(dossier.verdicts_path, options.pytest)
        for line in annotate(verdicts, os.environ):
            print(line)
        print(f"{headline(verdicts)}. {dossier.folder / 'summary.md'}")
    undecided = verdicts.decision is Decision.INCONCLUSIVE and not options.strict
    return 0 if undecided else CODES[verdicts.decision]


def _measured(options: argparse.Namespace, rules: "Rules", matchup: "Matchup") -> "tuple[Verdicts, Dossier]":
    from modellab.conditions.registry import read_conditions
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.gating.comparison import compare
    from modellab.sources.cache import cache_root

    cache = cache_root(options.cache_dir)
    corpora, conditions = read_corpora(options.fixtures / "corpora.toml"), options.fixtures / "conditions.toml"
    read = {}
    for name in rules.corpora:
        selection = parse_selection(name)
        whole = corpora.read(selection, cache)
        effects = read_conditions(conditions).effects(selection.conditions, whole) if selection.conditions else ()
        read[name] = whole.under(effects, options.seed)
    return compare(
        rules=rules,
        matchup=matchup,
        corpora=read,
        home=options.output,
        seed=options.seed,
        limit_s=60 * options.minutes,
        command=shlex.join(["modellab", *sys.argv[1:]]),
        say=lambda line: print(f"modellab: {line}", file=sys.stderr),
    )


def _rules(options: argparse.Namespace) -> "Rules":
    from modellab.gating.dossier import read_verdicts
    from modellab.gating.rules import FILE, read_rules

    rules = read_rules(options.fixtures / FILE)
    if options.only:
        before = read_verdicts(options.only)
        rules = rules.only([found.gate for found in before.findings if found.decision is Decision.REGRESSED])
    if options.screen:
        rules = replace(rules, family_alpha=1.0)
    return rules.with_alpha(options.alpha) if options.alpha is not None else rules


@contextmanager
def _matchup(options: argparse.Namespace) -> "Iterator[Matchup]":
    from modellab.arms.revision import resolve

    maker = _matchmaker(options)
    if options.base or options.itself:
        revision = resolve(options.base or "HEAD", Path.cwd())
        with maker.revisions(revision, itself=options.itself) as matchup:
            yield matchup
    elif options.base_python:
        yield maker.environment(options.base_python)
    else:
        yield maker.models(options.base_models)


def _matchmaker(options: argparse.Namespace) -> "Matchmaker":
    from modellab.arms.definition import Wanted
    from modellab.arms.matchup import Matchmaker
    from modellab.sources.cache import cache_root

    def named(written: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in written.split(",") if part.strip())

    wanted = Wanted(
        models=named(options.model),
        backends=named(options.backend),
        devices=named(options.device),
        compute_types=named(options.compute_type),
    )
    return Matchmaker(
        fixtures=options.fixtures, cache=cache_root(options.cache_dir), wanted=wanted, threads=options.threads
    )


def _refuse_company() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        raise MeasurementRefused("a gate beside other workers means nothing: run `modellab gate` by itself")
