"""Two arms side by side, in real processes of a fake: what is drawn, what is timed, and what is told when all fails."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from modellab.errors import MeasurementRefused
from modellab.machine.canary import Glance
from modellab.measuring import bout as bouts
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.contender import Contender
from modellab.measuring.corner import Corner
from modellab.measuring.duel import Duel
from modellab.measuring.inject import WRONG, Injection
from modellab.records.duel import Answer
from modellab.records.duels import Duels
from modellab.speech.utterance import Corpus, Utterance
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's care for orphans, and pinning")

SAYS = """
import json, os, struct, sys, time

def say(header, body=b""):
    head = json.dumps(header).encode()
    os.write(1, struct.pack("<4sIQ", b"MLAB", len(head), len(body)) + head + body)

def until_closed():
    while (asked := os.read(0, 1 << 16)) and b'"close"' not in asked:
        pass

HELLO = {"protocol": 1, "modellab": "0.0.9", "python": "3.12.1", "pid": os.getpid()}
LOADED = {"answer": "load", "import_s": 0.0, "load_s": 0.0, "versions": {}}
"""


def arm(name: str = "arm", injection: Injection | None = None, python: Path | None = None, **fields: Any) -> Contender:
    """Give an arm of the fake by its fields."""
    blueprint = Blueprint.of("fake", FakeBackend(**fields))
    return Contender(
        name=name, blueprint=blueprint, python=python or Path(sys.executable), injection=injection or Injection()
    )


@pytest.fixture
def corpus(utterance: MakeUtterance) -> Corpus:
    """Twelve utterances of two speakers, of 0.1 to 0.65 s."""
    made = tuple(utterance(f"u{n}", 0.1 + n / 20, speaker=f"s{n % 2}") for n in range(12))
    return Corpus(name="tones", utterances=made, revision="feed")


@pytest.fixture
def duel(corpus: Corpus) -> Iterator[Callable[..., Duel]]:
    """A maker of duels of which nothing may be left; the machine is looked at without work."""
    before = set(psutil.Process().children(recursive=True))

    def make(base: Contender | None = None, candidate: Contender | None = None, **options: Any) -> Duel:
        known = {"corpus": corpus, "rounds": 3, "limit_s": 60.0, "look": Glance}
        return Duel(base=base or arm("base"), candidate=candidate or arm("candidate"), **{**known, **options})

    yield make
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.fixture
def unstarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms that answer in a second by the book, without a process."""
    for step in ("start", "begin", "finish"):
        monkeypatch.setattr(Corner, step, lambda *_: None)
    monkeypatch.setattr(Corner, "answer", lambda *_: Answer(seconds=1.0, text=""))


@pytest.fixture
def speaker(tmp_path: Path) -> Callable[[str], Path]:
    """A maker of programs, in place of an interpreter, that may `say` frames by hand."""

    def put(body: str) -> Path:
        (tmp_path / "speaker.py").write_text(SAYS + body)
        path = tmp_path / "interpreter"
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path / 'speaker.py'}'\n")
        path.chmod(0o755)
        return path

    return put


# What is drawn


def test_shares_depend_on_seed_and_number(duel: Callable[..., Duel]) -> None:
    """The same block of the same seed takes the same utterances in the same order; others take others."""
    first = [duel(seed=1).utterances(number) for number in range(6)]
    assert first == [duel(seed=1).utterances(number) for number in range(6)]
    assert first != [duel(seed=2).utterances(number) for number in range(6)]
    assert len({frozenset(u.id for u in share) for share in first}) > 3
    assert all(len(share) == len(set(share_ids(share))) == 3 for share in first)


def share_ids(share: tuple[Utterance, ...]) -> list[str]:
    """Give the ids of a share."""
    return [utterance.id for utterance in share]


def test_a_small_corpus_is_heard_again(duel: Callable[..., Duel], corpus: Corpus) -> None:
    """A block takes all of a small corpus, and then again, in another order, until its rounds are full."""
    size, everything = len(corpus), sorted(share_ids(corpus.utterances))
    for number in range(4):
        heard = share_ids(duel(rounds=2 * size + 1).utterances(number))
        first, second, rest = heard[:size], heard[size : 2 * size], heard[2 * size :]
        assert sorted(first) == sorted(second) == everything
        assert first != second
        assert len(rest) == 1


@pytest.mark.usefixtures("unstarted")
def test_orders_are_drawn_and_drawn_again(duel: Callable[..., Duel]) -> None:
    """Which arm is started and heard first is a coin's matter, the same for the same seed and number."""

    def drawn(seed: int, number: int) -> tuple[str, ...]:
        block = duel(seed=seed, rounds=12).block(number)
        assert block.failure is None
        return (block.started_first, *(f"{each.utterance}: {each.first}" for each in block.rounds))

    blocks = [drawn(5, number) for number in range(4)]
    assert drawn(5, 2) == blocks[2]
    flips = [line.partition(": ")[2] for block in blocks for line in block[1:]]
    assert 10 < flips.count("base") < 38  # of 48 flips: three in a million coins lie outside
    assert len({tuple(block) for block in blocks}) == 4


# What is measured


def test_a_block_holds_what_both_arms_did(duel: Callable[..., Duel], tmp_path: Path, corpus: Corpus) -> None:
    """A block has its utterances, both texts and times, both cold starts, and comes back from its file."""
    arms = [arm(side, seconds_per_audio=0.02, replies=(side,)) for side in ("base", "candidate")]
    block = duel(*arms, rounds=4).block(3)
    assert block.failure is None
    assert [each.utterance for each in block.rounds] == share_ids(duel(rounds=4).utterances(3))
    assert {each.base.text for each in block.rounds} == {"base"}
    assert {each.candidate.text for each in block.rounds} == {"candidate"}
    assert min(block.seconds("base") + block.seconds("candidate")) >= 0.02
    durations = {u.id: u.duration_s for u in corpus}
    assert all(each.audio_duration_s == durations[each.utterance] for each in block.rounds)
    for side in ("base", "candidate"):
        facts = block.of(side)
        assert facts.name == side
        assert facts.backend == "fake"
        assert 3 <= len(facts.warm_up) <= 8
        assert facts.ready_s > facts.import_s + facts.load_s >= 0
        assert 0 <= facts.cpu_s < 5
        assert facts.peak_memory_bytes > 5 << 20
        assert facts.versions["python"] == sys.version.split()[0]
        assert block.cold_start_s(side) > facts.ready_s
    assert (block.number, block.seed, block.corpus, block.revision) == (3, 0, "tones", "feed")
    assert (block.same_code, block.machine.pinned) == (None, None)
    duels = Duels(tmp_path)
    duels.append(block)
    duels.append(duel().block(0))
    assert next(duels.blocks()) == block
    assert len({each.id for each in duels.blocks()}) == 2


def test_processes_are_fresh_in_each_block(duel: Callable[..., Duel]) -> None:
    """A backend that counts what it heard starts at zero in every block and in both arms."""
    counting = arm(replies=tuple(f"call {n}" for n in range(99)))
    for number in range(2):
        block = duel(counting, counting).block(number)
        for side in ("base", "candidate"):
            texts = [a.text for a in block.of(side).warm_up] + [each.of(side).text for each in block.rounds]
            assert texts == [f"call {n}" for n in range(len(texts))]


def test_an_arm_that_wavers_is_seen(duel: Callable[..., Duel]) -> None:
    """What both arms are warmed up with is heard again in the rounds: an arm that writes two things for it is seen."""
    block = duel(arm(replies=("a", "b", "c")), arm(replies=("a",))).block(0)
    example = block.warm_up_utterance
    assert example in [each.utterance for each in block.rounds]
    assert len(block.texts("base")[example]) > 1
    assert block.texts("candidate")[example] == ("a",)


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        ([1.0] * 8, 3),
        ([9.0, 1.0, 1.0], 3),
        ([9.0, 3.0, 1.0, 1.04], 4),
        ([1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 1.0], 8),
        ([0.0] * 8, 8),
    ],
)
def test_a_warm_up_ends_when_times_are_steady(seconds: list[float], calls: int, utterance: MakeUtterance) -> None:
    """Three calls or more are made, until two in a row are within 5 %, and eight at most."""

    class Scripted(Corner):
        def answer(self, audible: Any) -> Answer:
            return Answer(seconds=left.pop(0), text="")

    left = list(seconds)
    corner = Scripted(contender=arm(), worker=arm().worker())
    corner.warm_up((utterance(), None))
    assert len(corner.warmed) == calls


def test_a_slower_arm_is_seen(duel: Callable[..., Duel]) -> None:
    """An arm with half as much work again is that much slower, says that it was injected, and uses the processor."""
    base, slow = (arm(seconds_per_audio=0.05, injection=Injection(slow=factor)) for factor in (1.0, 1.5))
    block = duel(base, slow, rounds=8).block(0)
    assert block.failure is None
    assert 0.05 <= min(block.seconds("base")) < 0.07 < min(block.seconds("candidate"))  # a busy machine only adds
    assert (block.base.injected, block.candidate.injected) == ("", "slow:1.5")
    assert block.candidate.name == "arm [slow:1.5]"
    assert block.candidate.cpu_s > block.base.cpu_s + 8 * 0.02


def test_wrong_words_are_those_of_one_arm(duel: Callable[..., Duel]) -> None:
    """Words injected into one arm are changed there alone, the same way at every hearing of an utterance."""
    reply = ("a b c d e f g h i j",)
    spoiled = arm("candidate", Injection(wer=30), replies=reply)
    block = duel(arm(replies=reply), spoiled, rounds=12).block(0)
    assert block.failure is None
    assert all(WRONG not in each.base.text for each in block.rounds)
    assert any(WRONG in each.candidate.text for each in block.rounds)
    assert all(len(texts) == 1 for texts in block.texts("candidate").values())
    assert block.candidate.injected == "wer:30"


def test_two_of_the_same_code_run_along(duel: Callable[..., Duel]) -> None:
    """In every second block two workers of the base, neither of them an arm, hear the first utterances as well."""
    made = duel(arm("base", replies=("base",)), arm(replies=("other",)), same_code=2, same_code_every=2)
    even, odd = made.block(2), made.block(3)
    assert odd.same_code is None
    assert [each.utterance for each in even.same_code] == [each.utterance for each in even.rounds][:2]
    assert {text for each in even.same_code for text in (each.base.text, each.candidate.text)} == {"base"}


def test_the_machine_is_looked_at_around_the_block(duel: Callable[..., Duel]) -> None:
    """The machine is looked at before anything is started and after everything has ended."""
    before = set(psutil.Process().children())
    started: list[set[psutil.Process]] = []

    def look() -> Glance:
        started.append(set(psutil.Process().children()) - before)
        return Glance(ticks=100 * len(started), stolen=len(started), fixed_work_s=(0.5,))

    block = duel(same_code=1, look=look).block(0)
    assert started == [set(), set()]
    assert block.machine.steal == pytest.approx(0.01)
    assert (block.machine.fixed_work_before_s, block.machine.fixed_work_after_s) == ((0.5,), (0.5,))


@LINUX
def test_arms_are_held_to_the_cores(duel: Callable[..., Duel], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread of both arms is held to the cores that were asked for, and this process to none."""
    ours = os.sched_getaffinity(0)
    wanted = {min(ours)}
    seen: list[set[int]] = []
    finish = Corner.finish

    def look(corner: Corner) -> None:
        tasks = Path(f"/proc/{corner.worker.pid}/task").iterdir()
        seen.extend(os.sched_getaffinity(int(task.name)) for task in tasks)
        finish(corner)

    monkeypatch.setattr(Corner, "finish", look)
    block = duel(cores=wanted).block(0)
    assert block.failure is None
    assert len(seen) >= 2
    assert all(cores == wanted for cores in seen)
    assert block.machine.pinned == tuple(wanted)
    assert os.sched_getaffinity(0) == ours


# What goes wrong


@pytest.mark.parametrize("side", ["base", "candidate"])
@pytest.mark.parametrize(
    ("fields", "stage", "kind", "words"),
    [
        ({"mishap": "aborts", "mishap_at": 5}, "transcribe", "SIGABRT", "Fatal Python error: Aborted"),
        ({"mishap": "exits", "mishap_at": 0}, "transcribe", "exit 3", ""),
        ({"mishap": "raises", "mishap_at": None}, "load", "RuntimeError", ""),
        ({"mishap": "exits", "mishap_at": None}, "load", "exit 3", ""),
        ({"mishap": "raises", "mishap_at": 1}, "transcribe", "RuntimeError", ""),
    ],
    ids=["crash", "first call", "load raises", "load crashes", "raises"],
)
def test_a_failing_arm_ends_the_block(
    duel: Callable[..., Duel], *, side: str, fields: dict[str, Any], stage: str, kind: str, words: str
) -> None:
    """An arm that crashes, raises or cannot load ends the block, which says who, at what, how, and its last words."""
    block = duel(**{side: arm(**fields)}, rounds=12).block(0)
    failure = block.failure
    assert (failure.side, failure.stage, failure.kind) == (side, stage, kind)
    assert words in "\n".join(failure.log)
    assert words not in failure.message.splitlines()[1:]
    assert (failure.utterance is None) == (stage == "load")
    assert len(block.rounds) < 12
    other = block.of("candidate" if side == "base" else "base")
    assert other.name == "candidate" if side == "base" else "base"


def test_rounds_before_a_crash_are_kept(duel: Callable[..., Duel]) -> None:
    """What was heard before a crash stands in the block, and the utterance of the crash in its failure."""
    block = duel(candidate=arm(mishap="exits", mishap_at=9), rounds=12).block(0)
    assert 1 <= len(block.rounds) == 9 - len(block.candidate.warm_up)
    assert block.failure.utterance == share_ids(duel(rounds=12).utterances(0))[len(block.rounds)]
    assert block.base.ready_s > 0
    assert block.candidate.cpu_s is None


def test_a_hang_ends_the_block(duel: Callable[..., Duel], monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm that does not answer in time ends the block; its log says where it hung."""
    start = Corner.start

    def then_hurry(corner: Corner, cores: Any) -> None:
        start(corner, cores)
        corner.worker.limit_s = 1.0 if corner.contender.name == "candidate" else 60.0

    monkeypatch.setattr(Corner, "start", then_hurry)
    block = duel(candidate=arm("candidate", mishap="hangs", mishap_at=1)).block(0)
    assert (block.failure.side, block.failure.stage, block.failure.kind) == (
        "candidate", "transcribe", "TimeoutExpired",
    )  # fmt: skip
    assert any("in _happen" in line for line in block.failure.log)


@pytest.mark.parametrize(
    ("body", "stage", "kind"),
    [
        ("say(HELLO | {'protocol': 99}); time.sleep(60)", "start", "WrongProtocol"),
        ("os.write(1, b'hello, this is no frame at all'); time.sleep(60)", "start", "BadFrame"),
        ("say(HELLO); say(LOADED); say({'answer': 'nonsense'}); time.sleep(60)", "transcribe", "BadFrame"),
        (
            "say(HELLO); say(LOADED); say({'answer': 'transcribe', 'transcripts': [], 'seconds': 1}); until_closed()",
            "transcribe",
            "BadTranscript",
        ),
        (
            "say(HELLO); say(LOADED | {'versions': {'MODELLAB_INJECT': 'slow:2.0'}}); until_closed()",
            "inject",
            "MeasurementRefused",
        ),
    ],
    ids=["another protocol", "no frame", "no answer", "no transcript", "secretly slow"],
)
def test_what_does_not_speak_as_agreed_ends_the_block(
    duel: Callable[..., Duel], speaker: Callable[[str], Path], body: str, stage: str, kind: str
) -> None:
    """An arm of another protocol, one that writes garbage, and one that is not what it is taken for end the block."""
    block = duel(candidate=arm(python=speaker(body))).block(0)
    assert (block.failure.side, block.failure.stage, block.failure.kind) == ("candidate", stage, kind)
    assert block.failure.message


def test_an_interpreter_that_is_not_there(duel: Callable[..., Duel], tmp_path: Path) -> None:
    """An arm whose environment is missing says so as a failure to start."""
    block = duel(arm(python=tmp_path / "nobody")).block(0)
    assert (block.failure.side, block.failure.stage, block.failure.kind) == ("base", "start", "FileNotFoundError")


def test_audio_that_cannot_be_read_is_nobodys_fault(duel: Callable[..., Duel], utterance: MakeUtterance) -> None:
    """A block with unreadable audio fails before anything is started, and blames neither arm."""
    broken = Corpus(name="tones", utterances=(utterance("a"), utterance("b", broken=True)), revision="beef")
    block = duel(corpus=broken).block(0)
    assert (block.failure.side, block.failure.stage, block.failure.utterance) == (None, "read", "b")
    assert (block.base.ready_s, block.rounds) == (None, ())


def test_a_failing_canary_is_told_apart(duel: Callable[..., Duel], monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in the pair of the same code is the failure of that pair; the arms' rounds stay whole."""
    starts: list[Corner] = []
    start = Corner.start

    def third_fails(corner: Corner, cores: Any) -> None:
        starts.append(corner)
        if len(starts) == 3:
            raise RuntimeError("told to")
        start(corner, cores)

    monkeypatch.setattr(Corner, "start", third_fails)
    block = duel(same_code=2).block(0)
    assert (block.failure.side, block.failure.kind, block.failure.message) == ("same code", "RuntimeError", "told to")
    assert (len(block.rounds), block.same_code) == (3, ())


def test_an_interruption_leaves_nothing(duel: Callable[..., Duel], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is no failure of an arm: it goes on up, and both processes are ended."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bouts.Bout, "_round", interrupt)
    with pytest.raises(KeyboardInterrupt):
        duel().block(0)


@LINUX
def test_a_killed_parent_leaves_no_child(tmp_path: Path, corpus: Corpus) -> None:
    """When the process that measures is killed, both arms end."""
    script = f"""
import sys
from pathlib import Path
from modellab.corpora.registry import read_corpora
from modellab.measuring.blueprint import Blueprint
from modellab.machine.canary import Glance
from modellab.measuring.contender import Contender
from modellab.measuring.duel import Duel
from modellab.speech.utterance import Corpus, Utterance
from modellab.testing import FakeBackend

arm = Contender(name="arm", blueprint=Blueprint.of("fake", FakeBackend(seconds_per_audio=30.0)))
heard = Utterance(id="u", audio=Path({str(corpus.utterances[0].audio)!r}), duration_s=0.1, reference="")
Duel(base=arm, candidate=arm, corpus=Corpus(name="c", utterances=(heard,), revision="r"), look=Glance).block(0)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    try:
        children = _until(lambda: _hosts(parent.pid), lambda found: len(found) == 2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait(30)
    assert _until(lambda: [each for each in children if _runs(each)], lambda left: not left) == []


def _hosts(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "modellab.measuring.host" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    """Give the command of a process; one that ends meanwhile has none."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def _runs(process: psutil.Process) -> bool:
    """Say whether a process is alive: whoever has to bury it may be slow."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _until(
    find: Callable[[], list[psutil.Process]], done: Callable[[list[psutil.Process]], bool], within_s: float = 60.0
) -> list[psutil.Process]:
    """Give what is found once it is what is waited for, or in the end."""
    deadline = time.monotonic() + within_s
    while not done(found := find()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


# What is refused


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"candidate": arm("two", threads=2)}, "base may use 1 threads and two 2"),
        ({"rounds": 0}, "rounds must be 1 or more"),
        ({"same_code": -1}, "same_code"),
        ({"same_code_every": 0}, "same_code_every"),
        ({"cores": set()}, "cannot pin"),
        ({"cores": {100_000}}, "cannot pin"),
    ],
)
def test_what_would_mean_nothing_is_refused(duel: Callable[..., Duel], options: dict[str, Any], why: str) -> None:
    """Arms with different threads, no utterances, and cores that are not there are refused before anything starts."""
    with pytest.raises(MeasurementRefused, match=why):
        duel(**options)


def test_pinning_is_refused_where_there_is_none(duel: Callable[..., Duel], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system pins no processes, a duel that wants it is refused."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MeasurementRefused, match="only Linux"):
        duel(cores={0})
    assert replace(duel(), cores=None).cores is None
