"""sherpa-onnx on models of a few weights that are written here: it keeps the contract, and is not ended by others."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import misfit, refusal
from modellab.backends.sherpa_onnx import KINDS, SherpaOnnx, _files
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.contract import BackendContract
from modellab.errors import BadCheckpoint, BadDefinition
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

onnx = pytest.importorskip("onnx")
pytest.importorskip("sherpa_onnx")

TOKENS = ("<blk>", "▁ba", "na", "▁do", "ri")
BANDS = ((0, 6), (6, 12), (12, 24), (24, 60))  # of 80 mel bands, those that each token is the mean of
SILENT = -9.0  # of the logarithms of energy, what is silence
MELS, FRAMES_A_STEP = 80, 4


def save(path: Path, nodes: Sequence[tuple], inputs: dict, outputs: dict, constants: dict, *, metadata: dict) -> None:
    """Write a model: nodes are an operation, what it reads, what it gives, and its attributes."""
    types = {np.dtype(np.float32): onnx.TensorProto.FLOAT, np.dtype(np.int64): onnx.TensorProto.INT64}

    def told(values: dict) -> list:
        return [
            onnx.helper.make_tensor_value_info(name, types[np.dtype(kind)], shape)
            for name, (kind, *shape) in values.items()
        ]

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(name, reads, gives, **more) for name, reads, gives, more in nodes],
        "tiny",
        told(inputs),
        told(outputs),
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.helper.set_model_props(model, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(TOKENS))
    (path.parent / "tokens.txt").write_text(lines, encoding="utf-8")


def hearing(given: str = "scores", lengths: str = "log_probs_len") -> tuple[list, dict]:
    """Give the nodes and constants that score every fourth frame of `x`: blank by a level, tokens by their bands."""
    bands, level = np.zeros((MELS, len(TOKENS)), np.float32), np.zeros(len(TOKENS), np.float32)
    for token, (low, high) in enumerate(BANDS, start=1):
        bands[low:high, token] = 1 / (high - low)
    level[0] = SILENT
    whole = {"zero": 0, "end": 1 << 31, "one": 1, "step": FRAMES_A_STEP, "more": FRAMES_A_STEP - 1}
    nodes = [
        ("Slice", ["x", "zero", "end", "one", "step"], ["few"], {}),
        ("MatMul", ["few", "bands"], ["loud"], {}),
        ("Add", ["loud", "level"], [given], {}),
        ("Add", ["x_lens", "more"], ["up"], {}),
        ("Div", ["up", "step"], [lengths], {}),
    ]
    constants = {"bands": bands, "level": level}
    return nodes, constants | {name: np.array([value], np.int64) for name, value in whole.items()}


def write_ctc(folder: Path, name: str = "model.onnx", metadata: dict[str, str] | None = None) -> Path:
    """Give a folder with a model that writes of each 40 ms the token of the loudest band, or nothing.

    NeMo's models are given spectra the other way round.
    """
    nodes, constants = hearing()
    nodes.append(("LogSoftmax", ["scores"], ["log_probs"], {"axis": -1}))
    inputs = {"x": (np.float32, "N", "T", MELS), "x_lens": (np.int64, "N")}
    if "EncDecCTC" in (metadata or {}).get("model_type", ""):
        nodes.insert(0, ("Transpose", ["turned"], ["x"], {"perm": [0, 2, 1]}))
        inputs = {"turned": (np.float32, "N", MELS, "T"), "x_lens": (np.int64, "N")}
    outputs = {"log_probs": (np.float32, "N", "U", len(TOKENS)), "log_probs_len": (np.int64, "N")}
    save(folder / name, nodes, inputs, outputs, constants, metadata=metadata or {})
    return folder


def write_transducer(folder: Path) -> Path:
    """Give a folder with a transducer that hears as the CTC model does, and never writes a token twice in a row."""
    size = len(TOKENS)
    nodes, constants = hearing("encoder_out", "encoder_out_lens")
    save(
        folder / "encoder-1.onnx",
        nodes,
        {"x": (np.float32, "N", "T", MELS), "x_lens": (np.int64, "N")},
        {"encoder_out": (np.float32, "N", "U", size), "encoder_out_lens": (np.int64, "N")},
        constants,
        metadata={},
    )
    again = np.diag(np.array([0, *[-100] * (size - 1)], np.float32))
    save(
        folder / "decoder-1.onnx",
        [("Gather", ["y", "last"], ["token"], {"axis": 1}), ("Gather", ["again", "token"], ["decoder_out"], {})],
        {"y": (np.int64, "N", 2)},
        {"decoder_out": (np.float32, "N", size)},
        {"again": again, "last": np.array(1, np.int64)},
        metadata={"vocab_size": str(size), "context_size": "2"},
    )
    save(
        folder / "joiner-1.onnx",
        [("Add", ["heard", "written"], ["logit"], {})],
        {"heard": (np.float32, "N", size), "written": (np.float32, "N", size)},
        {"logit": (np.float32, "N", size)},
        {},
        metadata={"joiner_dim": str(size)},
    )
    return folder


def tones(*each_hz: float) -> Audio:
    """Give tones of half a second, one after another."""
    times_s = np.arange(SAMPLE_RATE_HZ // 2) / SAMPLE_RATE_HZ
    samples = np.concatenate([0.3 * np.sin(2 * np.pi * hz * times_s) for hz in each_hz])
    return Audio(samples=samples.astype(np.float32))


SPOKEN = (tones(150, 300, 150), tones(500, 1500, 500, 300), tones(300, 500))


def built(
    folder: Path, kind: str = "zipformer-ctc", languages: tuple[str, ...] = ("en",), **options: object
) -> Backend:
    """Give a backend on a folder."""
    weights = Weights(
        checkpoint="tiny", layout="sherpa-onnx", revision="1", sha256="0" * 64, languages=languages, folder=folder
    )
    return SherpaOnnx(weights=weights, kind=kind, **options)  # type: ignore[arg-type]


class TestSherpaOnnx(BackendContract):
    """The contract on sherpa-onnx with a tiny CTC model, through its real loader."""

    name = "sherpa-onnx"
    _folder: Path | None = None

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def written(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        """The tiny model, in a folder of this class."""
        cls._folder = write_ctc(tmp_path_factory.mktemp("contract"))

    @classmethod
    def make(cls) -> Backend:
        """Give the backend with the tiny model."""
        assert cls._folder is not None
        return built(cls._folder)

    @classmethod
    def speech(cls) -> Sequence[Audio]:
        """Give three melodies."""
        return SPOKEN


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with the tiny model."""
    return write_ctc(tmp_path / "tiny")


def test_words_are_spelt_of_tokens_and_timed(tiny: Path) -> None:
    """A token that begins with a space begins a word; words follow one another and the last ends with the audio."""
    with built(tiny, decode=DecodeOptions(timestamps="word")) as backend:
        (transcript,) = backend.transcribe([SPOKEN[1]], "en")
    (segment,) = transcript.segments
    assert [word.text for word in segment.words] == transcript.text.split()
    assert len(segment.words) >= 2
    assert segment.words[-1].end_s == SPOKEN[1].duration_s == 2.0
    assert all(0 <= before.end_s == after.start_s for before, after in pairwise(segment.words))


def test_a_step_is_heard_when_it_is_played(tiny: Path) -> None:
    """A tone after a second of silence is a word that begins then, within 0.1 s."""
    late = Audio(samples=np.concatenate([np.zeros(SAMPLE_RATE_HZ, np.float32), tones(500).samples]))
    with built(tiny, decode=DecodeOptions(timestamps="word")) as backend:
        (transcript,) = backend.transcribe([late])
    assert transcript.segments[0].words[0].start_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "model_type"), [("nemo-ctc", "EncDecCTCModelBPE"), ("wenet-ctc", "wenet_ctc"), ("zipformer-ctc", "")]
)
def test_the_same_scores_are_the_same_words_of_each_kind(tmp_path: Path, kind: str, model_type: str) -> None:
    """CTC models of three makers, of the same weights, write the same of a low tone and a high one."""
    metadata = {"model_type": model_type, "vocab_size": "5", "subsampling_factor": "4", "normalize_type": ""}
    with built(write_ctc(tmp_path, metadata=metadata), kind) as backend:
        assert [each.text for each in backend.transcribe([tones(150), tones(1500)])] == ["ba", "ri"]


def test_a_transducer_is_searched_with_beams(tmp_path: Path) -> None:
    """A transducer writes by its three files; with beams it is searched otherwise, and times are kept."""
    write_transducer(tmp_path)
    with built(tmp_path, "transducer") as backend:
        greedy = [each.text for each in backend.transcribe([tones(300), tones(0)])]
    asked = DecodeOptions(beam_size=4, timestamps="word")
    with built(tmp_path, "transducer", decode=asked) as backend:
        (searched,) = backend.transcribe([tones(300)])
    assert greedy == ["na", ""]
    assert searched.text.startswith("na ba")
    assert [word.text for word in searched.segments[0].words] == searched.text.split()


def test_no_audio_is_no_transcript(tiny: Path) -> None:
    """A batch of nothing gives nothing."""
    with built(tiny) as backend:
        assert list(backend.transcribe([])) == []


def test_a_compute_type_is_a_file(tiny: Path) -> None:
    """In int8 the file that is named so is read; without one, weights in int8 are a bad checkpoint."""
    with pytest.raises(BadCheckpoint, match="no model in int8, only in float32"):
        built(tiny, compute_type="int8").load()
    write_ctc(tiny, "model.int8.onnx")
    (tiny / "model.onnx").write_bytes(b"not read")
    with built(tiny, compute_type="int8") as backend:
        assert backend.transcribe([SPOKEN[0]])[0].text


@pytest.mark.parametrize(
    ("kind", "damage", "reason"),
    [
        ("zipformer-ctc", lambda folder: (folder / "model.onnx").unlink(), "there is: none"),
        ("zipformer-ctc", lambda folder: (folder / "model.onnx").write_bytes(b""), "cannot load"),
        ("zipformer-ctc", lambda folder: (folder / "model.onnx").write_bytes(b"nonsense" * 1000), "cannot load"),
        ("zipformer-ctc", lambda folder: write_ctc(folder, "ctc-2.onnx"), "there is: ctc-2.onnx, model.onnx"),
        ("zipformer-ctc", lambda folder: (folder / "tokens.txt").unlink(), "tokens.txt, and holds 0"),
        ("zipformer-ctc", lambda folder: (folder / "tokens.txt").write_text(""), "a token and its number"),
        ("zipformer-ctc", lambda folder: (folder / "tokens.txt").write_text("<html>"), "a token and its number"),
        ("zipformer-ctc", lambda folder: (folder / "tokens.txt").write_text("a 0\nb 1\n"), "<blank>, <blk>, <eps>"),
        ("zipformer-ctc", lambda folder: (folder / "tokens.txt").write_bytes(b"\xff\xfe 0\n"), "is not text"),
        ("nemo-ctc", lambda folder: None, "lack vocab_size"),
        ("wenet-ctc", lambda folder: None, "lack vocab_size"),
        ("paraformer", lambda folder: None, "lack vocab_size"),
        ("sense-voice", lambda folder: None, "lack vocab_size"),
        ("whisper", lambda folder: None, "must hold one file encoder"),
        ("whisper", lambda folder: write_ctc(folder, "tiny-encoder.onnx"), "lack n_mels"),
        ("transducer", lambda folder: write_ctc(folder, "encoder-1.onnx"), "must hold one file decoder"),
        ("moonshine", lambda folder: None, "must hold one file preprocess"),
    ],
)
def test_a_folder_that_would_end_the_process_is_refused(
    tiny: Path, kind: str, damage: Callable[[Path], object], reason: str
) -> None:
    """What is missing, empty, something else or exported for another kind is a bad checkpoint, by its folder."""
    damage(tiny)
    with pytest.raises(BadCheckpoint, match=reason) as caught:
        built(tiny, kind).load()
    assert str(tiny) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "files", "part"),
    [
        ("moonshine", ("preprocess", "encode.int8", "uncached_decode.int8", "cached_decode.int8"), "cached_decoder"),
        ("transducer", ("encoder-9-avg-1.int8", "decoder-9-avg-1", "joiner-9-avg-1.int8"), "joiner"),
        ("whisper", ("tiny.en-encoder.int8", "tiny.en-decoder.int8"), "decoder"),
    ],
)
def test_parts_are_found_by_the_names_they_are_published_under(
    tmp_path: Path, kind: str, files: tuple[str, ...], part: str
) -> None:
    """In int8 each part has one file; where only some parts are in int8, the others are read in float32."""
    keys = {key: "1" for each in KINDS[kind].parts.values() for key in each.keys}
    for file in files:
        write_ctc(tmp_path, f"{file}.onnx", keys)
    found = _files(tmp_path, KINDS[kind], "int8")
    assert {path.name for path in found.values()} == {f"{file}.onnx" for file in files}
    assert found[part].name.removesuffix(".onnx") == files[-1]
    with pytest.raises(BadCheckpoint, match=r"there is: .*int8"):
        _files(tmp_path, KINDS[kind], "float32")


@pytest.mark.parametrize(
    ("device", "compute_type", "reason"),
    [
        ("cuda", "float32", "+cuda"),
        ("cuda:1", "float32", "cuda:1"),
        ("mps", "float32", "mps"),
        ("cpu:1", "float32", "cpu:1"),
        ("cpu", "bfloat16", "bfloat16"),
    ],
)
def test_what_cannot_run_is_refused(device: str, compute_type: str, reason: str) -> None:
    """A device or compute type that it lacks here is refused by name, and never computed on the cpu instead."""
    assert reason in (refusal("sherpa-onnx", device, compute_type) or "")
    assert refusal("sherpa-onnx", "cpu", "int8") is None


def test_a_kind_follows_what_it_can(tiny: Path) -> None:
    """Beams are for transducers, languages and tasks for Whisper, times for models whose tokens have them."""
    asked = DecodeOptions(beam_size=4, language="de", task="translate", timestamps="word", vad=True)
    lost = {kind: set(built(tiny, kind, decode=asked).not_honoured()) for kind in KINDS}
    assert lost["transducer"] == {"language", "task", "vad"}
    assert lost["whisper"] == {"beam_size", "timestamps", "vad"}
    assert lost["sense-voice"] == {"beam_size", "task", "vad"}
    assert lost["nemo-ctc"] == lost["zipformer-ctc"] == {"beam_size", "language", "task", "vad"}
    beams = replace(built(tiny, "transducer"), decode=asked)._asked()
    assert beams == {"decoding_method": "modified_beam_search", "max_active_paths": 4}
    assert built(tiny, "whisper", ("*",))._asked() == {"language": "", "task": "transcribe"}
    assert built(tiny, "whisper", ("en",))._asked() == {"language": "en", "task": "transcribe"}


def test_durations_end_words_before_the_next_begins(tiny: Path) -> None:
    """Where the model tells how long tokens are, a pause between words belongs to neither."""
    told = SimpleNamespace(
        text=" so be it", lang="<|en|>", tokens=[" so", " be", " it"], timestamps=[0.2, 1.0, 1.4],
        durations=[0.3, 0.8, 0.2],
    )  # fmt: skip
    asked = built(tiny, decode=DecodeOptions(timestamps="word"))
    transcript = asked._transcript(told, tones(300, 300, 300, 300), None)
    assert (transcript.text, transcript.language) == ("so be it", "en")
    times = [(word.start_s, word.end_s) for word in transcript.segments[0].words]
    assert times == [pytest.approx(each) for each in ((0.2, 0.5), (1.0, 1.4), (1.4, 1.6))]


ENTRY = """
schema = 1
[checkpoints.tiny]
architecture = "zipformer"
layout = "sherpa-onnx"
languages = ["en"]
license = "MIT"
upstream = "mine"
revision = "1"
options = { kind = "zipformer-ctc" }
files = { "model.onnx" = {}, "tokens.txt" = {} }
sources = [{ kind = "folder", path = "tiny" }]
"""


def test_a_folder_of_ones_own_is_run(tiny: Path, tmp_path: Path) -> None:
    """An entry of models.toml with a kind fits sherpa-onnx alone, and its weights write words."""
    (tmp_path / "models.toml").write_text(ENTRY)
    entry = Registry.read(tmp_path / "models.toml").get("tiny")
    assert misfit("sherpa-onnx", entry) is None
    assert "kind" in (misfit("faster-whisper", replace(entry, architecture="whisper")) or "")
    assert "kind" in (misfit("sherpa-onnx", replace(entry, options={})) or "")
    assert "kind must be one of" in (misfit("sherpa-onnx", replace(entry, options={"kind": "rnn"})) or "")
    weights = prepare(entry, "sherpa-onnx", tmp_path / "cache")
    with SherpaOnnx(weights=weights, kind=str(entry.options["kind"])) as backend:
        assert backend.transcribe([SPOKEN[0]])[0].text


def test_a_kind_that_there_is_not_is_refused(tiny: Path) -> None:
    """A kind that nobody knows is refused where it is given, with those there are."""
    with pytest.raises(BadDefinition, match="zipformer-ctc"):
        built(tiny, "rnn")
