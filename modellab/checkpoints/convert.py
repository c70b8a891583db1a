"""Conversions of Whisper between layouts, one step each; no value changes but where a type holds fewer."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from modellab.checkpoints import ggml
from modellab.checkpoints.ct2 import read_ct2
from modellab.checkpoints.vocabulary import Vocabulary
from modellab.checkpoints.whisper import Dimensions, dimensions, openai_tensors, transformers_tensors
from modellab.errors import BadCheckpoint

# Part of the name of every converted folder: raise it when a conversion writes anything else than before.
VERSION = 1

_SAMPLE_RATE_HZ = 16_000
_WINDOW_S = 30
_HOP_SAMPLES = 160

Json: TypeAlias = Mapping[str, object]


def write_openai(source: Path, into: Path) -> None:
    """Write `model.pt` as `whisper.load_model` reads it, and `model.json` with the heads that follow time.

    Raises:
        BadCheckpoint: when the source is no Whisper model in CTranslate2's layout.
    """
    import torch

    model = read_ct2(source / "model.bin")
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in openai_tensors(model).items()}
    sizes = dimensions(model)
    torch.save({"dims": sizes.as_dict(), "model_state_dict": state}, into / "model.pt")
    heads = _configuration(source).get("alignment_heads")
    _write(into / "model.json", {"dims": sizes.as_dict(), "alignment_heads": heads})


def write_transformers(source: Path, into: Path) -> None:
    """Write a folder that `WhisperForConditionalGeneration` and `WhisperProcessor` read.

    Raises:
        BadCheckpoint: when the source is no Whisper model in CTranslate2's layout, or has no tokenizer.
    """
    from safetensors.numpy import save_file

    model, words = read_ct2(source / "model.bin"), Vocabulary.read(source / "tokenizer.json")
    sizes, openai = dimensions(model), openai_tensors(model)
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in transformers_tensors(openai).items()}
    save_file(tensors, into / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(source / "tokenizer.json", into / "tokenizer.json")
    kind = str(openai["decoder.token_embedding.weight"].dtype)
    _write(into / "config.json", _model_config(sizes, words, kind))
    _write(into / "generation_config.json", _generation_config(sizes, words, _configuration(source)))
    _write(into / "tokenizer_config.json", _tokenizer_config(words))
    _write(into / "preprocessor_config.json", _preprocessor_config(sizes))


def write_ctranslate2(source: Path, into: Path, quantisation: str | None) -> None:
    """Write a folder that CTranslate2 reads, from one in the transformers layout.

    Args:
        source: the folder to read.
        into: the folder to write to.
        quantisation: one of QUANTISATIONS; None keeps the type of the source.

    Raises:
        BadCheckpoint: when the source is no model that CTranslate2 knows, or has no `tokenizer.json`.
    """
    from ctranslate2.converters import TransformersConverter

    kept = [name for name in _KEPT if (source / name).is_file()]
    if _TOKENIZER not in kept:
        raise BadCheckpoint(f"{source} has no {_TOKENIZER}, which faster-whisper reads")
    converter = TransformersConverter(str(source), copy_files=kept, low_cpu_mem_usage=True)
    try:
        converter.convert(str(into), quantization=quantisation, force=True)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise BadCheckpoint(f"{source} is no Whisper model in the layout of transformers: {error}") from error


def _quantised(quantisation: str | None) -> Callable[[Path, Path], None]:
    def write(source: Path, into: Path) -> None:
        write_ctranslate2(source, into, quantisation)

    return write


_TOKENIZER = "tokenizer.json"
_KEPT = (_TOKENIZER, "preprocessor_config.json")

# What CTranslate2 stores weights in.
QUANTISATIONS = ("float32", "float16", "bfloat16", "int16", "int8", "int8_float32", "int8_float16", "int8_bfloat16")

CONVERSIONS: Mapping[tuple[str, str, str], Callable[[Path, Path], None]] = {
    ("whisper", "ctranslate2", "openai"): write_openai,
    ("whisper", "ctranslate2", "transformers"): write_transformers,
    ("whisper", "transformers", "ctranslate2"): _quantised(None),
    **{("whisper", "transformers", f"ctranslate2:{kind}"): _quantised(kind) for kind in QUANTISATIONS},
    **{("whisper", "ctranslate2", f"ggml:{kind}"): ggml.writer(kind) for kind in ggml.FILE_TYPES},
}


def _configuration(source: Path) -> Json:
    """Give CTranslate2's `config.json`."""
    path = source / "config.json"
    try:
        configuration: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{path} cannot be read: {error}") from error
    return configuration


def _write(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _model_config(sizes: Dimensions, words: Vocabulary, kind: str) -> Json:
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "dtype": kind,
        "vocab_size": sizes.n_vocab,
        "num_mel_bins": sizes.n_mels,
        "d_model": sizes.n_audio_state,
        "encoder_layers": sizes.n_audio_layer,
        "encoder_attention_heads": sizes.n_audio_head,
        "encoder_ffn_dim": 4 * sizes.n_audio_state,
        "decoder_layers": sizes.n_text_layer,
        "decoder_attention_heads": sizes.n_text_head,
        "decoder_ffn_dim": 4 * sizes.n_text_state,
        "max_source_positions": sizes.n_audio_ctx,
        "max_target_positions": sizes.n_text_ctx,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
        "bos_token_id": words.end,
        "eos_token_id": words.end,
        "pad_token_id": words.end,
        "decoder_start_token_id": words.start,
    }


def _generation_config(sizes: Dimensions, words: Vocabulary, configuration: Json) -> Json:
    """Give what steers decoding; transformers knows none of it for an English-only model unless it is told."""
    shared: dict[str, object] = {
        "bos_token_id": words.end,
        "eos_token_id": words.end,
        "pad_token_id": words.end,
        "decoder_start_token_id": words.start,
        "no_timestamps_token_id": words.number("<|notimestamps|>"),
        "prev_sot_token_id": words.number("<|startofprev|>"),
        "suppress_tokens": configuration.get("suppress_ids") or None,
        "begin_suppress_tokens": configuration.get("suppress_ids_begin") or None,
        "alignment_heads": configuration.get("alignment_heads"),
        "max_initial_timestamp_index": 50,
        "max_length": sizes.n_text_ctx,
        "return_timestamps": False,
        "is_multilingual": sizes.multilingual,
    }
    return shared | (_languages(words) if sizes.multilingual else {})


def _languages(words: Vocabulary) -> dict[str, object]:
    tasks = {task: words.number(f"<|{task}|>") for task in ("transcribe", "translate")}
    return {"lang_to_id": words.languages, "task_to_id": tasks}


def _tokenizer_config(words: Vocabulary) -> Json:
    """Give the tokenizer's settings; transformers takes the number after the last special token for 0.00 s."""
    return {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": list(words.control),
        "add_prefix_space": False,
        "errors": "replace",
        "model_max_length": 1024,
        "return_attention_mask": False,
    }


def _preprocessor_config(sizes: Dimensions) -> Json:
    samples = _WINDOW_S * _SAMPLE_RATE_HZ
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": sizes.n_mels,
        "sampling_rate": _SAMPLE_RATE_HZ,
        "chunk_length": _WINDOW_S,
        "hop_length": _HOP_SAMPLES,
        "n_fft": 400,
        "n_samples": samples,
        "nb_max_frames": samples // _HOP_SAMPLES,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }
