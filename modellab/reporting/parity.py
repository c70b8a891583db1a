"""Parity: where two runtimes with the same weights, in full precision, write different words."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from modellab.backends.spec import ModelSpec, parse_spec
from modellab.reporting.ledger import Place
from modellab.reporting.outcome import Outcome
from modellab.verdicts.budget import Budgets, Verdict, judge, worst

FULL_PRECISION = "float32"
_FULLEST = {"whisper-cpp": "float16"}  # of runtimes that do not compute in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Two models of one checkpoint in full precision on one corpus. Both heard `compared` utterances.

    `changed` names those whose normalised words differ; `left_errors` and `right_errors` are counted over all
    compared. `not_compared` utterances were heard by one of the two only.
    """

    left: str
    right: str
    corpus: str
    compared: int
    not_compared: int
    changed: tuple[str, ...]
    left_errors: int
    right_errors: int
    verdict: Verdict = Verdict.NO_BUDGET

    @property
    def more_errors(self) -> int:
        """How many more errors the right one makes than the left one; negative where it makes fewer."""
        return self.right_errors - self.left_errors


def in_full_precision(model: ModelSpec) -> bool:
    """Say whether a model computes in float32, or in the fullest type that its runtime has."""
    return model.compute_type == _FULLEST.get(model.backend, FULL_PRECISION)


def compare(heard: Mapping[Place, Mapping[str, Outcome]], budgets: Budgets) -> tuple[Parity, ...]:
    """Give one row for each pair of models in full precision of the same checkpoint on the same corpus."""
    groups: dict[tuple[str, str], dict[str, Mapping[str, Outcome]]] = defaultdict(dict)
    for place, outcomes in heard.items():
        model = parse_spec(place.model)
        if in_full_precision(model):
            groups[model.checkpoint, place.corpus][place.model] = {
                utterance: outcome for utterance, outcome in outcomes.items() if outcome.failure is None
            }
    return tuple(
        _pair((left, right), corpus, by_model, budgets)
        for (_, corpus), by_model in sorted(groups.items())
        for left, right in combinations(sorted(by_model), 2)
    )


def _pair(
    names: tuple[str, str], corpus: str, by_model: Mapping[str, Mapping[str, Outcome]], budgets: Budgets
) -> Parity:
    left, right = (by_model[name] for name in names)
    both = [utterance for utterance in left if utterance in right]
    changed = tuple(utterance for utterance in both if left[utterance].digest != right[utterance].digest)
    measured = len(changed) if both else None
    return Parity(
        left=names[0],
        right=names[1],
        corpus=corpus,
        compared=len(both),
        not_compared=len(set(left) ^ set(right)),
        changed=changed,
        left_errors=sum(left[utterance].score.errors for utterance in both),
        right_errors=sum(right[utterance].score.errors for utterance in both),
        verdict=worst([judge(measured, budgets.of(name, corpus).changed_utterances) for name in names]),
    )
