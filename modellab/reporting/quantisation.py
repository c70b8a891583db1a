"""Quantisation: what a compute type costs in words, against the fullest that the same model ran in."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from modellab.backends.spec import ModelSpec
from modellab.reporting.outcome import Outcome
from modellab.scoring.difference import Difference, Pair, difference

FULLEST = ("float32", "float16")


def full_precision(model: ModelSpec, among: Iterable[ModelSpec]) -> ModelSpec | None:
    """Give the model that a compute type is compared with; None where there is none, or it is that one itself.

    It is the same checkpoint on the same runtime and device in float32, or where that is not among them, in float16.
    """
    alike = {
        other.compute_type: other
        for other in among
        if (other.backend, other.checkpoint, other.device) == (model.backend, model.checkpoint, model.device)
    }
    found = next((alike[kind] for kind in FULLEST if kind in alike), None)
    return None if found == model else found


def cost(full: Mapping[str, Outcome], own: Mapping[str, Outcome]) -> Difference | None:
    """Give the error rate of a compute type less that of the full precision, paired by utterance.

    A corpus of several kinds has one difference for each; this is the worst. None where nothing is said, or not the
    same utterances were heard.
    """
    if full.keys() != own.keys():
        return None
    known = all(outcome.speaker is not None for outcome in own.values())
    kinds: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for name, after in own.items():
        if not after.silent:
            pair = Pair(cluster=(after.speaker or "") if known else name, before=full[name].score, after=after.score)
            kinds[after.score.metric, after.score.normalizer].append(pair)
    differences = (difference(pairs, unit="speaker" if known else "utterance") for pairs in kinds.values())
    return max((each for each in differences if each), key=lambda each: each.change, default=None)


def spoken(gap: Difference) -> str:
    """Give a difference in points, with its interval: `+0.41 points [-0.12, +0.94], 40 speakers`."""
    bounds = "" if gap.low is None or gap.high is None else f" [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]"
    return f"{100 * gap.change:+.2f} points{bounds}, {gap.clusters} {gap.unit}s"
