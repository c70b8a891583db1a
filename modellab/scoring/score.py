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

    @property
    def mer(self) -> float | None:
        """Match error rate: errors per aligned pair, between 0 and 1; None where nothing was said or written.

        Source: Morris, Maier and Green 2004, "From WER and RIL to MER and WIL".
        """
        aligned = self.reference_length + self.insertions
        return self.errors / aligned if aligned else None

    @property
    def wil(self) -> float | None:
        """Word information lost, between 0 and 1; None where nothing was said or written.

        Source: as `mer`; 1 where one side is empty, as jiwer has it.
        """
        said, written = self.reference_length, self.hits + self.substitutions + self.insertions
        if not said and not written:
            return None
        return 1 - (self.hits / said) * (self.hits / written) if said and written else 1.0

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
