"""Vosk on a Kaldi model of 39 weights that is written here: it keeps the contract, and refuses what is no model."""

import json
import struct
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import misfit, refusal
from modellab.backends.vosk import Vosk, _segment
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.contract import BackendContract
from modellab.errors import BadCheckpoint, BadTranscript
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Word

pytest.importorskip("vosk")

WORDS = ("low", "high")
PHONES = (1, 2, 3)  # silence, and one for each word
CEPSTRA = 13
ENTER_COST = 4.0  # of a phone, so that a tone is one word
FST_MAGIC = 2_125_659_606  # with which OpenFst's files begin


def numbers(values: Sequence[float]) -> str:
    """Give a vector as Kaldi writes it."""
    return f" [ {' '.join(map(str, values))} ]\n"


def transitions() -> str:
    """Give the topology: phones of one state, which is stayed in or left with the same probability."""
    triples = "".join(f"{phone} 0 {phone - 1} \n" for phone in PHONES)
    return (
        "<TransitionModel> \n<Topology> \n<TopologyEntry> \n"
        f"<ForPhones> \n{' '.join(map(str, PHONES))}\n</ForPhones> \n"
        "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State> \n<State> 1 </State> \n"
        "</TopologyEntry> \n</Topology> \n"
        f"<Triples> {len(PHONES)} \n{triples}</Triples> \n"
        f"<LogProbs> \n{numbers([0.0, *[log(0.5)] * 2 * len(PHONES)])}</LogProbs> \n</TransitionModel> \n"
    )


def network() -> str:
    """Give the scores: the energy tells silence from tones, the tilt of the spectrum low ones from high ones."""
    scores = np.zeros((len(PHONES), CEPSTRA))
    scores[:, 0] = (-0.1, 0.1, 0.1)
    scores[:, 1] = (0.0, 0.2, -0.2)
    rows = "\n".join("  " + " ".join(map(str, row)) for row in scores.tolist())
    return (
        f"<Nnet3> \ninput-node name=input dim={CEPSTRA}\ncomponent-node name=score component=score input=input\n"
        "output-node name=output input=score objective=linear\n\n"
        f"<NumComponents> 1 \n<ComponentName> score <FixedAffineComponent> <LinearParams>  [\n{rows} ]\n"
        f"<BiasParams> {numbers([0.0] * len(PHONES))}</FixedAffineComponent> \n</Nnet3> \n"
        "<LeftContext> 0 <RightContext> 0 <Priors>  [ ]\n"
    )


def graph() -> bytes:
    """Give the transducer: any phone after any, words beside theirs."""
    enter = [(2 * phone, phone - 1, ENTER_COST, phone) for phone in PHONES]
    stay = [[(2 * phone - 1, 0, 0.0, phone), (0, 0, 0.0, 0)] for phone in PHONES]
    states = [enter, *stay]

    def text(value: str) -> bytes:
        return struct.pack("<i", len(value)) + value.encode()

    header = struct.pack("<iiQqqq", 2, 0, 3, 0, len(states), sum(map(len, states)))
    arcs = [
        struct.pack("<fq", 0.0, len(each)) + b"".join(struct.pack("<iifi", *arc) for arc in each) for each in states
    ]
    return struct.pack("<i", FST_MAGIC) + text("vector") + text("standard") + header + b"".join(arcs)


def write_kaldi(folder: Path) -> Path:
    """Give a folder with a model that tells low tones from high ones."""
    files = {
        "am/final.mdl": transitions() + network(),
        "conf/mfcc.conf": f"--use-energy=false\n--num-mel-bins=23\n--num-ceps={CEPSTRA}\n--dither=0\n",
        "conf/model.conf": "--frame-subsampling-factor=3\n--acoustic-scale=1.0\n--endpoint.silence-phones=1\n"
        "--min-active=1\n--beam=16\n--lattice-beam=8\n",
        "graph/words.txt": "".join(f"{word} {number}\n" for number, word in enumerate(("<eps>", *WORDS))),
        "graph/phones/word_boundary.int": "1 nonword\n2 singleton\n3 singleton\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "graph/HCLG.fst").write_bytes(graph())
    return folder


def tones(*each_hz: float) -> Audio:
    """Give tones of half a second, one after another; 0 is silence."""
    times_s = np.arange(SAMPLE_RATE_HZ // 2) / SAMPLE_RATE_HZ
    samples = np.concatenate([0.3 * np.sin(2 * np.pi * hz * times_s) for hz in each_hz])
    return Audio(samples=samples.astype(np.float32))


LOW, HIGH = 150.0, 3000.0
SPOKEN = (tones(LOW, HIGH), tones(HIGH, 0, LOW, HIGH), tones(LOW, 0))


def built(folder: Path, languages: tuple[str, ...] = ("en",), decode: DecodeOptions | None = None) -> Vosk:
    """Give a backend on a folder."""
    weights = Weights(
        checkpoint="tiny", layout="vosk", revision="1", sha256="0" * 64, languages=languages, folder=folder
    )
    return Vosk(weights=weights, decode=decode or DecodeOptions())


class TestVosk(BackendContract):
    """The contract on Vosk with a tiny model, through its real loader."""

    name = "vosk"
    _folder: Path | None = None

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def written(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        """The tiny model, in a folder of this class."""
        cls._folder = write_kaldi(tmp_path_factory.mktemp("contract"))

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
    return write_kaldi(tmp_path / "tiny")


def test_what_is_played_is_written(tiny: Path) -> None:
    """Each tone is its word, in the order they are played, and the language is that of the model."""
    with built(tiny, ("de",)) as backend:
        written = backend.transcribe(SPOKEN)
    assert [each.text for each in written] == ["low high", "high low high", "low"]
    assert {each.language for each in written} == {"de"}


def test_words_are_timed_where_that_is_asked_for(tiny: Path) -> None:
    """Words begin and end with their tones, within 0.06 s, only where times of words are asked for."""
    with built(tiny, decode=DecodeOptions(timestamps="word")) as backend:
        (segment,) = backend.transcribe([SPOKEN[1]])[0].segments
    times = [(word.start_s, word.end_s) for word in segment.words]
    assert times == [pytest.approx(each, abs=0.06) for each in ((0.0, 0.5), (1.0, 1.5), (1.5, 2.0))]
    assert (segment.start_s, segment.end_s) == (times[0][0], times[-1][1])
    with built(tiny) as backend:
        (segment,) = backend.transcribe([SPOKEN[1]])[0].segments
    assert segment.words == ()


def test_a_pause_ends_a_segment(tiny: Path) -> None:
    """What is said before a pause of 2 s is a segment, and nothing of it is lost."""
    with built(tiny) as backend:
        (transcript,) = backend.transcribe([tones(LOW, 0, 0, 0, 0, HIGH)])
    assert [segment.text for segment in transcript.segments] == ["low", "high"]
    assert transcript.text == "low high"
    assert transcript.segments[1].start_s == pytest.approx(2.5, abs=0.06)


def test_nothing_is_printed(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Loading and hearing write nothing to standard output, where a worker speaks, nor to standard error."""
    with built(tiny) as backend:
        backend.transcribe(SPOKEN)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "am/final.mdl").unlink(), "holds no am/final.mdl"),
        (lambda folder: (folder / "am/final.mdl").write_bytes(b""), "cannot load"),
        (lambda folder: (folder / "am/final.mdl").write_bytes(b"nonsense" * 1000), "cannot load"),
        (lambda folder: (folder / "am/final.mdl").write_text(transitions()), "cannot load"),
        (lambda folder: (folder / "graph/HCLG.fst").unlink(), "cannot load"),
        (lambda folder: (folder / "graph/HCLG.fst").write_bytes(graph()[:80]), "cannot load"),
        (lambda folder: (folder / "graph/words.txt").unlink(), "cannot load"),
        (lambda folder: (folder / "conf/mfcc.conf").unlink(), "cannot load"),
        (lambda folder: (folder / "conf/model.conf").write_text("--nonsense=3\n"), "cannot load"),
    ],
)
def test_what_is_no_model_is_refused(tiny: Path, damage: Callable[[Path], object], reason: str) -> None:
    """A folder where something is missing, empty, cut short or something else is a bad checkpoint, by its path."""
    damage(tiny)
    with pytest.raises(BadCheckpoint, match=reason) as caught:
        built(tiny).load()
    assert str(tiny) in str(caught.value)


@pytest.mark.parametrize(
    ("device", "compute_type", "reason"),
    [
        ("cuda", "float32", "not on cuda"),
        ("cpu:1", "float32", "unknown device 'cpu:1'"),
        ("cpu", "int8", "in int8"),
        ("mps", "float32", "not on mps"),
    ],
)
def test_what_is_not_float32_on_the_cpu_is_refused(device: str, compute_type: str, reason: str) -> None:
    """Another device or compute type is refused in words that name it."""
    assert reason in (refusal("vosk", device, compute_type) or "")
    assert refusal("vosk", "cpu", "float32") is None


def test_an_answer_is_a_segment() -> None:
    """Words come with their times, none beyond the audio; an answer without words is nothing."""
    told = [
        {"conf": 1.0, "word": "the", "start": 0.12, "end": 0.3},
        {"conf": 0.7, "word": "cat", "start": 0.3, "end": 0.93},
    ]
    answer = json.dumps({"result": told, "text": "the cat"})
    segment = _segment(answer, 0.9, timed=True)
    assert segment is not None
    assert segment.words[1] == Word(text="cat", start_s=0.3, end_s=0.9)
    assert (segment.text, segment.start_s, segment.end_s) == ("the cat", 0.12, 0.9)
    assert _segment('{"text": ""}', 0.9, timed=True) is None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        "[]",
        '{"partial": "the"}',
        '{"text": 3}',
        '{"text": "the"}',
        '{"text": "the", "result": [{"word": "the"}]}',
        '{"text": "the", "result": [{"word": "the", "start": "0", "end": 1}]}',
        '{"text": "the", "result": [{"word": "the", "start": NaN, "end": 1}]}',
    ],
)
def test_what_is_no_answer_is_refused(answer: str) -> None:
    """An answer that is no JSON, or holds no words with times, is no transcript."""
    with pytest.raises(BadTranscript):
        _segment(answer, 1.0, timed=True)


ENTRY = """
schema = 1
[checkpoints.tiny]
architecture = "kaldi"
layout = "vosk"
languages = ["en"]
license = "MIT"
upstream = "mine"
revision = "1"
sources = [{ kind = "folder", path = "tiny" }]
[checkpoints.tiny.files]
"am/final.mdl" = {}
"conf/mfcc.conf" = {}
"conf/model.conf" = {}
"graph/HCLG.fst" = {}
"graph/words.txt" = {}
"graph/phones/word_boundary.int" = {}
"""


def test_a_folder_of_ones_own_is_run(tiny: Path, tmp_path: Path) -> None:
    """An entry of models.toml with files in folders fits Vosk alone, and its weights write words."""
    (tmp_path / "models.toml").write_text(ENTRY)
    entry = Registry.read(tmp_path / "models.toml").get("tiny")
    assert entry.weights_file == "am/final.mdl"
    assert misfit("vosk", entry) is None
    assert misfit("faster-whisper", entry)
    with Vosk(weights=prepare(entry, "vosk", tmp_path / "cache")) as backend:
        assert backend.transcribe([SPOKEN[0]])[0].text == "low high"
