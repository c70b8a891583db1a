"""Real Whisper weights from the real package index, converted without loss, in the runtimes that read them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from modellab.checkpoints.ct2 import read_ct2
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Checkpoint, Registry
from modellab.checkpoints.whisper import openai_tensors, transformers_tensors
from modellab.sources.cache import cache_root, verified

if TYPE_CHECKING:
    import torch

pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize(
    "checkpoint", ["whisper-tiny.en", pytest.param("whisper-base", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="module")
def cache() -> Path:
    override = os.environ.get("MODELLAB_CACHE_DIR")
    return cache_root(Path(override) if override else None)


@pytest.fixture
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return Registry.read(ROOT / "fixtures" / "models.toml").get(request.param)


def same_values(state: Mapping[str, "torch.Tensor"], expected: Mapping[str, np.ndarray]) -> None:
    """Fail unless every expected tensor is there, with the very values of the half-precision source."""
    for name, tensor in expected.items():
        np.testing.assert_array_equal(state[name].float().numpy(), tensor.astype(np.float32), err_msg=name)


@BOTH
def test_every_file_is_the_one_that_was_pinned(checkpoint: Checkpoint, cache: Path) -> None:
    """What the index gave, put together from its parts, has the hash and the size of the definition."""
    seen = verified(prepare(checkpoint, "ctranslate2", cache).folder)
    for file in checkpoint.files:
        assert (seen[file.name].sha256, seen[file.name].size_bytes) == (file.sha256, file.size_bytes)
        assert seen[file.name].pinned


@BOTH
def test_openai_whisper_holds_the_values_of_the_source(checkpoint: Checkpoint, cache: Path) -> None:
    """All keys match and every parameter in openai-whisper equals the half-precision value in CTranslate2's file."""
    whisper = pytest.importorskip("whisper")
    source = read_ct2(prepare(checkpoint, "ctranslate2", cache).folder / "model.bin")
    model = whisper.load_model(str(prepare(checkpoint, "openai", cache).folder / "model.pt"), device="cpu")
    expected = openai_tensors(source)
    assert model.state_dict().keys() == expected.keys()
    same_values(model.state_dict(), expected)
    assert model.is_multilingual is (checkpoint.languages != ("en",))


@BOTH
def test_transformers_holds_the_values_of_the_source(checkpoint: Checkpoint, cache: Path) -> None:
    """No key is missing or left over, and every parameter in transformers equals the half-precision value."""
    transformers = pytest.importorskip("transformers")
    import torch

    source = read_ct2(prepare(checkpoint, "ctranslate2", cache).folder / "model.bin")
    folder = prepare(checkpoint, "transformers", cache).folder
    model, told = transformers.WhisperForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
    )
    assert not any(told.values()), told
    expected = transformers_tensors(openai_tensors(source))
    assert model.state_dict().keys() == {*expected, "proj_out.weight"}
    same_values(model.state_dict(), expected)
    assert model.proj_out.weight.data_ptr() == model.model.decoder.embed_tokens.weight.data_ptr()


@BOTH
def test_both_runtimes_compute_the_same(checkpoint: Checkpoint, cache: Path) -> None:
    """On one spectrum and one beginning of a transcript, the two layouts give the same scores for the next token."""
    transformers, whisper = pytest.importorskip("transformers"), pytest.importorskip("whisper")
    import torch

    reference = whisper.load_model(str(prepare(checkpoint, "openai", cache).folder / "model.pt"), device="cpu")
    other = transformers.WhisperForConditionalGeneration.from_pretrained(
        prepare(checkpoint, "transformers", cache).folder, dtype=torch.float32, local_files_only=True
    )
    spectrum = torch.randn(1, reference.dims.n_mels, 3000, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[other.generation_config.decoder_start_token_id, 440, 318]])
    with torch.inference_mode():
        expected = reference(spectrum, tokens)
        scores = other.eval()(input_features=spectrum, decoder_input_ids=tokens).logits
    torch.testing.assert_close(scores, expected, atol=2e-3, rtol=1e-4)


@BOTH
def test_the_processor_reads_times_and_text(checkpoint: Checkpoint, cache: Path) -> None:
    """The tokenizer beside the converted weights turns times and words back into what was said when."""
    transformers = pytest.importorskip("transformers")
    processor = transformers.WhisperProcessor.from_pretrained(
        prepare(checkpoint, "transformers", cache).folder, local_files_only=True
    )
    tokenizer = processor.tokenizer
    zero = tokenizer.convert_tokens_to_ids("<|notimestamps|>") + 1
    words = tokenizer(" hello there", add_special_tokens=False).input_ids
    read = tokenizer.decode([zero, *words, zero + 50], output_offsets=True)
    assert read["offsets"] == [{"text": " hello there", "timestamp": (0.0, 1.0)}]
    assert processor.feature_extractor.feature_size == 80


def test_nobody_else_is_asked_once_it_is_there(cache: Path) -> None:
    """With the files in the cache, weights are ready without an index, a hub, or any runtime being loaded."""
    prepare(Registry.read(ROOT / "fixtures" / "models.toml").get("whisper-tiny.en"), "transformers", cache)
    script = """
import sys
from pathlib import Path
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
checkpoint = Registry.read(Path(sys.argv[1])).get("whisper-tiny.en")
prepare(checkpoint, "transformers", Path(sys.argv[2]))
print(*({"torch", "transformers", "requests", "huggingface_hub", "pypi_simple"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", script, str(ROOT / "fixtures" / "models.toml"), str(cache)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.strip() == ""
