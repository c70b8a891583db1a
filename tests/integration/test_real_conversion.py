"""Conversions of real weights by the command, which hears real speech with the original and with the result."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.checkpoints.conversion import MANIFEST
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.cli import main
from modellab.measuring.parity import NOT_SHOWN
from modellab.sources.cache import CACHE_VARIABLE, cache_root

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[2] / "fixtures"
SHIPPED = ("--fixtures", str(FIXTURES))
SDKS = ("whisper", "faster_whisper", "transformers", "_pywhispercpp")
NAMES = (
    "model.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
)
OWN = """
schema = 1
[checkpoints.mine]
architecture = "whisper"
layout = "transformers"
languages = ["en"]
license = "MIT"
upstream = "me/mine"
revision = "main"
files = { FILES }
sources = [{ kind = "folder", path = "FOLDER" }]
"""

Convert = Callable[..., tuple[int, dict]]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """A call of the command; gives its code and the manifest."""
    for sdk in SDKS:
        pytest.importorskip(sdk)

    def call(name: str, target: str, *options: str, corpus: str = "librivox") -> tuple[int, dict]:
        words = ("--to", target, "--output", str(tmp_path / "out"), "--corpus", corpus)
        code = main([*(options or SHIPPED), "models", "convert", name, *words])
        return code, json.loads((tmp_path / "out" / MANIFEST).read_text())

    return call


@pytest.mark.parametrize("target", ["openai", "transformers", "ct2:float16"])
def test_weights_that_only_change_their_layout_hear_the_same(convert: Convert, target: str) -> None:
    """No word differs, and what the encoder makes differs by less than a thousandth on another runtime."""
    code, manifest = convert("whisper-tiny.en", target, corpus="librivox[duration<6]")
    assert code == 0
    assert manifest["parity"]["words"] == 0
    assert manifest["parity"]["states"]["most"] < 1e-3


def test_weights_in_int8_are_within_what_is_allowed(convert: Convert) -> None:
    """CTranslate2's int8 halves the file, and what the encoder makes is another, but not by much."""
    code, manifest = convert("whisper-tiny.en", "ct2:int8")
    assert code == 0
    assert manifest["files"]["model.bin"]["size_bytes"] < 40e6
    assert 1e-3 < manifest["parity"]["states"]["mean"] < 0.3


def test_a_checkpoint_of_ones_own_converts_by_way_of_another_layout(convert: Convert, tmp_path: Path) -> None:
    """Weights in the layout of transformers become a ggml file in q5_1 that writes the same words."""
    override = os.environ.get(CACHE_VARIABLE)
    cache = cache_root(Path(override) if override else None)
    folder = prepare(Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en"), "transformers", cache).folder
    mine, own_cache = tmp_path / "fixtures", tmp_path / "cache"
    mine.mkdir()
    own_cache.mkdir()
    (own_cache / "corpora").symlink_to(cache / "corpora")
    files = ", ".join(f'"{name}" = {{}}' for name in NAMES)
    (mine / "models.toml").write_text(OWN.replace("FOLDER", str(folder)).replace("FILES", files))
    (mine / "corpora.toml").write_text((FIXTURES / "corpora.toml").read_text())
    code, manifest = convert("mine", "ggml:q5_1", "--fixtures", str(mine), "--cache-dir", str(own_cache))
    assert code == 0
    assert manifest["source"]["layout"] == "transformers"
    assert manifest["target"] == {"layout": "ggml", "quantisation": "q5_1"}
    assert (manifest["parity"]["after"], manifest["parity"]["states"]) == ("pywhispercpp in q5_1", NOT_SHOWN)
