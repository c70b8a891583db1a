"""Comparison: two arms, from what they are to their verdicts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from ulid import ULID

from modellab.arms.matchup import Matchup
from modellab.backends.device import processor
from modellab.gating.dossier import Dossier, Verdicts, identity
from modellab.gating.rules import Rules
from modellab.gating.session import GateSession, label
from modellab.machine.clock import MONOTONIC
from modellab.records.environment import usable_cores
from modellab.records.store import now
from modellab.speech.utterance import Corpus

_MINUTE_S = 60.0


def compare(
    *,
    rules: Rules,
    matchup: Matchup,
    corpora: Mapping[str, Corpus],
    home: Path,
    seed: int,
    limit_s: float,
    command: str,
    say: Callable[[str], None],
) -> tuple[Verdicts, Dossier]:
    """Measure both arms until all is decided, adding to what was measured of the same before; give the verdicts.

    Evidence is kept in a folder of `home` that is named by what is compared. Only commits name their content: nothing
    is added to what was measured of changed files, or of an environment that somebody else made.
    """
    started_s, comparison = MONOTONIC(), identity(_facts(rules, matchup, corpora, seed))
    dossier = Dossier(home / comparison)
    session = GateSession(
        rules=rules,
        dossier=dossier,
        pairs=matchup.pairs,
        contenders=matchup.contenders,
        corpora=corpora,
        seed=seed,
        limit_s=limit_s,
        say=say,
    )
    with dossier.lock():
        expected, findings = session.run()
    verdicts = Verdicts(
        id=comparison,
        created_at=now(),
        base=_arm(matchup, "base"),
        candidate=_arm(matchup, "candidate"),
        command=command,
        expected=expected,
        findings=findings,
        minutes=(MONOTONIC() - started_s) / _MINUTE_S,
        machine=f"{processor()}, {usable_cores()} cores",
        notes=tuple(_notes(matchup)),
    )
    return verdicts, dossier


def _notes(matchup: Matchup) -> Iterator[str]:
    yield from (f"{spec.id} is gone from the candidate: nobody judges what became of it" for spec in matchup.only_base)
    yield from (f"{spec.id} is new: there is nothing to judge it by" for spec in matchup.only_candidate)


def _facts(rules: Rules, matchup: Matchup, corpora: Mapping[str, Corpus], seed: int) -> Mapping[str, object]:
    revision = matchup.revision
    arms = {
        arm.name: {
            "decode": dict(arm.definition.decode),
            "python": arm.interpreter.python,
            "modellab": arm.interpreter.modellab,
            "threads": arm.threads,
        }
        for arm in (matchup.base, matchup.candidate)
    }
    return {
        "rules": [asdict(each) for each in rules.expectations],
        "terms": asdict(rules.terms),
        "rounds": rules.rounds,
        "arms": arms,
        "pairs": [label(pair) for pair in matchup.pairs],
        "corpora": {name: corpus.revision for name, corpus in corpora.items()},
        "seed": seed,
        "revision": [revision.base, revision.candidate] if revision else None,
        "changes": "" if revision and revision.clean else str(ULID()),
        "processor": processor(),
    }


def _arm(matchup: Matchup, side: str) -> str:
    arm = matchup.base if side == "base" else matchup.candidate
    revision = matchup.revision
    if revision is None:
        return f"{arm.surroundings.origin}, {arm.definition.path}"
    commit = revision.base if side == "base" else revision.candidate
    changed = "" if side == "base" or revision.clean else " with changes not committed"
    return f"{commit[:12]}{changed}"
