"""Four runtimes of Whisper on real weights and real speech: they keep what a backend promises, and write one text."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class, refusal, weights_for
from modellab.backends.whisper_cpp import WINDOW_S, WhisperCpp
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.errors import BadCheckpoint, BadTranscript
from modellab.scoring.normalize import normalizer
from modellab.scoring.wer import score
from modellab.sources.cache import cache_root
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio, read_audio
from modellab.speech.transcript import Segment, Transcript
from modellab.speech.utterance import Corpus

FIXTURES = Path(__file__).parents[2] / "fixtures"
SDK = {
    "openai-whisper": "whisper",
    "faster-whisper": "faster_whisper",
    "transformers": "transformers",
    "whisper-cpp": "_pywhispercpp",
}
WEIGHTS = {
    "openai-whisper": "model.pt",
    "faster-whisper": "model.bin",
    "transformers": "model.safetensors",
    "whisper-cpp": "ggml-model.bin",
}
FULL = {"whisper-cpp": "float16"}  # the fullest precision that a runtime has on the cpu, where that is not float32
WHISPER_STEP_S = 0.02  # Whisper writes times in steps of this
NAMES = pytest.mark.parametrize("name", SDK)
QUIET = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from modellab.backends.whisper_cpp import WhisperCpp
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint
from modellab.speech.audio import Audio
folder = Path(sys.argv[1])
own = Weights(checkpoint="x", layout="ggml:float16", revision="1", sha256="0", languages=("en",), folder=folder)
with WhisperCpp(weights=own, compute_type="float16") as backend:
    backend.transcribe([Audio(samples=np.zeros(100, np.float32))])
try:
    WhisperCpp(weights=replace(own, folder=Path(sys.argv[2])), compute_type="float16").load()
except BadCheckpoint as error:
    assert "not all tensors" in str(error)
else:
    raise AssertionError("a file that is cut short was loaded")
"""


@dataclass(frozen=True)
class Heard:
    """A loaded backend under its name, and what it wrote of each utterance alone."""

    name: str
    backend: Backend
    transcripts: tuple[Transcript, ...]


@pytest.fixture(scope="module")
def cache() -> Path:
    """Where weights and speech are kept."""
    override = os.environ.get("MODELLAB_CACHE_DIR")
    return cache_root(Path(override) if override else None)


@pytest.fixture(scope="module")
def corpus(cache: Path) -> Corpus:
    """Five read sentences."""
    return read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)


@pytest.fixture(scope="module")
def audios(corpus: Corpus) -> tuple[Audio, ...]:
    """The audio of the sentences."""
    return tuple(read_audio(utterance.audio) for utterance in corpus)


@pytest.fixture(scope="module")
def weights(cache: Path) -> Callable[[str], Weights]:
    """A giver of whisper-tiny.en in the layout of a backend."""
    checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")

    def give(name: str) -> Weights:
        found = weights_for(name, full(name), checkpoint, cache)
        assert found is not None
        return found

    return give


@pytest.fixture(scope="module", params=list(SDK))
def heard(
    request: pytest.FixtureRequest, weights: Callable[[str], Weights], audios: Sequence[Audio]
) -> Iterator[Heard]:
    """Each runtime in turn, loaded in its fullest precision on two threads, after it heard every sentence alone."""
    pytest.importorskip(SDK[request.param])
    backend = made(request.param, weights)
    with backend:
        yield Heard(
            name=request.param,
            backend=backend,
            transcripts=tuple(backend.transcribe([audio], "en")[0] for audio in audios),
        )


@pytest.fixture(scope="module")
def reference(weights: Callable[[str], Weights], audios: Sequence[Audio]) -> tuple[str, ...]:
    """What faster-whisper writes of the sentences in float32."""
    pytest.importorskip("faster_whisper")
    with backend_class("faster-whisper")(weights=weights("faster-whisper"), threads=2) as backend:
        return tuple(transcript.text for transcript in backend.transcribe(audios, "en"))


def full(name: str) -> str:
    """Give the fullest precision that a runtime has on the cpu."""
    return FULL.get(name, "float32")


def made(name: str, weights: Callable[[str], Weights], folder: Path | None = None) -> Backend:
    """Give a backend that is not loaded, in its fullest precision on two threads, with its weights in a folder."""
    own = weights(name)
    own = own if folder is None else replace(own, folder=folder)
    return backend_class(name)(weights=own, compute_type=full(name), threads=2)


def asked(heard: Heard, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Backend:
    """Give the loaded backend, asked to listen otherwise until the test ends."""
    monkeypatch.setattr(heard.backend, "decode", DecodeOptions(**options))
    return heard.backend


def joined(audios: Sequence[Audio]) -> Audio:
    """Give audios one after another as one."""
    return Audio(samples=np.concatenate([audio.samples for audio in audios]))


def error_rate(corpus: Corpus, text: str) -> float:
    """Give the word error rate of a text against all references of a corpus, one after another."""
    rate = score(" ".join(u.reference for u in corpus), text, normalizer("whisper-en")).rate
    assert rate is not None
    return rate


def assert_within(transcript: Transcript, duration_s: float) -> None:
    """Fail unless the segments follow one another, lie within the audio, and hold the text."""
    end_s = 0.0
    for segment in transcript.segments:
        assert end_s - WHISPER_STEP_S <= segment.start_s <= segment.end_s <= duration_s + WHISPER_STEP_S + 1e-6
        end_s = segment.end_s
    assert " ".join(segment.text.strip() for segment in transcript.segments) == transcript.text


def test_what_is_said_is_written(heard: Heard, audios: Sequence[Audio], corpus: Corpus) -> None:
    """Each utterance has one transcript in English, with segments within its audio; few words of all are wrong."""
    for transcript, audio in zip(heard.transcripts, audios, strict=True):
        assert transcript.language == "en"
        assert transcript.segments
        assert_within(transcript, audio.duration_s)
    assert error_rate(corpus, " ".join(transcript.text for transcript in heard.transcripts)) < 0.15


def test_an_english_model_needs_no_language(heard: Heard, audios: Sequence[Audio]) -> None:
    """An utterance heard again, without being told its language, gives the same transcript, times and all."""
    assert heard.backend.transcribe([audios[1]])[0] == heard.transcripts[1]


def test_no_audio_is_no_transcript(heard: Heard) -> None:
    """A batch of nothing gives nothing."""
    assert list(heard.backend.transcribe([])) == []


def test_times_of_segments_take_no_words_away(
    heard: Heard, audios: Sequence[Audio], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for the times of segments, a backend gives some from most of the audio, and no fewer words."""
    backend = asked(heard, monkeypatch, timestamps="segment")
    for transcript, audio in zip(backend.transcribe(audios[1:3], "en"), audios[1:3], strict=True):
        assert_within(transcript, audio.duration_s)
        assert transcript.segments[-1].end_s > audio.duration_s / 2
        assert len(transcript.text.split()) >= 6


def test_words_with_times_are_the_text(heard: Heard, audios: Sequence[Audio], monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for the times of words, a backend that has them gives them of every word, and one that says no has none."""
    backend = asked(heard, monkeypatch, timestamps="word")
    (transcript,) = backend.transcribe([audios[1]], "en")
    words = [word for segment in transcript.segments for word in segment.words]
    assert bool(words) is ("timestamps" not in backend.not_honoured())
    assert not words or "".join(word.text for word in words).strip() == transcript.text


def test_long_audio_is_heard_to_its_end(
    heard: Heard, audios: Sequence[Audio], corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audio beyond Whisper's window of 30 s, in one batch with a short one, is heard whole, with times in order."""
    backend = asked(heard, monkeypatch, timestamps="segment")
    long = joined([*audios, audios[0]])
    assert long.duration_s > 31
    short, whole = backend.transcribe([audios[1], long], "en")
    assert_within(whole, long.duration_s)
    assert whole.segments[-1].end_s > 31
    spoken = replace(corpus, utterances=(*corpus, replace(corpus.utterances[0], id="again")))
    assert error_rate(spoken, whole.text) < 0.15
    assert len(short.text.split()) < 12


def test_times_of_silence_are_within_it(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample of silence, asked for with times, gives a transcript of next to no words, within its audio."""
    backend = asked(heard, monkeypatch, timestamps="segment")
    audio = Audio(samples=np.zeros(1, np.float32))
    (transcript,) = backend.transcribe([audio], "en")
    assert len(transcript.text.split()) <= 3
    assert_within(transcript, audio.duration_s)


def test_tokens_are_bounded(heard: Heard, audios: Sequence[Audio], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on new tokens cuts the transcript short."""
    backend = asked(heard, monkeypatch, max_new_tokens=4)
    text = backend.transcribe([audios[0]], "en")[0].text
    assert 1 <= len(text.split()) <= 4
    assert heard.transcripts[0].text.startswith(text)


def test_runtimes_write_the_same_words(heard: Heard, reference: Sequence[str]) -> None:
    """On the same weights in their fullest precision, each runtime writes the very words that faster-whisper writes."""
    plain = normalizer("whisper-en")
    assert [plain(transcript.text) for transcript in heard.transcripts] == [plain(text) for text in reference]


@NAMES
def test_what_is_not_loaded_cannot_listen(
    name: str, weights: Callable[[str], Weights], audios: Sequence[Audio]
) -> None:
    """A backend that is not loaded says so."""
    pytest.importorskip(SDK[name])
    with pytest.raises(AssertionError, match="load"):
        made(name, weights).transcribe([audios[1]], "en")


def test_faster_whisper_computes_in_int8(
    weights: Callable[[str], Weights], audios: Sequence[Audio], corpus: Corpus
) -> None:
    """In int8, faster-whisper hears the sentences about as well as in float32."""
    pytest.importorskip("faster_whisper")
    backend = backend_class("faster-whisper")(weights=weights("faster-whisper"), compute_type="int8", threads=2)
    with backend:
        texts = [transcript.text for transcript in backend.transcribe(audios, "en")]
    assert error_rate(corpus, " ".join(texts)) < 0.2


@NAMES
@pytest.mark.parametrize(
    ("device", "compute_type", "reason"),
    [
        ("cuda:99", "float32", "cuda:99"),
        ("cuda:x", "float32", "cuda:x"),
        ("cuda:-1", "float32", "cuda:-1"),
        ("cpu:1", "float32", "cpu:1"),
        ("tpu", "float32", "tpu"),
        ("cpu", "int8_float16", "int8_float16"),
    ],
)
def test_what_cannot_run_is_refused(name: str, device: str, compute_type: str, reason: str) -> None:
    """A device that is not there, or a compute type that it lacks, is refused in words that name it."""
    pytest.importorskip(SDK[name])
    refused = refusal(name, device, compute_type)
    assert refused is not None
    assert reason in refused


@pytest.mark.parametrize(
    ("name", "compute_type"),
    [
        ("openai-whisper", "float16"),
        ("openai-whisper", "int8"),
        ("openai-whisper", "bfloat16"),
        ("transformers", "int8"),
        ("whisper-cpp", "float32"),
        ("whisper-cpp", "int8"),
    ],
)
def test_compute_types_that_a_runtime_lacks_on_the_cpu_are_refused(name: str, compute_type: str) -> None:
    """A precision that a runtime does not compute in on the cpu is refused in words that name it."""
    pytest.importorskip(SDK[name])
    assert compute_type in (refusal(name, "cpu", compute_type) or "")


@NAMES
def test_every_runtime_has_its_fullest_precision_on_the_cpu(name: str) -> None:
    """Float32 on the cpu is refused by no runtime that is installed but whisper.cpp, which has float16."""
    pytest.importorskip(SDK[name])
    assert refusal(name, "cpu", full(name)) is None


@NAMES
@pytest.mark.parametrize("other", SDK)
def test_weights_in_another_layout_are_refused(name: str, other: str, weights: Callable[[str], Weights]) -> None:
    """Weights in the layout of another runtime are a bad checkpoint, by their folder."""
    if name == other:
        return
    pytest.importorskip(SDK[name])
    folder = weights(other).folder
    with pytest.raises(BadCheckpoint) as caught:
        made(name, weights, folder).load()
    assert str(folder) in str(caught.value)


@NAMES
@pytest.mark.parametrize("damage", ["missing", "empty", "cut short", "overwritten"])
def test_damaged_weights_are_refused(name: str, damage: str, weights: Callable[[str], Weights], tmp_path: Path) -> None:
    """Weights whose file is missing, empty, cut short or something else are a bad checkpoint, by their folder."""
    pytest.importorskip(SDK[name])
    sound = weights(name)
    for path in sound.folder.iterdir():
        if path.name != WEIGHTS[name]:
            shutil.copy(path, tmp_path)
    if damage != "missing":
        with (sound.folder / WEIGHTS[name]).open("rb") as file:
            content = {"empty": b"", "cut short": file.read(1_000_000), "overwritten": b"nonsense" * 1000}[damage]
        (tmp_path / WEIGHTS[name]).write_bytes(content)
    with pytest.raises(BadCheckpoint) as caught:
        made(name, weights, tmp_path).load()
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("compute_type", ["q8_0", "q5_1"])
def test_whisper_cpp_hears_in_blocks(
    compute_type: str, cache: Path, audios: Sequence[Audio], corpus: Corpus, reference: Sequence[str]
) -> None:
    """Quantised, whisper.cpp hears the sentences about as well as faster-whisper does in float32."""
    pytest.importorskip("_pywhispercpp")
    checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")
    weights = weights_for("whisper-cpp", compute_type, checkpoint, cache)
    with backend_class("whisper-cpp")(weights=weights, compute_type=compute_type, threads=2) as backend:
        texts = [transcript.text for transcript in backend.transcribe(audios, "en")]
    assert error_rate(corpus, " ".join(texts)) <= error_rate(corpus, " ".join(reference)) + 0.05


def test_more_beams_than_whisper_cpp_has_are_an_error_in_its_words(
    weights: Callable[[str], Weights], audios: Sequence[Audio]
) -> None:
    """A ninth beam is one too many: the audio fails, and the message is that of the runtime."""
    pytest.importorskip("_pywhispercpp")
    backend = replace(made("whisper-cpp", weights), decode=DecodeOptions(beam_size=9))
    with backend, pytest.raises(BadTranscript, match="too many decoders"):
        backend.transcribe([audios[1]], "en")


@NAMES
def test_encoder_states_are_those_of_faster_whisper_or_not_shown(
    name: str, weights: Callable[[str], Weights], audios: Sequence[Audio]
) -> None:
    """What the encoder makes of a sentence differs by less than a thousandth, unless the runtime does not show it."""
    pytest.importorskip(SDK[name])
    pytest.importorskip("faster_whisper")
    with made("faster-whisper", weights) as first, made(name, weights) as second:
        expected, found = first.encoded(audios[1]), second.encoded(audios[1])
    assert expected is not None
    assert expected.shape == (1500, 384)
    assert (found is None) is (name == "whisper-cpp")
    if found is not None:
        assert np.abs(found - expected).max() < 1e-3 * np.sqrt(np.mean(expected**2))


def test_a_ggml_file_in_another_type_is_refused(weights: Callable[[str], Weights]) -> None:
    """A file in float16 is not taken for one in q8_0: the refusal names both."""
    pytest.importorskip("_pywhispercpp")
    backend = replace(made("whisper-cpp", weights), compute_type="q8_0")
    with pytest.raises(BadCheckpoint, match=r"float16, and q8_0"):
        backend.load()


def test_whisper_cpp_prints_nothing(weights: Callable[[str], Weights], tmp_path: Path) -> None:
    """Loading, hearing, failing to load and ending print nothing: a worker's standard output is its protocol."""
    pytest.importorskip("_pywhispercpp")
    sound = weights("whisper-cpp").folder / WEIGHTS["whisper-cpp"]
    with sound.open("rb") as file:
        (tmp_path / sound.name).write_bytes(file.read(1_000_000))
    command = [sys.executable, "-c", QUIET, str(weights("whisper-cpp").folder), str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_whisper_cpp_tells_a_window_before_it_hears_the_next(
    weights: Callable[[str], Weights], audios: Sequence[Audio]
) -> None:
    """Of a recording of two windows, the segments of the first are told while the second is not heard yet."""
    runtime = pytest.importorskip("_pywhispercpp")
    long = Audio(samples=np.concatenate([audio.samples for audio in (*audios, *audios)])[: 50 * SAMPLE_RATE_HZ])
    told: list[tuple[Segment, int]] = []
    with made("whisper-cpp", weights) as backend:
        assert isinstance(backend, WhisperCpp)
        transcript = backend.narrate(
            long, "en", lambda segment: told.append((segment, runtime.whisper_full_n_segments(backend._model)))
        )
    assert long.duration_s > WINDOW_S
    assert tuple(segment for segment, _ in told) == transcript.segments
    assert told[0][1] < len(transcript.segments)


def test_an_english_model_is_generated_from_as_one(weights: Callable[[str], Weights]) -> None:
    """The generation configuration of an English-only checkpoint names no languages or tasks, and its own tokens."""
    transformers = pytest.importorskip("transformers")
    folder = weights("transformers").folder
    written = json.loads((folder / "generation_config.json").read_text())
    read = transformers.WhisperProcessor.from_pretrained(folder, local_files_only=True).tokenizer
    assert written["is_multilingual"] is False
    assert not {"lang_to_id", "task_to_id", "forced_decoder_ids", "language", "task"} & {
        key for key, value in written.items() if value is not None
    }
    tokens = {
        "decoder_start_token_id": "<|startoftranscript|>",
        "no_timestamps_token_id": "<|notimestamps|>",
        "prev_sot_token_id": "<|startofprev|>",
        "eos_token_id": "<|endoftext|>",
    }
    assert {key: written[key] for key in tokens} == {
        key: read.convert_tokens_to_ids(token) for key, token in tokens.items()
    }
    assert written["begin_suppress_tokens"] == [220, written["eos_token_id"]]
    assert written["decoder_start_token_id"] in written["suppress_tokens"]
