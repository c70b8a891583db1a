"""Session: measuring two arms until every gate is decided, or has nothing left to spend."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from modellab.backends.spec import ModelSpec
from modellab.errors import ModelLabError
from modellab.gating.dossier import Dossier
from modellab.gating.judging import judge
from modellab.gating.rules import DRIFT, QUALITY, SPEED_METRICS, Expectation, Rules
from modellab.machine.clock import MONOTONIC, Clock
from modellab.measuring.contender import Contender, transcribe
from modellab.measuring.duel import Duel
from modellab.speech.utterance import Corpus
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate, refused
from modellab.verdicts.holm import judge_family

Pair = tuple[ModelSpec, ModelSpec]


@dataclass(kw_only=True)
class GateSession:
    """One call of the gate.

    Attributes:
        rules: what is expected.
        dossier: the folder that evidence is added to.
        pairs: the models, base and candidate, that are compared.
        contenders: gives both sides of a pair, ready to be started.
        corpora: by the names that the rules have for them.
        seed: of all draws.
        limit_s: after so many seconds no further block is begun.
        say: told what is being done.
    """

    rules: Rules
    dossier: Dossier
    pairs: tuple[Pair, ...]
    contenders: Callable[[Pair], tuple[Contender, Contender]]
    corpora: Mapping[str, Corpus]
    seed: int
    limit_s: float = float("inf")
    say: Callable[[str], None] = field(default=lambda _: None)
    clock: Clock = MONOTONIC

    def __post_init__(self) -> None:
        self._started_s = self.clock()

    @property
    def models(self) -> Mapping[str, Pair]:
        """The pairs by the name of their model; two models in one name where they differ."""
        return {label(pair): pair for pair in self.pairs}

    def run(self) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
        """Measure what is not known yet; give the names of the expected gates, and the findings of all of them."""
        gates = self.rules.gates(tuple(self.models))
        groups: dict[tuple[str, str], dict[Gate, Expectation]] = {}
        for gate, expected in gates.items():
            groups.setdefault((gate.model, gate.corpus), {})[gate] = expected
        findings = [finding for (model, corpus), own in groups.items() for finding in self._found(model, corpus, own)]
        lost = [
            refused(
                Gate(metric=each.metric, model=each.model, corpus=each.corpus),
                [f"no model that both arms have is {each.model}: it has {', '.join(self.models)}"],
            )
            for each in self.rules.unmatched(tuple(self.models))
        ]
        names = tuple(gate.name for gate in gates) + tuple(finding.gate.name for finding in lost)
        return names, judge_family([*findings, *lost], alpha=self.rules.family_alpha)

    def _found(self, model: str, corpus: str, gates: Mapping[Gate, Expectation]) -> Iterator[Finding]:
        try:
            arms = self.contenders(self.models[model])
            self._hear(model, corpus, arms, gates)
            self._race(model, corpus, arms, gates)
        except ModelLabError as error:
            yield from (refused(gate, [str(error)]) for gate in gates)
            return
        for gate, expected in gates.items():
            yield self._judged(gate, expected)

    def _judged(self, gate: Gate, expected: Expectation) -> Finding:
        evidence = self.dossier.evidence(gate.model, gate.corpus, self.corpora[gate.corpus].revision)
        finding, spent = judge(gate, expected, evidence, self.rules)
        if spent.looks:
            self.dossier.spend(gate.model, gate.corpus, gate.name, spent)
        return finding

    def _hear(
        self, model: str, corpus: str, arms: tuple[Contender, Contender], gates: Mapping[Gate, Expectation]
    ) -> None:
        """Have both arms write the corpus, where words are judged and are not known yet."""
        if not any(gate.metric in {DRIFT, QUALITY} for gate in gates):
            return
        sides = list(zip(("base", "candidate"), arms, strict=True))
        Random(f"{self.seed}/{model}/{corpus}").shuffle(sides)  # noqa: S311
        for side, contender in sides:
            store = self.dossier.transcripts(model, corpus, side)
            known = {record.utterance for record in store.records() if record.failure is None}
            if any(utterance.id not in known for utterance in self.corpora[corpus]):
                self.say(f"{model} on {corpus}: the {side} listens")
                for record in transcribe(contender, self.corpora[corpus]):
                    store.append(record)
            store.close()

    def _race(
        self, model: str, corpus: str, arms: tuple[Contender, Contender], gates: Mapping[Gate, Expectation]
    ) -> None:
        """Measure blocks until every gate of speed is decided, has spent all, or time is up."""
        speed = {gate: expected for gate, expected in gates.items() if gate.metric in SPEED_METRICS}
        duel = Duel(
            base=arms[0],
            candidate=arms[1],
            corpus=self.corpora[corpus],
            seed=self.seed,
            rounds=self.rules.rounds,
            same_code=self.rules.same_code,
        )
        duels = self.dossier.duels(model, corpus)
        number = sum(1 for _ in duels.blocks())
        while self._undecided(model, corpus, speed, number) and self.clock() - self._started_s < self.limit_s:
            block = duel.block(number)
            duels.append(block)
            number += 1
            self.say(f"{model} on {corpus}: block {number}, {block.took_s:.0f} s")
            if block.failure:
                break
        duels.close()

    def _undecided(self, model: str, corpus: str, gates: Mapping[Gate, Expectation], blocks: int) -> bool:
        """Whether any gate wants more blocks; contaminated ones count, up to twice as many as a gate may look at."""
        if not gates:
            return False
        least = min(expected.plan.looks[0] for expected in gates.values())
        most = 2 * max(expected.plan.looks[-1] for expected in gates.values())
        if blocks < least:
            return True
        if blocks >= most:
            return False
        findings = [self._judged(gate, expected) for gate, expected in gates.items()]
        if any(
            finding.decision is Decision.ERROR and "good blocks" not in " ".join(finding.reasons)
            for finding in findings
        ):
            return False
        spent = self.dossier.evidence(model, corpus, self.corpora[corpus].revision).spent
        return any(
            gate.name not in spent or spent[gate.name].next_look(expected.plan) for gate, expected in gates.items()
        )


def label(pair: Pair) -> str:
    """Give the name of a pair of models."""
    base, candidate = pair
    return candidate.id if base == candidate else f"{base.id} -> {candidate.id}"
