"""Score: counts of right and wrong words, which pool by addition."""

from dataclasses import dataclass

from modellab.errors import ScoreMismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What an alignment counted. `a + b` pools two scores; a mean of rates is never taken.

    `metric` is "wer" (units are words) or "cer" (characters); `normalizer` names the text rules and version.
    """

    metric: str
    normalizer: str
    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Units in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float | None:
        """Errors per reference unit as a fraction; None where nothing was said."""
        return self.errors / self.reference_length if self.reference_length else None

    def __add__(self, other: "Score") -> "Score":
        if (self.metric, self.normalizer) != (other.metric, other.normalizer):
            raise ScoreMismatch(
                f"cannot add {other.metric} under {other.normalizer} to {self.metric} under {self.normalizer}"
            )
        return Score(
            metric=self.metric,
            normalizer=self.normalizer,
            hits=self.hits + other.hits,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
        )
