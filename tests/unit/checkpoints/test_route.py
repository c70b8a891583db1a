"""Routes: conversions one after another, the fewest that lead to a layout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.checkpoints.route import follow, route, targets
from modellab.checkpoints.target import TARGETS
from modellab.errors import BackendUnavailable, BadCheckpoint

Step = Callable[[Path, Path], None]


def appending(letter: str) -> Step:
    """Give a step that adds a letter to what it reads."""

    def step(source: Path, into: Path) -> None:
        (into / "text").write_text((source / "text").read_text() + letter)

    return step


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "text").write_text("")
    return folder


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("ctranslate2", "ggml:q5_1", 1),
        ("ctranslate2", "openai", 1),
        ("ctranslate2", "ctranslate2:int8", 2),
        ("transformers", "ctranslate2", 1),
        ("transformers", "ggml:q8_0", 2),
        ("transformers", "openai", 2),
    ],
)
def test_the_fewest_steps_are_taken(before: str, after: str, count: int) -> None:
    """A layout that nothing converts to directly is reached by way of another."""
    assert len(route("whisper", before, after)) == count


@pytest.mark.parametrize(
    ("architecture", "before", "after", "said"),
    [
        ("whisper", "openai", "ggml:q5_1", r"whisper in the layout openai.*'ggml:q5_1'.*nothing"),
        ("wav2vec2", "transformers", "ctranslate2", r"wav2vec2.*nothing"),
        ("whisper", "ctranslate2", "ctranslate2", r"ctranslate2:int8"),
    ],
)
def test_what_does_not_convert_is_refused(architecture: str, before: str, after: str, said: str) -> None:
    """Where no conversion leads there, the refusal says where some lead."""
    with pytest.raises(BadCheckpoint, match=said):
        route(architecture, before, after)


def test_every_target_can_be_reached() -> None:
    """From CTranslate2 a route leads to whatever a person may ask for."""
    wanted = {f"{family}:{kind}" if kind else family for family, kinds in TARGETS.items() for kind in kinds}
    assert wanted - {"ctranslate2"} == set(targets("whisper", "ctranslate2"))


def test_steps_follow_one_another(source: Path, tmp_path: Path) -> None:
    """Each step reads what the one before wrote, and nothing of what lies between stays."""
    into = tmp_path / "into"
    into.mkdir()
    follow((appending("a"), appending("b"), appending("c")), source, into)
    assert (into / "text").read_text() == "abc"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "source"]


def test_a_step_without_its_package_says_so(source: Path, tmp_path: Path) -> None:
    """A package that is missing on the way is named, with how to install it."""

    def step(source: Path, into: Path) -> None:
        raise ModuleNotFoundError("no", name="ctranslate2")

    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(BackendUnavailable, match=r"ctranslate2.*pip install"):
        follow((step, appending("b")), source, into)
    assert list(into.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "source"]
