"""A backend in a process of its own: real children, which answer, raise, crash, hang, babble and are killed."""

import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from modellab.backends.base import DecodeOptions
from modellab.backends.spec import parse_spec
from modellab.errors import BackendRaised, BadFrame, WorkerFailed, kind_of
from modellab.machine.clock import MONOTONIC
from modellab.measuring import child, frame, worker
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.model import Model
from modellab.measuring.worker import Worker
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment
from modellab.testing import FakeBackend

ROOT = Path(__file__).parents[3]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or relies on the kernel's care for orphans")
MakeWorker = Callable[..., Worker]

SAYS = """
import json, os, signal, struct, sys, time

def say(header, body=b""):
    head = json.dumps(header).encode()
    os.write(1, struct.pack("<4sIQ", b"MLAB", len(head), len(body)) + head + body)

HELLO = {"protocol": 1, "modellab": "0.0.9", "python": "3.12.1", "pid": os.getpid()}
LOADED = {"answer": "load", "import_s": 0.0, "load_s": 0.0, "versions": {}}
"""


def tone(duration_s: float = 0.1) -> Audio:
    """Give audio of this length."""
    return Audio(samples=np.full(round(duration_s * 16_000), 0.1, np.float32))


@pytest.fixture
def make() -> Iterator[MakeWorker]:
    """A maker of workers of the fake, by its fields in `backend`; they are killed in the end."""
    made: list[Worker] = []

    def worker_of(backend: dict[str, Any] | None = None, **options: Any) -> Worker:
        options = {"limit_s": 60.0, **options}
        made.append(Worker(blueprint=Blueprint.of("fake", FakeBackend(**backend or {})), **options))
        return made[-1]

    yield worker_of
    for each in made:
        each.kill()
        each.close()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A maker of executable shell scripts, to be started in place of an interpreter."""

    def put(script: str) -> Path:
        path = tmp_path / "interpreter"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return put


@pytest.fixture
def speaker(tmp_path: Path, program: Callable[[str], Path]) -> Callable[[str], Path]:
    """A maker of programs in Python that may `say` frames by hand."""

    def put(body: str) -> Path:
        (tmp_path / "speaker.py").write_text(SAYS + body)
        return program(f"exec '{sys.executable}' '{tmp_path / 'speaker.py'}'")

    return put


def vanishes(pid: int, within_s: float = 30.0) -> bool:
    """Say whether a process ends in time."""
    deadline = MONOTONIC() + within_s
    while MONOTONIC() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:  # its new parent may be slow to bury it
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def kernel_lists(pid: int) -> bool:
    """Say whether a process is in the process table, dead or alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# What a worker answers


def test_a_worker_transcribes_as_its_backend_does(make: MakeWorker) -> None:
    """Transcripts, their order, their segments and any text are those of the same backend in this process."""
    fields = {"replies": ("one", "  Größe 😀 ", "")}
    audios = [tone(0.3), tone(0.1), tone(0.2), tone(0.4)]
    expected = FakeBackend(**fields).transcribe(audios, "de")
    with make(fields) as made:
        assert list(made.transcribe(audios[:1], "de")) + list(made.transcribe(audios[1:], "de")) == expected


def test_the_language_crosses(make: MakeWorker) -> None:
    """The language of a batch reaches the backend, and the one in its options goes before it."""
    with make() as free, make({"decode": DecodeOptions(language="fr")}) as forced:
        assert [free.transcribe([tone()], language)[0].language for language in ("de", None)] == ["de", None]
        assert forced.transcribe([tone()], "de")[0].language == "fr"


def test_no_audio_is_no_transcript(make: MakeWorker) -> None:
    """A batch of nothing gives nothing."""
    with make() as made:
        assert made.listen([])[0] == ()


def test_a_worker_times_inside(make: MakeWorker) -> None:
    """The seconds of a batch are those of its backend, without the way there and back."""
    with make({"seconds_per_audio": 0.1}) as made:
        before = MONOTONIC()
        _, seconds = made.listen([tone(), tone(), tone()])
        assert 0.3 <= seconds <= MONOTONIC() - before


def test_a_load_is_timed_in_its_parts(make: MakeWorker) -> None:
    """Importing and loading are timed apart; neither is known before."""
    made = make()
    assert (made.import_s, made.load_s, made.versions, made.pid, made.alive) == (None, None, {}, None, False)
    before = MONOTONIC()
    with made:
        assert 0 <= made.import_s + made.load_s <= MONOTONIC() - before
        assert made.pid not in (None, os.getpid())
        assert made.alive


def test_a_worker_says_what_it_runs_on(make: MakeWorker) -> None:
    """The versions are those of the Python and the packages of the process."""
    with make() as made:
        assert made.versions["python"] == sys.version.split()[0]
        assert made.versions["numpy"] == np.__version__
        assert "modellab" in made.versions


def test_memory_is_that_of_the_process(make: MakeWorker) -> None:
    """What is resident is some MiB and no more than the peak; the peak keeps what was given back."""
    with make() as made:
        small = made.memory()
        made.transcribe([tone(600.0)] * 5)  # 184 MiB of samples
        large = made.memory()
    assert 5 << 20 < small.resident_bytes <= small.peak_bytes < 300 << 20
    assert large.peak_bytes - small.peak_bytes > 170 << 20
    assert large.resident_bytes < large.peak_bytes


def test_processor_time_is_that_of_the_process(make: MakeWorker) -> None:
    """A worker that has nothing to do uses next to no processor time, one that works uses some."""
    with make() as made:
        start_s = made.cpu_s()
        time.sleep(0.5)
        idle_s = made.cpu_s() - start_s
        for _ in range(50):
            made.transcribe([tone(10.0)])
        assert idle_s < 0.05
        assert made.cpu_s() - start_s - idle_s > 0.001


def test_a_worker_is_heard_like_a_model(make: MakeWorker, utterance: Callable[..., Any], place: Place) -> None:
    """The accuracy lane hears a corpus through a worker as through a backend."""
    model = Model(parse_spec("fake:none:cpu:float32"), ("*",), lambda: make({"replies": ("a",)}))
    records = list(hear(model, [utterance("a"), utterance("b", broken=True), utterance("c")], place, 2))
    model.close()
    assert sorted((r.utterance, r.failure and r.failure.stage) for r in records) == [
        ("a", None),
        ("b", "read"),
        ("c", None),
    ]


# Unloading, and loading again


def test_a_model_is_loaded_again_in_the_same_process(make: MakeWorker) -> None:
    """An unloaded worker is alive and cannot listen; reloaded, it listens as at first, in the process that it was."""
    with make({"replies": ("first", "second")}) as made:
        pid = made.pid
        assert made.transcribe([tone()])[0].text == "first"
        made.unload()
        made.unload()
        assert (made.alive, made.memory().resident_bytes > 0) == (True, True)
        with pytest.raises(BackendRaised, match="load comes first"):
            made.transcribe([tone()])
        made.reload()
        assert (made.transcribe([tone()])[0].text, made.pid) == ("first", pid)
        assert made.load_s >= 0
        made.reload()
        assert (made.transcribe([tone()])[0].text, made.pid) == ("first", pid)


def test_what_was_loaded_is_given_back(make: MakeWorker) -> None:
    """What a backend held is given back when it is unloaded, but for what it leaked."""
    kept = 64 << 20
    with make({"leaks_bytes": kept}) as made:
        before = made.memory().resident_bytes
        made.transcribe([tone()])
        made.unload()
        leaked = made.memory().resident_bytes - before
    assert kept * 0.9 < leaked < kept * 1.2


def test_a_reload_that_raises_leaves_the_process(make: MakeWorker) -> None:
    """A backend that cannot be loaded again is an error; the worker is alive, with nothing loaded, until it can be."""
    with make() as made:
        pid, good = made.pid, made.blueprint
        made.blueprint = Blueprint.of("fake", FakeBackend(mishap="raises", mishap_at=None))
        with pytest.raises(BackendRaised, match="told to raise") as caught:
            made.reload()
        assert (caught.value.stage, made.alive, made.pid, made.load_s) == ("load", True, pid, None)
        with pytest.raises(BackendRaised, match="load comes first"):
            made.transcribe([tone()])
        made.blueprint = good
        made.reload()
        assert made.transcribe([tone()])[0].text == "hello world"


def test_what_has_no_process_is_not_reloaded(make: MakeWorker) -> None:
    """Without a process there is nothing to unload or to load again: load() comes first."""
    made = make()
    for ask, stage in ((made.unload, "unload"), (made.reload, "load")):
        with pytest.raises(WorkerFailed, match=r"load\(\) comes first") as caught:
            ask()
        assert (caught.value.kind, caught.value.stage) == ("NotLoaded", stage)


def test_a_host_that_cannot_unload_says_so(make: MakeWorker, speaker: Any) -> None:
    """A host that does not know the question ends, or answers with an error: neither is taken for done."""
    refusal = "say({'answer': 'unload', 'kind': 'UnknownName', 'message': 'no question'}); time.sleep(60)"
    made = make(python=speaker(f"say(HELLO); say(LOADED); {refusal}"))
    made.load()
    with pytest.raises(BackendRaised, match="no question"):
        made.unload()
    made = make(python=speaker("say(HELLO); say(LOADED); raise KeyError('unload')"))
    made.load()
    with pytest.raises(WorkerFailed, match="KeyError: 'unload'") as caught:
        made.unload()
    assert (caught.value.kind, made.alive) == ("exit 1", False)


def test_a_batch_that_is_too_large_is_an_error(make: MakeWorker) -> None:
    """A batch for which there is no memory raises a MemoryError inside, and a smaller one is heard after it."""
    with make({"most_audios": 2}) as made:
        with pytest.raises(BackendRaised, match="2 audios at most, not 3") as caught:
            made.transcribe([tone()] * 3)
        assert caught.value.kind == "MemoryError"
        assert len(made.transcribe([tone()] * 2)) == 2


# The process it runs in


def test_threads_are_set_before_anything_is_imported(make: MakeWorker, program: Any, tmp_path: Path) -> None:
    """The process starts with the backend's number of threads, which sleep while they wait; `env` goes before that."""
    shim = program(f"env > '{tmp_path}/env'; exec '{sys.executable}' \"$@\"")

    def environment(**env: str | None) -> dict[str, str]:
        with make({"threads": 3}, python=shim, env=env):
            lines = (tmp_path / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    seen = environment()
    assert [seen[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")] == ["3", "PASSIVE", "0"]
    seen = environment(OMP_NUM_THREADS="5", HOUSE="mine", KMP_BLOCKTIME=None)
    assert (seen["OMP_NUM_THREADS"], seen["HOUSE"], "KMP_BLOCKTIME" in seen) == ("5", "mine", False)


def test_two_interpreters_live_at_once(make: MakeWorker, tmp_path: Path) -> None:
    """Workers of two environments answer by turns, each with the packages of its own."""
    venv.create(tmp_path / "other", with_pip=False)
    python = tmp_path / "other" / "bin" / "python"
    (site,) = (tmp_path / "other" / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    about = site / "house_brand-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: house-brand\nVersion: 2.0\n")
    with make({"replies": ("here",)}) as here, make({"replies": ("there",)}, python=python) as there:
        written = [arm.transcribe([tone()])[0].text for arm in (here, there, there, here)]
        assert written == ["here", "there", "there", "here"]
        assert (here.versions.get("house-brand"), there.versions.get("house-brand")) == (None, "2.0")
        assert psutil.Process(there.pid).cmdline()[0] == str(python)


def test_the_folder_it_runs_in_hides_no_package(make: MakeWorker, tmp_path: Path) -> None:
    """A worker runs in the folder it is given, and imports nothing from there."""
    (tmp_path / "modellab").mkdir()
    (tmp_path / "modellab" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    with make(cwd=tmp_path) as made:
        assert psutil.Process(made.pid).cwd() == str(tmp_path)


@LINUX
def test_a_worker_has_no_files_of_ours(make: MakeWorker) -> None:
    """What this process has open, be it made to be inherited, is not open in the worker."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        with make() as first, make() as second:
            ours = str(Path(f"/proc/self/fd/{read}").readlink())
            theirs = [{str(path.readlink()) for path in Path(f"/proc/{w.pid}/fd").iterdir()} for w in (first, second)]
    finally:
        os.close(read)
        os.close(write)
    assert all(ours not in files for files in theirs)
    shared = {name for name in theirs[0] & theirs[1] if name.startswith("pipe:")}
    assert shared == set(), "one worker holds the pipe of another"


def test_prints_do_not_disturb_the_answers(make: MakeWorker, tmp_path: Path) -> None:
    """What a runtime prints, in Python or not, while loading or listening, is in the log at once and nowhere else."""
    for at in (None, 0):
        log = tmp_path / f"{at}.log"
        with make({"mishap": "prints", "mishap_at": at}, log=log, env={"PYTHONUNBUFFERED": None}) as made:
            assert made.transcribe([tone()])[0].text == "hello world"
        assert log.read_text().splitlines() == ["printed by Python", "printed by a library"]


def test_a_log_is_added_to(make: MakeWorker, tmp_path: Path) -> None:
    """A log that was there stays, and only what this process wrote is in its error."""
    log = tmp_path / "log"
    log.write_text("an earlier one\n")
    made = make({"mishap": "aborts"}, log=log)
    made.load()
    with pytest.raises(WorkerFailed) as caught:
        made.transcribe([tone()])
    assert log.read_text().startswith("an earlier one\n")
    assert "Fatal Python error: Aborted" in log.read_text()
    assert "an earlier one" not in caught.value.log


# What goes wrong inside


def test_an_exception_crosses_and_the_worker_lives_on(make: MakeWorker) -> None:
    """What a backend raises is raised here by its class and words; the next batch is heard by the same process."""
    with make({"mishap": "raises"}) as made:
        pid = made.pid
        with pytest.raises(BackendRaised) as caught:
            made.transcribe([tone()])
        assert (str(caught.value), caught.value.kind, caught.value.stage) == (
            "told to raise", "RuntimeError", "transcribe",
        )  # fmt: skip
        assert kind_of(caught.value) == "RuntimeError"
        assert made.transcribe([tone()])[0].text == "hello world"
        assert made.pid == pid


def test_a_load_that_raises_leaves_no_process(make: MakeWorker) -> None:
    """A backend that cannot be loaded is raised by its class and words, and its process is ended."""
    before = set(psutil.Process().children())
    made = make({"mishap": "raises", "mishap_at": None})
    with pytest.raises(BackendRaised, match=r"^told to raise$") as caught:
        made.load()
    assert (caught.value.kind, caught.value.stage) == ("RuntimeError", "load")
    assert (made.alive, made.pid, made.load_s) == (False, None, None)
    assert set(psutil.Process().children()) <= before


def test_a_backend_that_is_not_installed_there_is_named() -> None:
    """A backend that the other environment lacks is an unknown name, with those it has."""
    with pytest.raises(BackendRaised, match=r"no backend 'fale'.*Did you mean 'fake'") as caught:
        Worker(blueprint=Blueprint.of("fale", FakeBackend())).load()
    assert (caught.value.kind, caught.value.stage) == ("UnknownName", "load")


@pytest.mark.parametrize(
    ("mishap", "kind", "words"),
    [("aborts", "SIGABRT", "Fatal Python error: Aborted"), ("exits", "exit 3", "ended by exit 3")],
)
@pytest.mark.parametrize("at", [None, 0], ids=["while loading", "while listening"])
def test_a_crash_is_an_error_with_its_last_words(
    make: MakeWorker, mishap: str, kind: str, words: str, at: int | None
) -> None:
    """A process that ends is an error with its signal or exit code, what was asked and the end of its log."""
    made = make({"mishap": mishap, "mishap_at": at})
    if at is not None:
        made.load()
    with pytest.raises(WorkerFailed, match=words) as caught:
        made.load() if at is None else made.transcribe([tone()])
    assert (caught.value.kind, caught.value.stage) == (kind, "load" if at is None else "transcribe")
    assert not made.alive
    if mishap == "aborts":
        assert any("in _happen" in line for line in caught.value.log), "the stack at the crash is not in the log"


def test_a_killed_worker_is_an_error(make: MakeWorker) -> None:
    """A process that was killed while nobody looked is dead, and an error at the next question; it can load again."""
    made = make()
    made.load()
    pid = made.pid
    os.kill(pid, signal.SIGKILL)
    assert vanishes(pid)
    assert not made.alive
    with pytest.raises(WorkerFailed, match=r"process \d+.*SIGKILL.*memory full") as caught:
        made.transcribe([tone()])
    assert (caught.value.kind, caught.value.stage) == ("SIGKILL", "transcribe")
    assert not kernel_lists(pid)
    with pytest.raises(WorkerFailed, match="load") as caught:
        made.transcribe([tone()])
    assert caught.value.kind == "NotLoaded"
    made.load()
    assert made.transcribe([tone()])[0].text == "hello world"


def test_a_hang_is_an_error(make: MakeWorker) -> None:
    """A process that does not answer in time is ended; the error says the limit and where it hung."""
    made = make({"mishap": "hangs", "mishap_at": 1})
    made.load()
    made.transcribe([tone()])
    pid, made.limit_s = made.pid, 1.0  # it hangs long before, however busy the machine
    before = MONOTONIC()
    with pytest.raises(WorkerFailed, match=r"no answer within 1 s when asked to transcribe") as caught:
        made.transcribe([tone()])
    assert MONOTONIC() - before < 30
    assert caught.value.kind == "TimeoutExpired"
    assert any("in _happen" in line for line in caught.value.log), "where it hung is not in the log"
    assert not kernel_lists(pid)


def test_a_load_may_take_longer_than_an_answer(make: MakeWorker, speaker: Any) -> None:
    """A short limit on answers ends no load; the load has its own, and the error says that one."""
    with make(limit_s=0.001, load_limit_s=60.0) as made:
        assert made.alive
    made = make(python=speaker("say(HELLO); time.sleep(60)"), load_limit_s=1.0)
    with pytest.raises(WorkerFailed, match=r"no answer within 1 s when asked to (load|start)"):
        made.load()
    assert not made.alive


def test_a_worker_that_does_not_read_is_an_error(make: MakeWorker, speaker: Any) -> None:
    """A process that does not take a large batch in time is ended."""
    made = make(python=speaker("say(HELLO); say(LOADED); time.sleep(60)"))
    made.load()
    made.limit_s = 0.5
    with pytest.raises(WorkerFailed, match="no answer within"):
        made.transcribe([tone(300.0)])
    assert not made.alive


def test_too_much_audio_is_refused_and_harmless(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch beyond the bounds of a frame is refused before any of it is sent."""
    with make() as made:
        monkeypatch.setattr(frame, "BODY_LIMIT_BYTES", 100_000)
        with pytest.raises(BadFrame, match="Send less at once"):
            made.transcribe([tone(10.0)])
        assert made.transcribe([tone(1.0)])[0].text == "hello world"


def test_an_interruption_leaves_no_process(make: MakeWorker) -> None:
    """Ctrl-C while a worker listens is raised as it is; the process, which would be out of step, is ended."""
    made = make({"mishap": "hangs"})
    made.load()
    pid = made.pid

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def listen() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        made.transcribe([tone()])

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            listen()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not made.alive
    assert not kernel_lists(pid)


# What is asked for once


def test_an_order_may_ask_for_more(make: MakeWorker) -> None:
    """Decode options hold for the batch that names them, and for no other."""
    made = make({"replies": ("one two",)})
    made.load()
    asked, _ = made.listen([tone()], decode=DecodeOptions(timestamps="word", language="de"))
    plain, _ = made.listen([tone()])
    assert [word.text for word in asked[0].segments[0].words] == ["one", "two"]
    assert (asked[0].language, plain[0].language, plain[0].segments[0].words) == ("de", None, ())


def test_who_asks_aloud_is_told(make: MakeWorker) -> None:
    """Each segment is told, and the transcript is as ever; one without segments is told whole."""
    made = make({"replies": ("one", "")})
    made.load()
    told: list[Segment] = []
    transcript = made.narrate(tone(), None, told.append)
    assert tuple(told) == transcript.segments
    assert made.narrate(tone(), None, told.append).text == ""
    assert [segment.text for segment in told] == ["one", ""]


def test_an_older_host_is_not_asked_for_more(make: MakeWorker, speaker: Any) -> None:
    """A host of the first protocol hears as ever; what it would pass over is refused, and it lives on."""
    old = {"text": "old", "language": None, "segments": []}
    answer = {"answer": "transcribe", "transcripts": [old], "seconds": 1.0}
    made = make(python=speaker(f"say(HELLO); say(LOADED); say({answer}); time.sleep(60)"))
    made.load()
    with pytest.raises(WorkerFailed, match="speaks protocol 1") as caught:
        made.listen([tone()], decode=DecodeOptions(language="de"))
    assert caught.value.kind == "WrongProtocol"
    assert made.transcribe([tone()])[0].text == "old"


# What does not speak the protocol


def test_another_version_is_refused(make: MakeWorker, speaker: Any) -> None:
    """A host of another protocol is refused with both versions and what to type, and ended."""
    python = speaker("say(HELLO | {'protocol': 99, 'news': 1}); time.sleep(60)")
    made = make(python=python)
    with pytest.raises(WorkerFailed, match=r"modellab 0\.0\.9, which speaks protocol 99.*protocol 2\.") as caught:
        made.load()
    assert f"{python} -m pip install modellab==" in str(caught.value)
    assert (caught.value.kind, caught.value.stage, made.alive) == ("WrongProtocol", "start", False)


@pytest.mark.parametrize(
    ("body", "stage", "words"),
    [
        ("print('Welcome to this interpreter'); sys.stdout.flush(); time.sleep(60)", "start", "Welcome to this"),
        ("os.write(1, b'MLAB' + b'\\xff' * 12); time.sleep(60)", "start", "at most"),
        ("os.write(1, struct.pack('<4sIQ', b'MLAB', 3, 0) + b'not'); time.sleep(60)", "start", "not JSON"),
        ("say(['hello']); time.sleep(60)", "start", "not a JSON object"),
        ("say({'protocol': 1}); time.sleep(60)", "start", "a hello without 'modellab'"),
        ("say(HELLO); os.write(1, b'Loading weights: 10 %\\n'); time.sleep(60)", "load", "Loading weights"),
        ("say(HELLO); say({'answer': 'memory'}); time.sleep(60)", "load", "asked for load"),
    ],
    ids=["words", "lengths", "no json", "no object", "half a hello", "words later", "another answer"],
)
def test_nonsense_is_an_error(make: MakeWorker, speaker: Any, body: str, stage: str, words: str) -> None:
    """Whatever is no frame, no hello or no answer is an error that shows it; the process is ended."""
    made = make(python=speaker(body))
    with pytest.raises(WorkerFailed, match=words) as caught:
        made.load()
    assert (caught.value.kind, caught.value.stage, made.alive) == ("BadFrame", stage, False)


def test_half_a_frame_is_an_end(make: MakeWorker, speaker: Any) -> None:
    """A process that ends within a frame is an error with its exit code."""
    made = make(python=speaker("say(HELLO); os.write(1, b'MLAB\\x10'); print('lost', file=sys.stderr); sys.exit(4)"))
    with pytest.raises(WorkerFailed, match="lost") as caught:
        made.load()
    assert (caught.value.kind, caught.value.stage) == ("exit 4", "load")


def test_an_interpreter_that_is_not_there(make: MakeWorker, tmp_path: Path) -> None:
    """An interpreter, or a folder to run in, that does not exist is an error by its path."""
    for options in ({"python": tmp_path / "python9"}, {"cwd": tmp_path / "nowhere"}):
        with pytest.raises(WorkerFailed, match=r"python9|nowhere") as caught:
            make(**options).load()
        assert (caught.value.kind, caught.value.stage) == ("FileNotFoundError", "start")


def test_a_program_that_may_not_run(make: MakeWorker, tmp_path: Path) -> None:
    """A file that is no program is an error by its path."""
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(WorkerFailed, match=r"notes\.txt") as caught:
        make(python=tmp_path / "notes.txt").load()
    assert caught.value.kind == "PermissionError"


def test_an_interpreter_without_model_lab(make: MakeWorker, tmp_path: Path) -> None:
    """An environment that lacks Model Lab is an error that says so, and how to install it there."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(WorkerFailed, match="No module named 'modellab'") as caught:
        make(python=python, env={"PYTHONPATH": None}).load()
    assert f"{python} -m pip install modellab==" in str(caught.value)
    assert (caught.value.kind, caught.value.stage) == ("exit 1", "start")


# How it ends


def test_closing_is_polite_quick_and_harmless_again(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed worker ends by itself, is gone from the process table, may be closed again and loaded again."""
    monkeypatch.setattr(worker, "PATIENCE_S", 60.0)  # a busy machine may be slow, and politeness is not
    made = make()
    made.close()
    for _ in range(2):
        made.load()
        pid, process = made.pid, made._child.process
        before = MONOTONIC()
        made.close()
        assert MONOTONIC() - before < 30
        assert process.returncode == 0
        assert not kernel_lists(pid)
        made.close()
        assert (made.alive, made.pid) == (False, None)


def test_loading_again_starts_afresh(make: MakeWorker) -> None:
    """A worker that is loaded twice has one process, the new one."""
    made = make()
    made.load()
    first = made.pid
    made.load()
    assert made.pid != first
    assert not kernel_lists(first)


def test_who_will_not_close_is_killed(make: MakeWorker, speaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is deaf to being asked and told to end is killed in the end."""
    monkeypatch.setattr(worker, "PATIENCE_S", 0.3)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); say(HELLO); say(LOADED); time.sleep(60)"
    made = make(python=speaker(deaf))
    made.load()
    process = made._child.process
    before = MONOTONIC()
    made.close()
    assert 0.6 <= MONOTONIC() - before < 30
    assert process.returncode == -signal.SIGKILL


def test_who_is_asked_in_vain_is_told(make: MakeWorker, speaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not end when it is asked is terminated, before it would be killed."""
    ends_within, patience_s = child.Child._ends_within, iter((0.3, 30.0))
    monkeypatch.setattr(child.Child, "_ends_within", lambda it, _: ends_within(it, next(patience_s)))
    made = make(python=speaker("say(HELLO); say(LOADED); time.sleep(60)"))
    made.load()
    process = made._child.process
    made.close()
    assert process.returncode == -signal.SIGTERM
    assert list(patience_s) == []


def test_what_a_worker_started_ends_with_it(make: MakeWorker, program: Any, tmp_path: Path) -> None:
    """A process that the worker left running is ended with it."""
    left = tmp_path / "left"
    made = make(python=program(f"sleep 1000 <&- >&- & echo $! > '{left}'; exec '{sys.executable}' \"$@\""))
    made.load()
    pid = int(left.read_text())
    assert psutil.pid_exists(pid)
    made.close()
    assert vanishes(pid)


def test_a_kill_from_another_thread_ends_the_wait(make: MakeWorker) -> None:
    """Who waits for a worker that is killed from elsewhere gets an error at once."""
    made = make({"mishap": "hangs"})
    made.load()
    threading.Timer(0.3, made.kill).start()
    before = MONOTONIC()
    with pytest.raises(WorkerFailed) as caught:
        made.transcribe([tone()])
    assert caught.value.kind == "SIGKILL"
    assert MONOTONIC() - before < 30


def test_a_close_from_another_thread_ends_the_wait(make: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a worker that another thread waits for ends both, when patience is over."""
    monkeypatch.setattr(worker, "PATIENCE_S", 0.3)
    made = make({"mishap": "hangs"})
    made.load()

    def close_once_it_is_waited_for() -> None:
        deadline = MONOTONIC() + 30
        while not made._turn.locked() and MONOTONIC() < deadline:
            time.sleep(0.01)
        made.close()

    closing = threading.Thread(target=close_once_it_is_waited_for)
    closing.start()
    with pytest.raises(WorkerFailed) as caught:
        made.transcribe([tone()])
    closing.join(30)
    assert not closing.is_alive()
    assert (caught.value.kind, made.alive) == ("SIGKILL", False)


def test_questions_of_many_threads_take_turns(make: MakeWorker) -> None:
    """Threads that ask one worker at once get each its own answer."""
    with make({"replies": ("x",)}) as made:
        durations = [0.1 + index / 100 for index in range(8)]
        heard: dict[float, float] = {}

        def listen(duration_s: float) -> None:
            for _ in range(10):
                heard[duration_s] = made.transcribe([tone(duration_s)])[0].segments[0].end_s

        threads = [threading.Thread(target=listen, args=(duration_s,)) for duration_s in durations]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heard == pytest.approx({duration_s: duration_s for duration_s in durations})


def test_a_worker_outlives_the_thread_that_loaded_it(make: MakeWorker) -> None:
    """A worker that was loaded by a thread that is over goes on: it is the process that it dies with."""
    made = make()
    thread = threading.Thread(target=made.load)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert made.alive
    assert made.transcribe([tone()])[0].text == "hello world"


def test_an_end_of_input_ends_the_worker(make: MakeWorker) -> None:
    """A worker whose input is closed ends by itself, and well."""
    made = make()
    made.load()
    process = made._child.process
    process.stdin.close()
    assert process.wait(30) == 0


PARENT = """
import sys, time
import numpy as np
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment
from modellab.testing import FakeBackend

worker = Worker(blueprint=Blueprint.of("fake", FakeBackend(mishap="hangs")))
worker.load()
print(worker.pid, flush=True)
{then}
"""
BUSY = "worker.transcribe([Audio(samples=np.zeros(16, np.float32))])"


@LINUX
@pytest.mark.parametrize("then", ["time.sleep(600)", BUSY], ids=["idle", "busy"])
def test_the_death_of_the_parent_leaves_no_worker(then: str) -> None:
    """A process whose parent is killed without a word ends, be it waiting or in the middle of its work."""
    command = [sys.executable, "-c", PARENT.format(then=then)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert psutil.pid_exists(pid)
        parent.kill()
        parent.wait()
        assert vanishes(pid)


def test_a_parent_that_ends_in_order_leaves_no_worker() -> None:
    """A program that forgets to close its worker ends, and the worker with it."""
    done = subprocess.run(
        [sys.executable, "-c", PARENT.format(then="")], capture_output=True, text=True, timeout=60, check=True
    )
    assert vanishes(int(done.stdout))


def test_workers_can_be_started_after_a_fork() -> None:
    """A process that was forked from one with workers starts its own."""
    script = PARENT.format(
        then="import os\nif os.fork() == 0:\n    again = Worker(blueprint=Blueprint.of('fake', FakeBackend()))\n"
        "    again.load()\n    print(again.transcribe([Audio(samples=np.zeros(16, np.float32))])[0].text, flush=True)\n"
        "    again.close()\n    os._exit(0)\nos.wait()\nworker.close()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split(maxsplit=1)[1] == "hello world\n"


def test_only_the_end_of_a_log_is_kept(
    make: MakeWorker, speaker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a long lament, whatever its bytes, the last lines are kept."""
    monkeypatch.setattr(child, "TAIL_LINES", 5)
    lament = "[print('line', n, file=sys.stderr) for n in range(5000)]; sys.stderr.flush(); os.write(2, b'\\xff\\n')"
    made = make(python=speaker(f"say(HELLO); {lament}; os._exit(1)"))
    with pytest.raises(WorkerFailed) as caught:
        made.load()
    assert caught.value.log == (*(f"line {n}" for n in range(4996, 5000)), "\ufffd")
