"""Conversions change names and shapes of files, never a value."""

import json
from pathlib import Path

import numpy as np
import pytest

from modellab.checkpoints.convert import write_openai, write_transformers
from modellab.checkpoints.ct2 import read_ct2
from modellab.checkpoints.whisper import dimensions, openai_tensors, transformers_tensors
from modellab.errors import BadCheckpoint

ENGLISH, MULTILINGUAL, LARGE_V3 = 51_864, 51_865, 51_866


def written(tmp_path: Path, source: Path) -> Path:
    into = tmp_path / "hf"
    into.mkdir()
    write_transformers(source, into)
    return into


def load(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


def test_every_value_is_the_one_of_the_original(write_whisper, tiny) -> None:
    """Stacked queries, keys and values come apart again: every tensor equals the one that was stacked, bit for bit."""
    converted = openai_tensors(read_ct2(write_whisper() / "model.bin"))
    original = tiny["state"](MULTILINGUAL)
    assert converted.keys() == original.keys()
    for name, tensor in original.items():
        assert converted[name].dtype == np.float16
        np.testing.assert_array_equal(converted[name], tensor, err_msg=name)


def test_sizes_come_from_shapes(write_whisper) -> None:
    """Widths, layers, mel bins and vocabulary are read off the tensors, the two halves each on its own."""
    sizes = dimensions(read_ct2(write_whisper(LARGE_V3) / "model.bin"))
    assert (sizes.n_mels, sizes.n_vocab, sizes.n_audio_layer, sizes.n_text_layer) == (3, LARGE_V3, 2, 1)
    assert (sizes.n_audio_ctx, sizes.n_text_ctx, sizes.n_audio_head, sizes.multilingual) == (6, 8, 2, True)


def test_transformers_gets_each_tensor_once(write_whisper) -> None:
    """No two tensors get the same name, and none keeps a name of OpenAI's."""
    openai = openai_tensors(read_ct2(write_whisper() / "model.bin"))
    renamed = transformers_tensors(openai)
    assert len(renamed) == len(openai)
    assert not [name for name in renamed if "blocks" in name or "attn_ln" in name or "mlp" in name]
    assert renamed["model.decoder.layers.0.encoder_attn.k_proj.weight"].shape == (4, 4)


def test_openai_reads_what_is_written(write_whisper, tmp_path: Path) -> None:
    """`model.pt` holds the sizes and the half-precision values, and `model.json` the heads that follow time."""
    torch = pytest.importorskip("torch")
    source = write_whisper()
    write_openai(source, tmp_path)
    checkpoint = torch.load(tmp_path / "model.pt", weights_only=True)
    tensors = openai_tensors(read_ct2(source / "model.bin"))
    assert checkpoint["dims"] == dimensions(read_ct2(source / "model.bin")).as_dict()
    assert checkpoint["model_state_dict"].keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(checkpoint["model_state_dict"][name].numpy(), tensor)
    assert load(tmp_path / "model.json")["alignment_heads"] == [[0, 1]]


def test_safetensors_hold_the_values(write_whisper, tmp_path: Path) -> None:
    """The values in `model.safetensors` are those of the source, in half precision."""
    numpy = pytest.importorskip("safetensors.numpy")
    source = write_whisper()
    stored = numpy.load_file(written(tmp_path, source) / "model.safetensors")
    expected = transformers_tensors(openai_tensors(read_ct2(source / "model.bin")))
    assert stored.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(stored[name], tensor, err_msg=name)
    assert load(tmp_path / "hf" / "config.json")["dtype"] == "float16"


@pytest.mark.parametrize(
    ("vocabulary", "numbers"),
    [
        (ENGLISH, (50_257, 50_256, 50_362, 50_360)),
        (MULTILINGUAL, (50_258, 50_257, 50_363, 50_361)),
        (LARGE_V3, (50_258, 50_257, 50_364, 50_362)),
    ],
)
def test_the_tokens_that_steer_decoding(
    write_whisper, tmp_path: Path, vocabulary: int, numbers: tuple[int, ...]
) -> None:
    """English-only, multilingual and large-v3 vocabularies each get the token numbers that OpenAI gave them."""
    told = load(written(tmp_path, write_whisper(vocabulary)) / "generation_config.json")
    keys = ("decoder_start_token_id", "eos_token_id", "no_timestamps_token_id", "prev_sot_token_id")
    assert tuple(told[key] for key in keys) == numbers
    assert told["pad_token_id"] == told["bos_token_id"] == told["eos_token_id"]
    assert (told["suppress_tokens"], told["begin_suppress_tokens"]) == ([1, 2], [220, 50257])
    assert (told["max_initial_timestamp_index"], told["return_timestamps"]) == (50, False)
    assert told["is_multilingual"] is (vocabulary != ENGLISH)


def test_a_multilingual_model_knows_its_languages_and_tasks(write_whisper, tmp_path: Path) -> None:
    """Languages are the tokens between the start and the tasks; an English-only model is given none."""
    told = load(written(tmp_path, write_whisper(MULTILINGUAL)) / "generation_config.json")
    assert told["task_to_id"] == {"transcribe": 50_359, "translate": 50_358}
    assert len(told["lang_to_id"]) == 99
    assert told["lang_to_id"]["<|de|>"] == 50_261


def test_an_english_model_is_given_no_languages(write_whisper, tmp_path: Path) -> None:
    """A language for an English-only model is refused by transformers, so none is offered."""
    told = load(written(tmp_path, write_whisper(ENGLISH)) / "generation_config.json")
    assert not {"lang_to_id", "task_to_id"} & told.keys()


def test_the_last_special_token_is_the_one_before_times(write_whisper, tmp_path: Path) -> None:
    """Times are counted by transformers from the last special token on, so that must be the one for no times."""
    told = load(written(tmp_path, write_whisper()) / "tokenizer_config.json")
    assert told["additional_special_tokens"][0] == "<|endoftext|>"
    assert told["additional_special_tokens"][-1] == "<|notimestamps|>"


@pytest.mark.parametrize(
    ("name", "content"),
    [("tokenizer.json", None), ("tokenizer.json", "{}"), ("config.json", None), ("config.json", "{")],
)
def test_a_missing_or_broken_file_is_named(write_whisper, tmp_path: Path, name: str, content: str | None) -> None:
    """A folder without a whole tokenizer or configuration does not convert."""
    source = write_whisper()
    if content is None:
        (source / name).unlink()
    else:
        (source / name).write_text(content)
    with pytest.raises(BadCheckpoint, match=name):
        written(tmp_path, source)


def test_quantised_weights_do_not_convert(tiny, tmp_path: Path) -> None:
    """Weights in int8 would not come out as they were, so they are refused."""
    tensors = tiny["tensors"](tiny["state"](ENGLISH))
    tensors["decoder/embeddings/weight"] = tensors["decoder/embeddings/weight"].astype(np.int8)
    (tmp_path / "model.bin").write_bytes(tiny["pack"](tensors, {}))
    with pytest.raises(BadCheckpoint, match="int8; only float16 and float32"):
        openai_tensors(read_ct2(tmp_path / "model.bin"))


def test_another_model_does_not_convert(tiny, tmp_path: Path) -> None:
    """A CTranslate2 model that is no Whisper is named for what it is."""
    (tmp_path / "model.bin").write_bytes(tiny["pack"]({}, {}, spec="TransformerSpec"))
    with pytest.raises(BadCheckpoint, match="TransformerSpec, not a WhisperSpec"):
        openai_tensors(read_ct2(tmp_path / "model.bin"))


def test_a_missing_tensor_is_named(tiny, tmp_path: Path) -> None:
    """A model that lacks a tensor is refused by the tensor's name."""
    tensors = tiny["tensors"](tiny["state"](ENGLISH))
    del tensors["decoder/layer_0/attention/linear_1/bias"]
    (tmp_path / "model.bin").write_bytes(tiny["pack"](tensors, {}))
    with pytest.raises(BadCheckpoint, match="no tensor 'decoder/layer_0/attention/linear_1/bias'"):
        openai_tensors(read_ct2(tmp_path / "model.bin"))
