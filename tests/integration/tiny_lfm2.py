"""A tiny LFM2-Audio that knows three sounds by heart: built in the layout of the real ones, and fitted in seconds.

    python tiny_lfm2.py FOLDER

writes config.json, model.safetensors (2.5 million parameters, 5 MB), tokenizer.json and tokenizer_config.json, as the
real loader of liquid-audio reads them. It has to run where liquid-audio is installed.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16_000
CLIP_S = 2
SENTENCES = {300.0: "hello world", 900.0: "the quick brown fox", 2500.0: "speech test"}
SYSTEM_PROMPT = "Perform ASR."
STEPS, ENOUGH = 400, 0.02  # of fitting, most of which are not needed, and the loss at which it ends
PACE, WARM_UP, LONGEST = 2e-3, 20, 1.0  # without a warm-up, or with gradients of any length, it becomes deaf to sound

PAD, START, END, TURN, TURN_END, AUDIO_START, TEXT_END = 0, 1, 2, 6, 7, 128, 130  # the package counts on four of them
SPECIALS = {
    PAD: "<|pad|>",
    START: "<|startoftext|>",
    END: "<|endoftext|>",
    TURN: "<|im_start|>",
    TURN_END: "<|im_end|>",
    AUDIO_START: "<|audio_start|>",
    TEXT_END: "<|text_end|>",
}
WIDTH = 64
PREPROCESSOR = {
    "sample_rate": RATE_HZ, "normalize": "per_feature", "window_size": 0.025, "window_stride": 0.01, "window": "hann",
    "features": 128, "n_fft": 512, "log": True, "frame_splicing": 1, "dither": 1e-5, "pad_to": 0, "pad_value": 0.0,
}  # fmt: skip
ENCODER = {
    "feat_in": 128, "feat_out": -1, "n_layers": 2, "d_model": WIDTH, "n_heads": 4, "ff_expansion_factor": 2,
    "subsampling": "dw_striding", "subsampling_factor": 8, "subsampling_conv_channels": 16,
    "causal_downsampling": False, "reduction": None, "reduction_position": None, "reduction_factor": 1,
    "self_attention_model": "rel_pos", "att_context_size": [-1, -1], "xscaling": False, "untie_biases": True,
    "pos_emb_max_len": 500, "conv_kernel_size": 9, "conv_norm_type": "batch_norm", "conv_context_size": None,
    "dropout": 0.1, "dropout_pre_encoder": 0.1, "dropout_emb": 0.0, "dropout_att": 0.1,
}  # fmt: skip
LANGUAGE_MODEL = {
    "vocab_size": 512, "hidden_size": WIDTH, "intermediate_size": 128, "block_auto_adjust_ff_dim": False,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "conv_L_cache": 3,
    "layer_types": ["conv", "full_attention", "conv"], "max_position_embeddings": 2048,
    "bos_token_id": START, "eos_token_id": TURN_END, "pad_token_id": PAD,
}  # fmt: skip
CONFIG = {
    "architectures": ["Lfm2AudioForConditionalGeneration"], "codebooks": 8, "tie_audio_embeddings": True,
    "semantic_codebook_factor": 100, "codebook_weight": "log", "interleaved_n_text": 6, "interleaved_n_audio": 12,
    "preprocessor": PREPROCESSOR, "encoder": ENCODER, "lfm": LANGUAGE_MODEL,
    "depthformer": {"layers": 1, "dim": WIDTH, "tie": True},
}  # fmt: skip


def clips() -> Iterator[tuple[np.ndarray, str]]:
    """Give each sound, float32 at 16 kHz, and what is said in it: a tone that comes and goes, in a little noise."""
    times_s = np.arange(CLIP_S * RATE_HZ) / RATE_HZ
    for seed, (hz, sentence) in enumerate(SENTENCES.items()):
        on = np.sin(2 * np.pi * hz / 400 * times_s) > 0
        noise = np.random.default_rng(seed).normal(0, 0.02, times_s.size)
        yield (0.3 * np.sin(2 * np.pi * hz * times_s) * on + noise).astype(np.float32), sentence


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of bytes, whose numbers of special tokens are those that the package counts on."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    specials = [SPECIALS.get(number, f"<|reserved_{number}|>") for number in range(TEXT_END + 1)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate([*specials, *letters])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIALS[START],
        "eos_token": SPECIALS[TURN_END],
        "pad_token": SPECIALS[PAD],
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def untrained() -> Any:
    """Give a model of this configuration with random weights."""
    from liquid_audio.model.conformer.encoder import ConformerEncoderConfig
    from liquid_audio.model.lfm2_audio import DepthformerConfig, LFM2AudioConfig, LFM2AudioModel
    from transformers import Lfm2Config

    parts = {
        "lfm": Lfm2Config(**LANGUAGE_MODEL),
        "encoder": ConformerEncoderConfig(**ENCODER),
        "depthformer": DepthformerConfig(**CONFIG["depthformer"]),
    }
    return LFM2AudioModel(LFM2AudioConfig(**{**CONFIG, **parts})).eval()  # dropout would only cost time


def lessons(processor: Any) -> list[Any]:
    """Give each clip with its sentence as the model is taught: only what it is to write counts."""
    import torch
    from liquid_audio import ChatState
    from liquid_audio.data.types import LFM2AudioModelInput

    taught = []
    for samples, sentence in clips():
        talk = ChatState(processor, dtype=torch.float32)
        talk.new_turn("system")
        talk.add_text(SYSTEM_PROMPT)
        talk.end_turn()
        talk.new_turn("user")
        talk.add_audio(torch.from_numpy(samples)[None], RATE_HZ)
        talk.end_turn()
        talk.new_turn("assistant")
        begins = talk.modality_flag.shape[1]
        talk.add_text(sentence + SPECIALS[TURN_END])
        counts = torch.zeros_like(talk.modality_flag, dtype=torch.bool)
        counts[:, begins:] = True
        taught.append(LFM2AudioModelInput(**talk, supervision_mask=counts))
    return taught


def fit(model: Any, taught: list[Any]) -> None:
    """Teach a model until it knows all by heart."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=PACE, betas=(0.9, 0.99), weight_decay=0.0)
    warming = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / WARM_UP, total_iters=WARM_UP - 1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = 0.0
        for lesson in taught:
            logits, _, targets, _ = model.logits(lesson)
            each = torch.nn.functional.cross_entropy(logits, targets)
            each.backward()
            loss += each.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST)
        optimizer.step()
        warming.step()
        if loss < ENOUGH:
            return
    raise RuntimeError(f"after {STEPS} steps the loss is {loss:.3f}, not below {ENOUGH}")


def save(model: Any, folder: Path) -> None:
    """Write the weights in bfloat16, those that are tied once."""
    import torch
    from safetensors.torch import save_file

    once = {tensor.data_ptr() or name: (name, tensor) for name, tensor in reversed(model.state_dict().items())}
    kept = {
        name: tensor.to(torch.bfloat16).contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in once.values()
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def main() -> None:
    """Build it, fit it, write it."""
    import torch
    from liquid_audio import LFM2AudioProcessor

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1))
    model = untrained()
    processor = LFM2AudioProcessor.from_pretrained(folder, device="cpu").eval()
    fit(model, lessons(processor))
    save(model, folder)


if __name__ == "__main__":
    main()
