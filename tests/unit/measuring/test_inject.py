"""Injection: a known amount of harm, told apart from none, and the same every time."""

import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import pstdev

import numpy as np
import pytest

from modellab.errors import BadDefinition, WorkerFailed
from modellab.machine.clock import timed
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.inject import VARIABLE, WRONG, Injection, toil
from modellab.measuring.worker import Worker
from modellab.speech.audio import Audio
from modellab.testing import FakeBackend

TEXT = "one two three four five six seven eight nine ten"


def tone() -> Audio:
    """Give a tenth of a second of audio."""
    return Audio(samples=np.full(1_600, 0.1, np.float32))


def changed(injection: Injection, speakers: int = 200, utterances: int = 20) -> dict[str, float]:
    """Give the share of words that each speaker lost."""
    lost: dict[str, int] = defaultdict(int)
    for speaker in range(speakers):
        for utterance in range(utterances):
            text = injection.spoiled(TEXT, f"{speaker}-{utterance}", f"s{speaker}")
            lost[f"s{speaker}"] += text.split().count(WRONG)
    return {speaker: count / (utterances * 10) for speaker, count in lost.items()}


@pytest.mark.parametrize(
    "text", ["", "slow:1.05", "wer:0.5", "slow:1.05,wer:0.5,seed:7", "wer:2,seed:-12345678901234567"]
)
def test_what_is_written_is_read(text: str) -> None:
    """An injection is written as it is read, so that a record says what was asked for."""
    assert str(Injection.read(text)) == text
    assert str(Injection.read(text.replace("wer:2", "wer:2.0"))) == text


@pytest.mark.parametrize(
    "text",
    ["slow", "slow:", "slow:fast", "sleep:1.05", "slow:0.9", "slow:nan", "slow:inf", "wer:-1", "wer:101", "seed:x"],
)
def test_what_means_nothing_is_refused(text: str) -> None:
    """What cannot be understood is refused with what is allowed: passed over, it would prove nothing."""
    with pytest.raises(BadDefinition, match=r"slow:FACTOR.*wer:POINTS"):
        Injection.read(text)


def test_a_process_is_asked_for_this_and_nothing_else() -> None:
    """The variable is set where something is injected, and taken away where nothing is."""
    assert Injection(slow=1.05).env == {VARIABLE: "slow:1.05"}
    assert Injection().env == {VARIABLE: None}


def test_nothing_injected_is_no_wrapper() -> None:
    """A backend that is not slowed is asked itself, and a text that is not spoiled is kept to the letter."""
    backend = FakeBackend()
    assert Injection(wer=3).around(backend) is backend
    assert Injection(slow=2).spoiled(" a  b\n", "u", "s") == " a  b\n"


def test_toil_is_work() -> None:
    """The time is spent on the processor, and not slept away."""
    before = time.thread_time()
    _, seconds = timed(lambda: toil(0.1))
    assert 0.1 <= time.thread_time() - before < 1
    assert seconds >= 0.09


def test_a_slow_backend_writes_the_same() -> None:
    """A slowed backend takes longer by the factor, and hands on language and transcripts."""
    backend = FakeBackend(replies=("a", "b"), seconds_per_audio=0.1)
    transcripts, seconds = timed(lambda: Injection(slow=1.5).around(backend).transcribe([tone(), tone()], "de"))
    assert [(t.text, t.language) for t in transcripts] == [("a", "de"), ("b", "de")]
    assert 0.29 < seconds < 10


def test_a_worker_says_what_is_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is slowed by its environment says so among its versions, and takes that much longer inside."""
    monkeypatch.setenv(VARIABLE, "slow:2.0")
    blueprint = Blueprint.of("fake", FakeBackend(seconds_per_audio=0.1))
    with (
        Worker(blueprint=blueprint, limit_s=60) as slow,
        Worker(blueprint=blueprint, limit_s=60, env=Injection().env) as honest,
    ):
        slow_before_s, honest_before_s = slow.cpu_s(), honest.cpu_s()
        assert (slow.versions.get(VARIABLE), honest.versions.get(VARIABLE)) == ("slow:2", None)
        assert slow.listen([tone()])[1] > 0.19
        assert slow.cpu_s() - slow_before_s > 0.09
        honest.listen([tone()])
        assert honest.cpu_s() - honest_before_s < 0.09  # however long others kept it waiting


def test_a_worker_refuses_what_it_cannot_inject() -> None:
    """A worker with a variable that nobody understands does not start, and its log says what is allowed."""
    worker = Worker(blueprint=Blueprint.of("fake", FakeBackend()), limit_s=60, env={VARIABLE: "slwo:1.05"})
    with pytest.raises(WorkerFailed, match="slow:FACTOR"):
        worker.load()


@pytest.mark.parametrize("wer", [0.5, 2.0, 10.0])
def test_as_many_words_are_changed_as_asked(wer: float) -> None:
    """Over many speakers the share of changed words is what was asked for, within a fifth."""
    rates = changed(Injection(wer=wer)).values()
    assert sum(rates) / len(rates) == pytest.approx(wer / 100, rel=0.2)


def test_changes_cluster_by_speaker() -> None:
    """Speakers differ by more than they would if every word were drawn alike."""
    rates = changed(Injection(wer=10.0)).values()
    alike = (0.1 * 0.9 / 200) ** 0.5
    assert pstdev(rates) > 2 * alike


def test_changes_depend_on_seed_and_utterance_alone() -> None:
    """The same utterance is changed the same way whenever it is heard, and another way by another seed."""

    def texts(seed: int, order: Sequence[int]) -> dict[int, str]:
        return {n: Injection(wer=30, seed=seed).spoiled(TEXT, f"u{n}", "s") for n in order}

    assert texts(1, range(20)) == texts(1, range(19, -1, -1))
    assert texts(1, range(20)) != texts(2, range(20))
    assert len(set(texts(1, range(20)).values())) > 5


def test_all_words_can_be_changed() -> None:
    """Of silence nothing is changed, and a rate above one is one."""
    assert Injection(wer=100).spoiled("", "u", None) == ""
    spoiled = [Injection(wer=100).spoiled(TEXT, f"u{n}", None) for n in range(30)]
    assert " ".join([WRONG] * 10) in spoiled
    assert all(len(text.split()) == 10 for text in spoiled)
