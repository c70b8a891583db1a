"""What the tests of verdicts share: gates, and arms made of numbers."""

from collections.abc import Callable, Mapping

import pytest

from modellab.scoring.score import Score
from modellab.verdicts.arm import Arm, Heard
from modellab.verdicts.finding import Gate


@pytest.fixture
def gate() -> Gate:
    """Give a gate."""
    return Gate(metric="rtf", model="tiny", corpus="librivox")


@pytest.fixture
def arm_of() -> Callable[..., Arm]:
    """Give a way to make an arm of what it heard: by utterance, its errors, words and speaker."""

    def make(heard: Mapping[str, tuple[int, int, str | None]], revision: str = "r1", rules: str = "basic@1") -> Arm:
        return Arm(
            corpus="librivox",
            revision=revision,
            heard={
                name: Heard(
                    words=f"{errors} wrong",
                    score=Score(metric="wer", normalizer=rules, hits=length, insertions=errors),
                    speaker=speaker,
                )
                for name, (errors, length, speaker) in heard.items()
            },
        )

    return make
