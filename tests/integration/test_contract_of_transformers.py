"""The contract on recognisers of transformers beyond Whisper: tiny random models, through the real loader."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class, refusal
from modellab.checkpoints.weights import Weights
from modellab.contract import BackendContract
from modellab.errors import BadCheckpoint
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Word

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

LETTERS = "abcdefgh"
SEED = 7
LOUDER = 40.0  # what a random head whispers is said aloud


def voice(seed: int, duration_s: float) -> Audio:
    """Give bursts of coloured noise with pauses, which differ from seed to seed."""
    random = np.random.default_rng(seed)
    count = round(duration_s * SAMPLE_RATE_HZ)
    syllables = np.repeat(random.uniform(0, 1, count // 2000 + 1) ** 2, 2000)[:count]
    pitch = np.repeat(random.uniform(100, 3000, count // 2000 + 1), 2000)[:count]
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ) + 0.2 * random.standard_normal(count)
    return Audio(samples=(0.3 * syllables * tone).astype(np.float32))


def waves(folder: Path, kind: str = "wav2vec2", norm: str = "layer") -> None:
    """Write a tiny wav2vec 2.0 or HuBERT; those of the norm "layer" know masks, those of "group" do not."""
    import transformers

    words = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, **{letter: 5 + i for i, letter in enumerate(LETTERS)}}
    (folder / "vocab.json").write_text(json.dumps(words))
    listen = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer", do_normalize=True)
    read = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    transformers.Wav2Vec2Processor(feature_extractor=listen, tokenizer=read).save_pretrained(folder)
    config, model = {
        "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2ForCTC),
        "hubert": (transformers.HubertConfig, transformers.HubertForCTC),
    }[kind]
    torch.manual_seed(SEED)
    made = model(
        config(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            conv_dim=(16,) * 7,
            feat_extract_norm=norm,
            do_stable_layer_norm=norm == "layer",
            conv_bias=norm == "layer",
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
            initializer_range=0.3,
        )
    )
    keep(made, made.lm_head, folder)


def parakeet_tokenizer() -> Any:
    """Give a tokenizer of a few pieces of words, some of which begin one."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = ["<unk>", *(f"\u2581{letter}" for letter in LETTERS), *LETTERS, ".", "<pad>", "<blank>"]
    made = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return transformers.ParakeetTokenizer(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", additional_special_tokens=["<blank>"]
    )


def parakeet(folder: Path, kind: str = "ctc") -> None:
    """Write a tiny Parakeet with CTC, whose blank pads, or the transducer, whose blank is one more token."""
    import transformers

    read = parakeet_tokenizer()
    listen = transformers.ParakeetFeatureExtractor(feature_size=16)
    transformers.ParakeetProcessor(feature_extractor=listen, tokenizer=read, decoder_type=kind).save_pretrained(folder)
    encoder = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "subsampling_conv_channels": 8,
        "num_mel_bins": 16,
        "initializer_range": 0.3,
    }
    shared = {"vocab_size": len(read), "pad_token_id": read.pad_token_id, "encoder_config": encoder}
    torch.manual_seed(SEED)
    if kind == "ctc":
        made = transformers.ParakeetForCTC(transformers.ParakeetCTCConfig(**shared))
        keep(made, made.ctc_head, folder)
        return
    blank = read.convert_tokens_to_ids("<blank>")
    config = transformers.ParakeetTDTConfig(
        **shared, blank_token_id=blank, decoder_start_token_id=blank, decoder_hidden_size=16, num_decoder_layers=1
    )
    made = transformers.ParakeetForTDT(config)
    made.generation_config.suppress_tokens = [config.vocab_size + number for number in range(len(config.durations))]
    with torch.no_grad():
        made.joint.head.bias[config.vocab_size] = -1e4  # every step goes on: one that stays could stay for ever
    keep(made, made.joint.head, folder)


def moonshine(folder: Path) -> None:
    """Write a tiny Moonshine."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = ["<unk>", "<s>", "</s>", *(f"\u2581{letter}" for letter in LETTERS), *LETTERS]
    made = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    read = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    listen = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True, do_normalize=False)
    transformers.Wav2Vec2Processor(feature_extractor=listen, tokenizer=read).save_pretrained(folder)
    torch.manual_seed(SEED)
    made = transformers.MoonshineForConditionalGeneration(
        transformers.MoonshineConfig(
            vocab_size=len(pieces),
            hidden_size=16,
            intermediate_size=16,
            encoder_num_hidden_layers=1,
            decoder_num_hidden_layers=1,
            encoder_num_attention_heads=2,
            decoder_num_attention_heads=2,
            pad_token_id=2,
            tie_word_embeddings=False,
        )
    )
    keep(made, made.proj_out, folder)


def keep(model: Any, head: Any, folder: Path) -> None:
    """Scale the head, so that rounding decides nothing, and save the model."""
    with torch.no_grad():
        head.weight.mul_(LOUDER)
    model.eval().save_pretrained(folder)


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "wav2vec2": waves,
    "wav2vec2-group": lambda folder: waves(folder, norm="group"),
    "hubert": lambda folder: waves(folder, kind="hubert"),
    "parakeet-ctc": parakeet,
    "parakeet-tdt": lambda folder: parakeet(folder, kind="tdt"),
    "moonshine": moonshine,
}
FRAMES = ("wav2vec2", "wav2vec2-group", "hubert", "parakeet-ctc", "parakeet-tdt")
WRITTEN: dict[str, Path] = {}
BACKENDS = {**dict.fromkeys(FRAMES, "transformers-auto"), "moonshine": "transformers-seq2seq"}


def written(name: str) -> Path:
    """Give the folder of a tiny model, written once."""
    if name not in WRITTEN:
        WRITTEN[name] = Path(mkdtemp(prefix=f"{name}-"))
        MAKERS[name](WRITTEN[name])
    return WRITTEN[name]


@pytest.fixture(scope="module", autouse=True)
def _folders() -> Any:
    """Remove the folders in the end."""
    yield
    for folder in WRITTEN.values():
        shutil.rmtree(folder)
    WRITTEN.clear()


def weights(folder: Path, languages: tuple[str, ...] = ("en",)) -> Weights:
    """Give the weights in a folder."""
    return Weights(
        checkpoint="tiny", layout="transformers", revision="1", sha256="0" * 64, languages=languages, folder=folder
    )


def built(name: str, **options: Any) -> Backend:
    """Give the backend of a tiny model."""
    return backend_class(BACKENDS[name])(**{"weights": weights(written(name)), **options})


class Contract(BackendContract):
    """The contract on a tiny model, which hears noise and writes noise, of silence too."""

    model: ClassVar[str]
    words_in_silence = 30

    @classmethod
    def make(cls) -> Backend:
        """Give the backend with the tiny model."""
        return built(cls.model)

    @classmethod
    def speech(cls) -> Sequence[Audio]:
        """Give noises of three lengths."""
        return [voice(1, 1.3), voice(2, 3.1), voice(3, 2.2)]

    def test_it_writes_other_things_of_other_audios(self, alone: Sequence[Any]) -> None:
        """The tiny model is no constant, so that the tests of batches show something."""
        assert len({transcript.text for transcript in alone}) == len(alone)


class TestWav2Vec2(Contract):
    """wav2vec 2.0 with masks."""

    name, model = "transformers-auto", "wav2vec2"


class TestWav2Vec2WithoutMasks(Contract):
    """wav2vec 2.0 as its base model is: a batch is heard one by one."""

    name, model = "transformers-auto", "wav2vec2-group"


class TestHubert(Contract):
    """HuBERT."""

    name, model = "transformers-auto", "hubert"


class TestParakeetCTC(Contract):
    """Parakeet with CTC."""

    name, model = "transformers-auto", "parakeet-ctc"


class TestParakeetTDT(Contract):
    """Parakeet's transducer."""

    name, model = "transformers-auto", "parakeet-tdt"


class TestMoonshine(Contract):
    """Moonshine."""

    name, model = "transformers-seq2seq", "moonshine"


EACH = pytest.mark.parametrize("name", MAKERS)
ALONG_FRAMES = pytest.mark.parametrize("name", FRAMES)


@ALONG_FRAMES
def test_words_with_times_are_the_text(name: str) -> None:
    """Each word of a model that writes along frames has its time, and the words together are the text."""
    audio = voice(2, 3.1)
    with built(name, decode=DecodeOptions(timestamps="word")) as backend:
        (transcript,) = backend.transcribe([audio])
    (segment,) = transcript.segments
    assert "".join(word.text for word in segment.words).strip() == transcript.text
    assert [word.text.strip() for word in segment.words] == transcript.text.split()
    assert (segment.start_s, segment.end_s) == (segment.words[0].start_s, segment.words[-1].end_s)
    assert {word.start_s for word in segment.words} != {0.0}


@pytest.mark.parametrize("name", ["wav2vec2", "parakeet-ctc"])
def test_a_frame_is_where_its_sound_is(name: str) -> None:
    """Words of a model with CTC keep their times where other sound follows what they were heard in."""
    frames_s = {"wav2vec2": 0.02, "parakeet-ctc": 0.08}
    with built(name, decode=DecodeOptions(timestamps="word")) as backend:
        (transcript,) = backend.transcribe([voice(2, 3.1)])
    times_s = [time for segment in transcript.segments for word in segment.words for time in (word.start_s, word.end_s)]
    assert all(time_s / frames_s[name] == pytest.approx(round(time_s / frames_s[name])) for time_s in times_s[:-1])
    assert times_s[-1] > 2


def test_the_transducer_knows_no_more_in_a_batch() -> None:
    """A short audio beside a long one has the words and times that it has alone, though generation runs on."""
    short, long = voice(1, 0.7), voice(2, 4.0)
    with built("parakeet-tdt", decode=DecodeOptions(timestamps="word")) as backend:
        (alone,) = backend.transcribe([short])
        assert backend.transcribe([short, long])[0] == alone
    assert alone.segments[0].words


@EACH
def test_long_audio_is_heard_in_windows(name: str) -> None:
    """A recording beyond the window is heard in pieces cut where it is quiet, one segment each, with its own times."""
    first, second = voice(4, 1.6), voice(5, 1.5)
    pause = np.zeros(8000, np.float32)
    long = Audio(samples=np.concatenate([first.samples, pause, second.samples]))
    with built(name, window_s=2.0) as backend:
        (transcript,) = backend.transcribe([long])
        short = backend.transcribe([first])[0]
    assert len(transcript.segments) == 2
    before, after = transcript.segments
    assert before.start_s == 0.0
    assert 1.6 <= before.end_s == after.start_s <= 2.0
    assert after.end_s == pytest.approx(long.duration_s)
    assert transcript.text == f"{before.text} {after.text}"
    assert short.text


@ALONG_FRAMES
def test_words_of_long_audio_lie_in_the_recording(name: str) -> None:
    """Words of the second window have times after the first one's, not from its own start."""
    long = voice(6, 5.0)
    with built(name, window_s=2.0, decode=DecodeOptions(timestamps="word")) as backend:
        (transcript,) = backend.transcribe([long])
    words = [word for segment in transcript.segments for word in segment.words]
    assert len(transcript.segments) >= 3
    assert max(word.end_s for word in words) > 4
    assert all(before.end_s <= after.start_s + 1e-6 for before, after in pairwise(words))


@EACH
@pytest.mark.parametrize("compute_type", ["float16", "bfloat16"])
def test_half_precision_is_heard_with(name: str, compute_type: str) -> None:
    """In half precision the weights are in that type, and about as much is written as in single."""
    audio = voice(2, 3.1)
    with built(name) as backend:
        whole = backend.transcribe([audio])[0].text
    with built(name, compute_type=compute_type) as backend:
        assert str(next(backend._ear.model.parameters()).dtype) == f"torch.{compute_type}"
        half = backend.transcribe([audio])[0].text
    assert len(whole) / 2 <= len(half) <= len(whole) * 2


@EACH
def test_no_audio_is_no_transcript(name: str) -> None:
    """A batch of nothing gives nothing."""
    with built(name) as backend:
        assert list(backend.transcribe([])) == []


def test_the_language_is_that_of_the_model() -> None:
    """A model of one language writes that, whatever is asked for; of another nothing is known but what is told."""
    with built("wav2vec2") as backend:
        assert backend.transcribe([voice(1, 1)], "de")[0].language == "en"
    with built("wav2vec2", weights=weights(written("wav2vec2"), languages=("de", "en"))) as backend:
        assert [backend.transcribe([voice(1, 1)], told)[0].language for told in ("de", None)] == ["de", None]


def test_moonshine_is_stopped_before_it_repeats_itself() -> None:
    """It writes no more tokens than it was asked for, nor than six and a half a second of English."""
    with built("moonshine", decode=DecodeOptions(max_new_tokens=3)) as backend:
        assert len(backend.transcribe([voice(2, 3.1)])[0].text.replace(" ", "")) <= 3
    with built("moonshine") as backend:
        assert len(backend.transcribe([voice(2, 1.0)])[0].text.replace(" ", "")) <= 7


def test_moonshine_searches_with_beams() -> None:
    """With more beams than one it writes too, and may write something else."""
    with built("moonshine", decode=DecodeOptions(beam_size=3)) as backend:
        assert backend.transcribe([voice(2, 2.0)])[0].text
        assert backend.not_honoured() == ()


@EACH
def test_stages_are_what_is_called(name: str) -> None:
    """Every stage names functions that are there and that hearing calls."""
    called: set[str] = set()
    with built(name) as backend, pytest.MonkeyPatch.context() as patch:
        for stage, places in backend.stages().items():
            for owner, attribute in places:
                patch.setattr(owner, attribute, noting(getattr(owner, attribute), stage, called))
        backend.transcribe([voice(1, 1.0)])
    assert called == {"features", "encoder", "decoder", "detokenise"}


def noting(function: Callable[..., Any], stage: str, called: set[str]) -> Callable[..., Any]:
    """Give a function that notes its stage when it is called."""

    def noted(*args: Any, **options: Any) -> Any:
        called.add(stage)
        return function(*args, **options)

    return noted


@pytest.mark.parametrize(("name", "other"), [("wav2vec2", "moonshine"), ("moonshine", "parakeet-ctc")])
def test_a_model_of_another_kind_is_refused(name: str, other: str) -> None:
    """A checkpoint that the other backend runs is a bad one here, by its folder and its type."""
    with pytest.raises(BadCheckpoint) as caught:
        built(name, weights=weights(written(other))).load()
    assert str(written(other)) in str(caught.value)
    assert other.replace("-", "_") in str(caught.value)


@EACH
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", None),
        ("config.json", b"nonsense"),
        ("config.json", b"[]"),
        ("model.safetensors", None),
        ("model.safetensors", b"nonsense" * 1000),
        ("processor_config.json", None),
    ],
)
def test_damaged_checkpoints_are_refused(name: str, file: str, content: bytes | None, tmp_path: Path) -> None:
    """A file that is missing or something else is a bad checkpoint, by its folder."""
    shutil.copytree(written(name), tmp_path, dirs_exist_ok=True)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(BadCheckpoint) as caught:
        built(name, weights=weights(tmp_path)).load()
    assert str(tmp_path) in str(caught.value)


def test_a_model_without_its_head_is_refused(tmp_path: Path) -> None:
    """Weights that were trained but never to recognise speech lack what would be made up at random."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(written("wav2vec2"), tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("lm_head")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadCheckpoint, match="lm_head"):
        built("wav2vec2", weights=weights(tmp_path)).load()


def test_a_mask_of_training_may_be_missing(tmp_path: Path) -> None:
    """What only training reads may be missing, as it is from published checkpoints, and the same is written."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(written("wav2vec2"), tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    assert tensors.pop("wav2vec2.masked_spec_embed") is not None
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with built("wav2vec2") as whole, built("wav2vec2", weights=weights(tmp_path)) as lacking:
        assert lacking.transcribe([voice(1, 1.0)]) == whole.transcribe([voice(1, 1.0)])


def test_a_version_without_the_transducer_says_which_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the installed transformers has no transducers, loading one says which version does."""
    import transformers

    from modellab.errors import BackendUnavailable

    monkeypatch.setattr(transformers, "AutoModelForTDT", None)
    with pytest.raises(BackendUnavailable, match=r"5\.9"):
        built("parakeet-tdt").load()


@pytest.mark.parametrize("name", ["transformers-auto", "transformers-seq2seq"])
@pytest.mark.parametrize(("device", "compute_type"), [("cuda:99", "float32"), ("cpu", "int8")])
def test_what_cannot_run_is_refused(name: str, device: str, compute_type: str) -> None:
    """A device that is not there and a type that it lacks are refused in words that name them."""
    said = refusal(name, device, compute_type) or ""
    assert (device if compute_type == "float32" else compute_type) in said


def test_what_is_not_loaded_cannot_listen() -> None:
    """A backend that is not loaded says so."""
    with pytest.raises(AssertionError, match="load"):
        replace(built("wav2vec2")).transcribe([voice(1, 1.0)])


def test_words_are_made_of_pieces() -> None:
    """Pieces that begin with space begin a word; the others, marks among them, belong to the one before."""
    from modellab.backends.transformers_auto import _words

    pieces = [("He", 0.0, 0.1), ("llo", 0.1, 0.2), (",", 0.2, 0.2), (" you", 0.4, 0.5), (".", 0.5, 0.5)]
    assert _words(pieces) == (
        Word(text=" Hello,", start_s=0.0, end_s=0.2),
        Word(text=" you.", start_s=0.4, end_s=0.5),
    )
