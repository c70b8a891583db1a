"""Cold start: a real child process, from its start to its first transcript."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import pytest

from modellab.backends.base import DecodeOptions
from modellab.checkpoints.weights import Weights
from modellab.machine.page_cache import cached_share, evict, files_below
from modellab.measuring import cold_start
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.cold_start import start_cold
from modellab.records.record import ColdStart
from modellab.speech.utterance import Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]
HOUSE = """
import os, signal, sys, time
from dataclasses import asdict, dataclass
from typing import ClassVar
from modellab.testing import FakeBackend

@dataclass(kw_only=True)
class House(FakeBackend):
    modules: ClassVar[tuple[str, ...]] = ("house_runtime",)

    def load(self):
        {load}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """An installer of a backend `house` for this process's children: what its load does, what its runtime is."""

    def put(load: str, runtime: str = "") -> None:
        site = tmp_path / "site"
        about = site / "house_brand-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: house-brand\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[modellab.backends]\nhouse = house_brand:House\n")
        (site / "house_brand.py").write_text(HOUSE.format(load=load))
        (site / "house_runtime.py").write_text(runtime)
        monkeypatch.setenv("PYTHONPATH", str(site))

    return put


def house(utterance: Utterance) -> ColdStart:
    """Give the cold start of the installed backend."""
    return start_cold("house", FakeBackend(), utterance, model="m", session=3)


def test_a_cold_start_is_timed_in_its_parts(utterance: MakeUtterance) -> None:
    """A fresh process says what its parts took and the most it held; all of it is no less than the parts."""
    before = perf_counter()
    fact = start_cold("fake", FakeBackend(), utterance(), model="m", session=3)
    around_s = perf_counter() - before
    assert (fact.model, fact.session, fact.failure) == ("m", 3, None)
    parts = (fact.process_s, fact.import_s, fact.load_s, fact.first_call_s)
    assert all(part >= 0 for part in parts)
    assert sum(parts) <= fact.total_s <= around_s
    assert 5 << 20 < fact.peak_memory_bytes < 1 << 30


def test_each_part_is_timed_apart(utterance: MakeUtterance, installed: Callable[..., None]) -> None:
    """A slow import of the runtime is in the seconds of import, a slow load in those of load."""
    installed("time.sleep(0.6)", "import time; time.sleep(0.2)")
    fact = house(utterance())
    assert fact.import_s >= 0.2
    assert fact.load_s >= 0.6
    parts = (fact.process_s, fact.import_s, fact.load_s, fact.first_call_s)
    assert sum(parts) <= fact.total_s  # so neither is in the other, however slow the machine


def test_a_slow_interpreter_is_in_the_process(
    utterance: MakeUtterance, installed: Callable[..., None], tmp_path: Path
) -> None:
    """What passes before the process comes to its first own line is the process's, and in the total."""
    installed("pass")
    (tmp_path / "site" / "sitecustomize.py").write_text("import time\ntime.sleep(0.5)\n")
    fact = house(utterance())
    assert 0.5 <= fact.process_s <= fact.total_s


LISTENS = """self.seconds = iter({seconds!r})

    def transcribe(self, audios, language=None):
        time.sleep(next(self.seconds))
        return super().transcribe(audios, language)
"""


def test_steady_calls_come_after_the_first(utterance: MakeUtterance, installed: Callable[..., None]) -> None:
    """The same is heard again at least twice; that is not in the total, nor in the first call."""
    installed(LISTENS.format(seconds=(0.4, 0.1, 0.2, 0.2, 0.2, 0.2)))
    before = perf_counter()
    fact = house(utterance())
    around_s = perf_counter() - before
    assert fact.failure is None
    assert fact.steady_call_s >= 0.1
    assert 0.4 <= fact.first_call_s <= fact.total_s <= around_s - 0.3


@pytest.mark.parametrize(
    ("seconds", "steady_s", "calls"),
    [((0.3, 0.1, 0.105, 9.0), 0.1, 3), ((0.1, 0.3, 0.1, 0.3, 0.05, 9.0), 0.05, 5), ((0.0, 0.0, 9.0), 0.0, 2)],
    ids=["settles", "never settles", "takes no time"],
)
def test_a_call_is_steady_when_it_takes_as_long_as_the_last(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], steady_s: float, calls: int
) -> None:
    """Two calls that take equally long are steady; after five no further one is made: the shorter of two stands."""
    left = list(seconds)
    monkeypatch.setattr(cold_start, "listen", lambda *_: ((), left.pop(0)))
    assert cold_start._steady_s(FakeBackend(), (), None) == steady_s
    assert len(seconds) - len(left) == calls


def test_a_slow_model_is_heard_once_more(utterance: MakeUtterance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a call takes longer than there is time for all, one is made, and no more."""
    monkeypatch.setattr(cold_start, "STEADY_S", 0.0)
    backend = FakeBackend()
    assert cold_start._steady_s(backend, [utterance().hear()], None) >= 0
    assert backend.batches == [1]


def test_a_very_slow_model_is_not_heard_again(utterance: MakeUtterance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where already the first call takes too long, there is no steady one: that is None."""
    request = {
        "blueprint": asdict(Blueprint.of("fake", FakeBackend(seconds_per_audio=0.05))),
        "audio": str(utterance().audio),
        "start_s": 0.0,
        "end_s": None,
        "language": "en",
    }
    assert cold_start._answer(request)["steady_call_s"] >= 0.05
    monkeypatch.setattr(cold_start, "STEADY_S", 0.01)
    assert cold_start._answer(request)["steady_call_s"] is None


# The page cache


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Weights of 4 MB that were just written."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("model.bin", "vocabulary.txt"):
        with (folder / name).open("wb") as file:
            file.write(os.urandom(2 << 20))
            file.flush()
            os.fsync(file.fileno())
    return Weights(checkpoint="c", layout="none", revision="r", sha256="f00d", languages=("en",), folder=folder)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_weights_lie_in_the_page_cache_or_not(utterance: MakeUtterance, weights: Weights) -> None:
    """A cold start says what share of the weights lay in the page cache before: all, and none once it was dropped."""
    evict(files_below(weights.folder))
    if cached_share(files_below(weights.folder)) != 0:
        pytest.skip("this file system keeps its pages")
    backend = FakeBackend(weights=weights)
    (weights.folder / "model.bin").read_bytes()
    half = start_cold("fake", backend, utterance(), model="m", session=1)
    cold = start_cold("fake", backend, utterance(), model="m", session=1, cold_cache=True)
    assert (half.failure, half.cached_share, cold.failure, cold.cached_share) == (None, 0.5, None, 0)


def test_a_cache_that_cannot_be_dropped_says_so(
    utterance: MakeUtterance, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel keeps the pages, the share says that the start was not as cold as was asked."""
    monkeypatch.setattr(cold_start, "evict", lambda files: None)
    fact = start_cold("fake", FakeBackend(weights=weights), utterance(), model="m", session=1, cold_cache=True)
    assert fact.cached_share in ({1.0} if sys.platform == "linux" else {None})


def test_no_weights_have_no_share(utterance: MakeUtterance, tmp_path: Path) -> None:
    """Without weights, or without their files, there is no share, and a cold cache may be asked for all the same."""
    gone = Weights(checkpoint="c", layout="none", revision="r", sha256="f", languages=("en",), folder=tmp_path / "gone")
    for backend in (FakeBackend(), FakeBackend(weights=gone)):
        fact = start_cold("fake", backend, utterance(), model="m", session=1, cold_cache=True)
        assert (fact.failure, fact.cached_share) == (None, None)


# What goes wrong


def test_the_peak_is_the_childs(utterance: MakeUtterance, installed: Callable[..., None]) -> None:
    """The most that was held is what the child held while it loaded."""
    installed("block = bytearray(b'x') * (200 << 20)")
    assert house(utterance()).peak_memory_bytes >= 200 << 20


def test_the_child_has_the_fields_of_the_backend(
    utterance: MakeUtterance, installed: Callable[..., None], tmp_path: Path
) -> None:
    """The backend in the child has the weights, the decode options and the other fields of the one given."""
    seen = tmp_path / "seen.txt"
    installed(f"open({str(seen)!r}, 'w').write(repr((self.weights, self.decode, self.device, self.threads)))")
    weights = Weights(
        checkpoint="c", layout="none", revision="r", sha256="f00d", languages=("en", "de"), folder=tmp_path / "w"
    )
    decode = DecodeOptions(temperatures=(0.0, 0.4), prompt="Größe", beam_size=3)
    backend = FakeBackend(weights=weights, decode=decode, threads=7)
    fact = start_cold("house", backend, utterance(), model="m", session=1)
    assert fact.failure is None
    assert seen.read_text() == repr((weights, decode, "cpu", 7))


@pytest.mark.parametrize(
    ("load", "kind", "message"),
    [
        ("raise MemoryError('no memory left')", "exit 1", "MemoryError: no memory left"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "exit -9", "no output"),
        ("print('the driver is gone', file=sys.stderr); sys.stderr.flush(); os._exit(7)", "exit 7", "driver is gone"),
        ("os._exit(0)", "exit 0", "no output"),
        ("print('not an answer', flush=True); os._exit(0)", "exit 0", "no output"),
        ("sys.stderr.buffer.write(b'\\xff\\xfe bytes'); sys.stderr.flush(); os._exit(3)", "exit 3", "bytes"),
    ],
    ids=["raises", "is killed", "dies with words", "ends early", "ends early with words", "writes bytes"],
)
def test_a_child_that_does_not_answer_is_a_failure(
    utterance: MakeUtterance, installed: Callable[..., None], load: str, kind: str, message: str
) -> None:
    """A child that raises, dies or ends without an answer is a failure with its exit and its last words."""
    installed(load)
    fact = house(utterance())
    assert (fact.failure.stage, fact.failure.kind) == ("load", kind)
    assert message in fact.failure.message
    assert (fact.model, fact.session, fact.total_s, fact.peak_memory_bytes) == ("m", 3, None, None)


def test_only_the_last_words_are_kept(utterance: MakeUtterance, installed: Callable[..., None]) -> None:
    """Of a long lament, the last five lines are kept."""
    installed("[print('line', n, file=sys.stderr) for n in range(100)]; sys.stderr.flush(); os._exit(1)")
    assert house(utterance()).failure.message.splitlines() == [f"line {n}" for n in range(95, 100)]


def test_a_child_that_hangs_is_a_failure(
    utterance: MakeUtterance, installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child without a transcript within the limit is ended and is a failure that names the limit."""
    monkeypatch.setattr(cold_start, "LIMIT_S", 1.0)
    installed("time.sleep(60)")
    before = perf_counter()
    fact = house(utterance())
    assert perf_counter() - before < 30
    assert (fact.failure.kind, fact.failure.message) == ("TimeoutExpired", "no transcript within 1 s")


def test_audio_that_cannot_be_read_is_a_failure(utterance: MakeUtterance) -> None:
    """A cold start on audio that cannot be read is a failure that names the file."""
    bad = utterance(broken=True)
    fact = start_cold("fake", FakeBackend(), bad, model="m", session=1)
    assert str(bad.audio) in fact.failure.message


def test_the_child_hears_the_stretch_alone(utterance: MakeUtterance) -> None:
    """A cold start reads the stretch that the utterance is, and fails where there is none."""
    within, beyond = utterance(start_s=0.5, end_s=0.75), utterance(start_s=5.0, end_s=6.0)
    assert start_cold("fake", FakeBackend(), within, model="m", session=1).failure is None
    assert "between 5 s and 6 s" in start_cold("fake", FakeBackend(), beyond, model="m", session=1).failure.message


def test_what_is_printed_on_the_way_is_no_answer(utterance: MakeUtterance, installed: Callable[..., None]) -> None:
    """A runtime that prints while it loads does not disturb the answer."""
    installed("print('loading...'); print('{}')", "print('hello')")
    assert house(utterance()).failure is None


def test_the_interpreter_is_this_one(utterance: MakeUtterance, installed: Callable[..., None], tmp_path: Path) -> None:
    """The child runs in the interpreter of this process."""
    seen = tmp_path / "seen.txt"
    installed(f"open({str(seen)!r}, 'w').write(sys.executable)")
    house(utterance())
    assert seen.read_text() == sys.executable
