"""What both proofs of the gate share: real arms, a trial of them by the product's own session, the rules it keeps."""

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from modellab.backends.registry import backend_class
from modellab.backends.spec import ModelSpec
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import parse_selection
from modellab.gating.dossier import Dossier
from modellab.gating.proof import Trial, decided_s
from modellab.gating.rules import FILE, Rules, read_rules
from modellab.gating.session import GateSession
from modellab.machine.clock import MONOTONIC
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.contender import Contender
from modellab.measuring.inject import Injection
from modellab.records.duel import DuelBlock
from modellab.sources.cache import cache_root
from modellab.speech.utterance import Corpus

FIXTURES = Path(__file__).parents[1] / "fixtures"
BACKEND = "faster-whisper"


def options_of(parser: argparse.ArgumentParser, output: str, minutes: float) -> None:
    """Declare what both commands take."""
    parser.add_argument("--output", type=Path, default=Path(output), help=f"where trials are kept ({output})")
    parser.add_argument("--minutes", type=float, default=minutes, help=f"begin no trial after so many ({minutes:g})")
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--corpus", default="librivox", help="as the bench's --corpus takes it (librivox)")
    parser.add_argument("--threads", type=int, default=1, help="that each arm may use (1)")
    parser.add_argument("--rounds", type=int, help="a block (those of gates.toml)")


@dataclass(frozen=True, kw_only=True)
class Proving:
    """One model on one corpus, against itself: the candidate may be made worse by a known amount."""

    blueprint: Blueprint
    spec: ModelSpec
    corpus: Corpus
    rules: Rules
    output: Path

    def contender(self, name: str, injection: Injection | None = None) -> Contender:
        """Give an arm."""
        return Contender(name=name, blueprint=self.blueprint, injection=injection or Injection())

    def trial(self, number: int, injection: Injection, rules: Rules | None = None) -> Trial:
        """Have a session of the gate measure and judge until all is decided; one cut short goes on where it was."""
        started_s = MONOTONIC()
        dossier = Dossier(self._folder(injection) / f"{number:04d}")
        session = GateSession(
            rules=rules or self.rules,
            dossier=dossier,
            pairs=((self.spec, self.spec),),
            contenders=lambda _: (self.contender("base"), self.contender("candidate", injection)),
            corpora={self.corpus.name: self.corpus},
            seed=number,
        )
        with dossier.lock():
            _, findings = session.run()
        blocks = self.blocks(dossier)
        until = {finding.gate.metric: decided_s(finding, blocks) for finding in findings}
        return Trial(
            number=number,
            injected=str(injection),
            findings=findings,
            blocks=len(blocks),
            took_s=MONOTONIC() - started_s,
            decided_s={metric: seconds for metric, seconds in until.items() if seconds is not None},
        )

    def blocks(self, dossier: Dossier) -> tuple[DuelBlock, ...]:
        """Give the blocks that a trial has measured."""
        return tuple(dossier.duels(self.spec.id, self.corpus.name).blocks())

    def recorded(self, trials: Iterable[Trial]) -> tuple[tuple[DuelBlock, ...], ...]:
        """Give the blocks of trials of identical code, each trial's in their order."""
        folder = self._folder(Injection())
        return tuple(self.blocks(Dossier(folder / f"{trial.number:04d}")) for trial in trials)

    def _folder(self, injection: Injection) -> Path:
        return self.output / (str(injection).replace(":", "-") or "nothing")


def proving(options: argparse.Namespace) -> Proving:
    """Give what is asked for, by the rules of this repository, which are then of this corpus."""
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    weights = prepare(Registry.read(FIXTURES / "models.toml").get(options.model), "ctranslate2", cache)
    backend = backend_class(BACKEND)(weights=weights, compute_type="int8", threads=options.threads)
    corpus = read_corpora(FIXTURES / "corpora.toml").read(parse_selection(options.corpus), cache)
    rules = read_rules(FIXTURES / FILE)
    own = tuple(replace(each, model="*", corpus=corpus.name) for each in rules.expectations)
    return Proving(
        blueprint=Blueprint.of(BACKEND, backend),
        spec=ModelSpec(backend=BACKEND, checkpoint=options.model, device="cpu", compute_type="int8"),
        corpus=corpus,
        rules=replace(rules, expectations=own, rounds=options.rounds or rules.rounds),
        output=options.output,
    )


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
