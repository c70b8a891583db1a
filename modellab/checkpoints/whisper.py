"""Whisper's tensors under the names that each layout gives them. No runtime is needed here, only numpy."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from modellab.checkpoints.ct2 import Ct2Model, Tensor
from modellab.errors import BadCheckpoint

SPECIFICATION = "WhisperSpec"
_MULTILINGUAL_VOCABULARY = 51_865

_TO_TRANSFORMERS = (
    (r"\.blocks\.", ".layers."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.attn\.", ".self_attn."),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.out\.", ".out_proj."),
    (r"^encoder\.ln_post\.", "encoder.layer_norm."),
    (r"^decoder\.ln\.", "decoder.layer_norm."),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """The sizes of a Whisper model, under the names OpenAI's layout gives them."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def multilingual(self) -> bool:
        """Whether the vocabulary has languages; a model trained on English alone may have it too."""
        return self.n_vocab >= _MULTILINGUAL_VOCABULARY

    def as_dict(self) -> dict[str, int]:
        """Give the sizes as OpenAI's checkpoints store them."""
        return asdict(self)


def dimensions(model: Ct2Model) -> Dimensions:
    """Give a model's sizes, from the shapes of its tensors.

    Raises:
        BadCheckpoint: when it is no Whisper model, or its weights are quantised.
    """
    _require_whisper(model)
    audio_state, n_mels, _ = model.tensor("encoder/conv1/weight").shape
    n_vocab, text_state = model.tensor("decoder/embeddings/weight").shape
    return Dimensions(
        n_mels=n_mels,
        n_audio_ctx=model.tensor("encoder/position_encodings/encodings").shape[0],
        n_audio_state=audio_state,
        n_audio_head=int(model.tensor("encoder/num_heads")),
        n_audio_layer=_layers(model, "encoder"),
        n_vocab=n_vocab,
        n_text_ctx=model.tensor("decoder/position_encodings/encodings").shape[0],
        n_text_state=text_state,
        n_text_head=int(model.tensor("decoder/num_heads")),
        n_text_layer=_layers(model, "decoder"),
    )


def openai_tensors(model: Ct2Model) -> dict[str, Tensor]:
    """Give every tensor under the name OpenAI's layout has for it, value for value.

    Raises:
        BadCheckpoint: when it is no Whisper model, its weights are quantised, or a tensor is missing.
    """
    sizes = dimensions(model)
    tensors = {
        "encoder.positional_embedding": model.tensor("encoder/position_encodings/encodings"),
        "decoder.positional_embedding": model.tensor("decoder/position_encodings/encodings"),
        "decoder.token_embedding.weight": model.tensor("decoder/embeddings/weight"),
    }
    for conv in ("conv1", "conv2"):
        tensors |= _linear(model, f"encoder/{conv}", f"encoder.{conv}")
    for layer in range(sizes.n_audio_layer):
        tensors |= dict(_layer(model, "encoder", layer))
    for layer in range(sizes.n_text_layer):
        tensors |= dict(_layer(model, "decoder", layer))
    return tensors | _norm(model, "encoder", "encoder.ln_post") | _norm(model, "decoder", "decoder.ln")


def transformers_tensors(openai: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors of OpenAI's layout under the names transformers has for them; the output shares the embedding."""
    return {f"model.{_renamed(name)}": tensor for name, tensor in openai.items()}


def _require_whisper(model: Ct2Model) -> None:
    if model.specification != SPECIFICATION:
        raise BadCheckpoint(f"{model.path} is a {model.specification}, not a {SPECIFICATION}")
    kind = model.tensor("decoder/embeddings/weight").dtype
    if kind not in {np.dtype(np.float16), np.dtype(np.float32)}:
        raise BadCheckpoint(f"{model.path} has weights in {kind}; only float16 and float32 convert without loss")


def _layers(model: Ct2Model, part: str) -> int:
    found = {re.match(rf"{part}/layer_(\d+)/", name) for name in model.tensors} - {None}
    return len({match[1] for match in found if match})


def _renamed(name: str) -> str:
    for pattern, replacement in _TO_TRANSFORMERS:
        name = re.sub(pattern, replacement, name)
    return name


def _layer(model: Ct2Model, part: str, layer: int) -> Iterator[tuple[str, Tensor]]:
    source, target = f"{part}/layer_{layer}", f"{part}.blocks.{layer}"
    yield from _self_attention(model, f"{source}/self_attention", f"{target}.attn").items()
    yield from _norm(model, f"{source}/self_attention", f"{target}.attn_ln").items()
    if part == "decoder":
        yield from _cross_attention(model, f"{source}/attention", f"{target}.cross_attn").items()
        yield from _norm(model, f"{source}/attention", f"{target}.cross_attn_ln").items()
    yield from _linear(model, f"{source}/ffn/linear_0", f"{target}.mlp.0").items()
    yield from _linear(model, f"{source}/ffn/linear_1", f"{target}.mlp.2").items()
    yield from _norm(model, f"{source}/ffn", f"{target}.mlp_ln").items()


def _self_attention(model: Ct2Model, source: str, target: str) -> dict[str, Tensor]:
    """Give query, key, value and output, of which CTranslate2 stacks the first three."""
    stacked = _split(model, f"{source}/linear_0", [f"{target}.{part}" for part in ("query", "key", "value")])
    return _keyless(stacked) | _linear(model, f"{source}/linear_1", f"{target}.out")


def _cross_attention(model: Ct2Model, source: str, target: str) -> dict[str, Tensor]:
    """Give query, key, value and output, of which CTranslate2 stacks key and value."""
    stacked = _split(model, f"{source}/linear_1", [f"{target}.{part}" for part in ("key", "value")])
    query = _linear(model, f"{source}/linear_0", f"{target}.query")
    return query | _keyless(stacked) | _linear(model, f"{source}/linear_2", f"{target}.out")


def _keyless(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors without the bias of the key, which Whisper does not have and CTranslate2 fills with zeros."""
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(".key.bias")}


def _split(model: Ct2Model, source: str, targets: list[str]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        parts = np.split(model.tensor(f"{source}/{kind}"), len(targets))
        tensors |= {f"{target}.{kind}": part for target, part in zip(targets, parts, strict=True)}
    return tensors


def _linear(model: Ct2Model, source: str, target: str) -> dict[str, Tensor]:
    return {f"{target}.{kind}": model.tensor(f"{source}/{kind}") for kind in ("weight", "bias")}


def _norm(model: Ct2Model, source: str, target: str) -> dict[str, Tensor]:
    return {
        f"{target}.weight": model.tensor(f"{source}/layer_norm/gamma"),
        f"{target}.bias": model.tensor(f"{source}/layer_norm/beta"),
    }
