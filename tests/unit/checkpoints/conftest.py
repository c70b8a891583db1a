"""A Whisper of a few hundred weights, written in CTranslate2's format by the tests themselves."""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from modellab.checkpoints.registry import Checkpoint
from modellab.sources.files import PinnedFile
from modellab.sources.folder import FolderSource

WIDTH, HEADS, MELS, TEXT_LAYERS, AUDIO_LAYERS = 4, 2, 3, 1, 2
ENGLISH, MULTILINGUAL, LARGE_V3 = 51_864, 51_865, 51_866
_TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def pack_ct2(tensors: Mapping[str, np.ndarray], aliases: Mapping[str, str], *, spec: str = "WhisperSpec") -> bytes:
    """Give a `model.bin` as CTranslate2's own converter lays it out."""

    def name(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    parts = [struct.pack("<I", 6), name(spec), struct.pack("<II", 3, len(tensors))]
    for key, tensor in tensors.items():
        shape = struct.pack(f"<B{tensor.ndim}I", tensor.ndim, *tensor.shape)
        parts += [name(key), shape, struct.pack("<BI", _TYPES[str(tensor.dtype)], tensor.nbytes), tensor.tobytes()]
    parts += [struct.pack("<I", len(aliases)), *(name(alias) + name(target) for alias, target in aliases.items())]
    return b"".join(parts)


def openai_state(vocabulary: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Give random weights under the names that OpenAI's checkpoints have."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float16)

    state = {
        "encoder.conv1.weight": draw(WIDTH, MELS, 3),
        "encoder.conv2.weight": draw(WIDTH, WIDTH, 3),
        "encoder.positional_embedding": draw(6, WIDTH),
        "decoder.positional_embedding": draw(8, WIDTH),
        "decoder.token_embedding.weight": draw(vocabulary, WIDTH),
    }
    state |= {f"encoder.{conv}.bias": draw(WIDTH) for conv in ("conv1", "conv2")}
    for norm in ("encoder.ln_post", "decoder.ln"):
        state |= {f"{norm}.{kind}": draw(WIDTH) for kind in ("weight", "bias")}
    for block in _blocks():
        for attention in ("attn", "cross_attn") if block.startswith("decoder") else ("attn",):
            for part in ("query", "key", "value", "out"):
                state[f"{block}.{attention}.{part}.weight"] = draw(WIDTH, WIDTH)
                if part != "key":
                    state[f"{block}.{attention}.{part}.bias"] = draw(WIDTH)
            state |= {f"{block}.{attention}_ln.{kind}": draw(WIDTH) for kind in ("weight", "bias")}
        state |= {f"{block}.mlp.0.weight": draw(4 * WIDTH, WIDTH), f"{block}.mlp.0.bias": draw(4 * WIDTH)}
        state |= {f"{block}.mlp.2.weight": draw(WIDTH, 4 * WIDTH), f"{block}.mlp.2.bias": draw(WIDTH)}
        state |= {f"{block}.mlp_ln.{kind}": draw(WIDTH) for kind in ("weight", "bias")}
    return state


def ct2_tensors(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the same weights as CTranslate2 stores them: queries, keys and values stacked, the key's bias zero."""
    tensors = {f"{part}/num_heads": np.array(HEADS, np.int16) for part in ("encoder", "decoder")}
    tensors["decoder/embeddings/weight"] = state["decoder.token_embedding.weight"]
    for part, norm in (("encoder", "encoder.ln_post"), ("decoder", "decoder.ln")):
        tensors[f"{part}/position_encodings/encodings"] = state[f"{part}.positional_embedding"]
        tensors |= _norm(state, norm, part)
    for conv in ("conv1", "conv2"):
        tensors |= {f"encoder/{conv}/{kind}": state[f"encoder.{conv}.{kind}"] for kind in ("weight", "bias")}
    for block in _blocks():
        target = block.replace(".blocks.", "/layer_")
        tensors |= _norm(state, f"{block}.attn_ln", f"{target}/self_attention")
        tensors |= _stack(state, f"{block}.attn", ("query", "key", "value"), f"{target}/self_attention/linear_0")
        tensors |= _stack(state, f"{block}.attn", ("out",), f"{target}/self_attention/linear_1")
        if block.startswith("decoder"):
            tensors |= _norm(state, f"{block}.cross_attn_ln", f"{target}/attention")
            tensors |= _stack(state, f"{block}.cross_attn", ("query",), f"{target}/attention/linear_0")
            tensors |= _stack(state, f"{block}.cross_attn", ("key", "value"), f"{target}/attention/linear_1")
            tensors |= _stack(state, f"{block}.cross_attn", ("out",), f"{target}/attention/linear_2")
        tensors |= _norm(state, f"{block}.mlp_ln", f"{target}/ffn")
        tensors |= _stack(state, f"{block}.mlp", ("0",), f"{target}/ffn/linear_0")
        tensors |= _stack(state, f"{block}.mlp", ("2",), f"{target}/ffn/linear_1")
    return tensors


def special_tokens(vocabulary: int) -> list[dict[str, object]]:
    """Give the special tokens of a vocabulary of this size, numbered as OpenAI numbers them."""
    languages = ["en", "zh", "de"] + [f"x{index}" for index in range(97 if vocabulary == LARGE_V3 else 96)]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nocaptions", "notimestamps"]
    names = ["endoftext", "startoftranscript", *languages, *tasks]
    first = 50_256 if vocabulary == ENGLISH else 50_257
    return [{"id": first + index, "content": f"<|{name}|>", "special": True} for index, name in enumerate(names)]


def _blocks() -> Iterator[str]:
    yield from (f"encoder.blocks.{layer}" for layer in range(AUDIO_LAYERS))
    yield from (f"decoder.blocks.{layer}" for layer in range(TEXT_LAYERS))


def _norm(state: Mapping[str, np.ndarray], source: str, target: str) -> dict[str, np.ndarray]:
    return {
        f"{target}/layer_norm/gamma": state[f"{source}.weight"],
        f"{target}/layer_norm/beta": state[f"{source}.bias"],
    }


def _stack(state: Mapping[str, np.ndarray], source: str, parts: tuple[str, ...], target: str) -> dict[str, np.ndarray]:
    weights = [state[f"{source}.{part}.weight"] for part in parts]
    biases = [state.get(f"{source}.{part}.bias", np.zeros(WIDTH, np.float16)) for part in parts]
    return {f"{target}/weight": np.concatenate(weights), f"{target}/bias": np.concatenate(biases)}


WriteWhisper = Callable[..., Path]


@pytest.fixture
def write_whisper(tmp_path: Path) -> WriteWhisper:
    """A maker of a folder in CTranslate2's layout."""

    def write(vocabulary: int = MULTILINGUAL, folder: str = "ct2") -> Path:
        into = tmp_path / folder
        into.mkdir()
        alias = {"decoder/projection/weight": "decoder/embeddings/weight"}
        (into / "model.bin").write_bytes(pack_ct2(ct2_tensors(openai_state(vocabulary)), alias))
        (into / "config.json").write_text(
            json.dumps({"alignment_heads": [[0, 1]], "suppress_ids": [1, 2], "suppress_ids_begin": [220, 50257]})
        )
        (into / "tokenizer.json").write_text(json.dumps({"added_tokens": special_tokens(vocabulary)}))
        return into

    return write


@pytest.fixture
def tiny() -> dict[str, object]:
    """The tools that write a Whisper piece by piece."""
    return {"pack": pack_ct2, "state": openai_state, "tensors": ct2_tensors}


@pytest.fixture
def checkpoint(write_whisper) -> Checkpoint:
    """A tiny Whisper in a folder of its own, in CTranslate2's layout and not pinned."""
    folder = write_whisper()
    return Checkpoint(
        name="tiny",
        architecture="whisper",
        layout="ctranslate2",
        languages=("*",),
        license="MIT",
        upstream="us/tiny",
        revision="r1",
        files=tuple(PinnedFile(name=name) for name in ("model.bin", "config.json", "tokenizer.json")),
        sources=(FolderSource(path=str(folder)),),
    )
