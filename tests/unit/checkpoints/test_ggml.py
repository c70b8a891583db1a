"""ggml: the one file of whisper.cpp, read back here by nothing but the format."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modellab.checkpoints.blocks import quantise
from modellab.checkpoints.convert import CONVERSIONS
from modellab.checkpoints.ct2 import Ct2Model, read_ct2
from modellab.checkpoints.ggml import FILE, FILE_TYPES, compute_type_of, write_ggml
from modellab.checkpoints.whisper import dimensions, openai_tensors
from modellab.errors import BadCheckpoint

MULTILINGUAL = 51_865
END = 50_257


@dataclass(frozen=True)
class Read:
    """A ggml file in its parts; tensors by name, as the number of their type, their sizes and their bytes."""

    sizes: tuple[int, ...]
    filters: np.ndarray
    words: tuple[bytes, ...]
    tensors: Mapping[str, tuple[int, tuple[int, ...], bytes]]


def bytes_of(kind: int, sizes: tuple[int, ...]) -> int:
    """Give the size of a tensor by the number of its type."""
    return int(np.prod(sizes)) * {0: 128, 1: 64, 7: 24, 8: 34}[kind] // 32


def read(path: Path) -> Read:
    """Read a ggml file to its last byte."""
    content, at = path.read_bytes(), 0

    def numbers(form: str) -> tuple[int, ...]:
        nonlocal at
        at += struct.calcsize(f"<{form}")
        return struct.unpack_from(f"<{form}", content, at - struct.calcsize(f"<{form}"))

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        return content[at - count : at]

    sizes = numbers("I11i")
    mels, bins = numbers("2i")
    filters = np.frombuffer(take(4 * mels * bins), "<f4").reshape(mels, bins)
    words = tuple(take(*numbers("I")) for _ in range(*numbers("i")))
    tensors = {}
    while at < len(content):
        dimensions, length, kind = numbers("3i")
        shape = numbers(f"{dimensions}i")
        name = take(length).decode()
        tensors[name] = (kind, shape, take(bytes_of(kind, shape)))
    assert at == len(content)
    return Read(sizes=sizes, filters=filters, words=words, tensors=tensors)


@pytest.fixture
def source(write_whisper) -> Path:
    """A Whisper of a few hundred weights, whose tokens spell their numbers, and two of them a space and an umlaut."""
    folder = write_whisper()
    path = folder / "tokenizer.json"
    written = json.loads(path.read_text())
    words = {f"w{number}": number for number in range(2, END)} | {"Ġa": 0, "Ã¼": 1}
    known = {int(token["id"]) for token in written["added_tokens"]}
    last = max(known)
    times = [
        {"id": number, "content": f"<|{number}|>", "special": True}
        for number in range(END, last + 1)
        if number not in known
    ]
    written |= {"model": {"vocab": words}, "added_tokens": [*written["added_tokens"], *times]}
    path.write_text(json.dumps(written))
    return folder


def model(source: Path) -> Ct2Model:
    return read_ct2(source / "model.bin")


def test_the_file_holds_the_sizes_in_order(source: Path, tmp_path: Path) -> None:
    """Magic, ten sizes and the file's type stand in the order in which whisper.cpp reads them."""
    write_ggml(source, tmp_path, "float16")
    own = dimensions(model(source))
    audio = (own.n_audio_ctx, own.n_audio_state, own.n_audio_head, own.n_audio_layer)
    text = (own.n_text_ctx, own.n_text_state, own.n_text_head, own.n_text_layer)
    found = read(tmp_path / FILE)
    assert found.sizes == (0x67676D6C, own.n_vocab, *audio, *text, own.n_mels, 1)
    assert found.filters.shape == (own.n_mels, 201)


def test_every_tensor_is_there_with_its_values(source: Path, tmp_path: Path) -> None:
    """In float16 the weights are those of the source; biases, norms and positions are them in float32."""
    write_ggml(source, tmp_path, "float16")
    found, expected = read(tmp_path / FILE).tensors, openai_tensors(model(source))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        kind, sizes, content = found[name]
        flat = tensor.ndim == 1 or name.endswith("positional_embedding")
        assert kind == (0 if flat else 1), name
        values = np.frombuffer(content, "<f4" if flat else "<f2")
        np.testing.assert_array_equal(values, tensor.astype(values.dtype).ravel(), err_msg=name)
        own = (1, tensor.size) if name in {"encoder.conv1.bias", "encoder.conv2.bias"} else tensor.shape[::-1]
        assert sizes == own, name


def test_words_are_spelt_in_bytes(source: Path, tmp_path: Path) -> None:
    """A token is written as the bytes that it spells, up to the first that is an order."""
    write_ggml(source, tmp_path, "float16")
    words = read(tmp_path / FILE).words
    assert words[:3] == (b" a", "ü".encode(), b"w2")
    assert len(words) == END


def test_only_matrices_are_quantised(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In q8_0, matrices are blocks, convolutions stay in float16 and all that is flat in float32."""
    wide = {name: np.tile(tensor, 8) for name, tensor in openai_tensors(model(source)).items()}
    monkeypatch.setattr("modellab.checkpoints.ggml.openai_tensors", lambda model: wide)
    write_ggml(source, tmp_path, "q8_0")
    found = read(tmp_path / FILE)
    assert found.sizes[-1] == 2007
    kinds = {name: kind for name, (kind, _, _) in found.tensors.items()}
    assert kinds["encoder.conv1.weight"] == 1
    assert kinds["encoder.conv1.bias"] == kinds["encoder.positional_embedding"] == kinds["decoder.ln.weight"] == 0
    name = "decoder.blocks.0.mlp.0.weight"
    assert found.tensors[name][::2] == (8, quantise(wide[name], "q8_0"))


@pytest.mark.parametrize("kind", FILE_TYPES)
def test_the_type_is_told_by_the_header(kind: str, tmp_path: Path) -> None:
    """The type of a file is read from its first bytes."""
    (tmp_path / FILE).write_bytes(struct.pack("<I11i", 0x67676D6C, *range(10), FILE_TYPES[kind]))
    assert compute_type_of(tmp_path / FILE) == kind
    assert ("whisper", "ctranslate2", f"ggml:{kind}") in CONVERSIONS


@pytest.mark.parametrize(
    "content",
    [None, b"", b"nonsense" * 20, struct.pack("<I11i", 0x67676D6C, *range(10), 0), struct.pack("<I11i", 1, *range(11))],
    ids=["missing", "empty", "nonsense", "float32", "another magic"],
)
def test_what_is_no_such_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """A file that is missing, cut short, something else, or in a type that does not run is named."""
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BadCheckpoint, match=FILE):
        compute_type_of(tmp_path / FILE)


@pytest.mark.parametrize(
    ("vocabulary", "reason"),
    [({"w": 5}, "gap"), ({"\u4e00": 0}, "no tokenizer of bytes"), (None, "no tokenizer of bytes")],
)
def test_a_tokenizer_that_is_not_of_bytes_is_refused(
    source: Path, tmp_path: Path, vocabulary: dict[str, int] | None, reason: str
) -> None:
    """Tokens with a gap in their numbers, in letters that stand for no byte, or none at all do not convert."""
    path = source / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": {"vocab": vocabulary}}))
    with pytest.raises(BadCheckpoint, match=reason):
        write_ggml(source, tmp_path, "float16")
