"""PocketSphinx: what it refuses, and which checkpoints it is for."""

from pathlib import Path

import pytest

from modellab.backends.pocketsphinx import PocketSphinx
from modellab.backends.registry import backend_names, misfit, options_of, refusal
from modellab.checkpoints.registry import Registry
from modellab.errors import BadCheckpoint, BadDefinition

SHIPPED = Registry.read(Path(__file__).parents[3] / "fixtures" / "models.toml")


@pytest.mark.parametrize(
    ("device", "compute_type", "reason"),
    [
        ("cuda", "float32", "not on cuda"),
        ("cpu:1", "float32", "unknown device 'cpu:1'"),
        ("tpu", "float32", "unknown device 'tpu'"),
        ("cpu", "int8", "int8"),
        ("mps", "float16", "not on mps in float16"),
    ],
)
def test_what_is_not_float32_on_the_cpu_is_refused(device: str, compute_type: str, reason: str) -> None:
    """Another device or compute type is refused in words that name it."""
    pytest.importorskip("pocketsphinx")
    assert reason in (refusal("pocketsphinx", device, compute_type) or "")
    assert refusal("pocketsphinx", "cpu", "float32") is None


def test_a_model_that_the_package_lacks_is_refused() -> None:
    """Only the model that is in the package can be asked for, and it must be."""
    with pytest.raises(BadDefinition, match="model must be one of en-us, not 'de-de'"):
        PocketSphinx(model="de-de")  # type: ignore[arg-type]
    assert options_of("pocketsphinx") == ("model",)


def test_its_checkpoint_is_for_it_alone() -> None:
    """The shipped entry fits PocketSphinx and no other backend; Whisper does not fit PocketSphinx."""
    entry = SHIPPED.get("pocketsphinx-en-us")
    assert [name for name in backend_names() if misfit(name, entry) is None] == ["pocketsphinx"]
    assert "model" in (misfit("pocketsphinx", SHIPPED.get("whisper-tiny.en")) or "")


def test_a_model_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Led to a folder without a model, loading is refused with the folder and what leads there."""
    pytest.importorskip("pocketsphinx")
    monkeypatch.setenv("POCKETSPHINX_PATH", str(tmp_path))
    with pytest.raises(BadCheckpoint, match="POCKETSPHINX_PATH") as caught:
        PocketSphinx(model="en-us").load()
    assert str(tmp_path) in str(caught.value)
