"""Stages: every second of a hearing is charged to one stage, and nothing of the stopwatch stays behind."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from modellab.backends.spec import ModelSpec
from modellab.errors import MeasurementRefused
from modellab.measuring.model import Model
from modellab.measuring.stages import Profile, Stopwatch, hear_rounds, profile
from modellab.speech import utterance as utterances
from modellab.speech.audio import Audio, read_audio
from modellab.speech.utterance import Corpus, Utterance, corpus_of
from modellab.testing import FakeBackend

MakeUtterance = Callable[..., Utterance]


class Runtime:
    """A runtime that takes a second for features, two for the encoder, and three for a decoder that calls it."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock

    def features(self) -> str:
        """Take a second."""
        self.clock.move(1)
        return "features"

    def encode(self, seconds: float = 2) -> str:
        """Take two seconds, or as told."""
        self.clock.move(seconds)
        return "encoded"

    def decode(self) -> str:
        """Take three seconds and what encoding takes."""
        self.clock.move(1)
        encoded = self.encode()
        self.clock.move(2)
        return f"decoded from {encoded}"

    def fail(self) -> None:
        """Take four seconds for nothing."""
        self.clock.move(4)
        raise RuntimeError("no more")


class Derived(Runtime):
    """A runtime whose methods are another's."""


@pytest.fixture
def runtime(clock: Any) -> Runtime:
    """A runtime on the clock of this test."""
    return Runtime(clock)


def model_of(backend: FakeBackend) -> Model:
    """Give a model of this backend."""
    spec = ModelSpec(backend="fake", checkpoint="none", device="cpu", compute_type="float32")
    return Model(spec, ("*",), lambda: backend)


def test_a_stage_within_another_is_charged_once(runtime: Runtime, clock: Any) -> None:
    """What a stage spends in another is the other's, what is in none is the outermost's, and all sum to the whole."""
    watch = Stopwatch(clock=clock)
    laid = {"encoder": [(runtime, "encode")], "decoder": [(runtime, "decode")]}
    before_s = clock()
    with watch.around(laid), watch.stage("rest"):
        assert runtime.decode() == "decoded from encoded"
        clock.move(0.5)
        assert runtime.encode(seconds=7) == "encoded"
    assert watch.seconds == {"rest": 0.5, "encoder": 9, "decoder": 3}
    assert sum(watch.seconds.values()) == clock() - before_s


def test_two_places_of_one_stage_are_charged_once(runtime: Runtime, clock: Any) -> None:
    """A function of a stage that calls another of the same stage has its seconds counted once."""
    watch = Stopwatch(clock=clock)
    with watch.around({"model": [(Runtime, "encode"), (Runtime, "decode")]}):
        runtime.decode()
    assert watch.seconds == {"model": 5}


def test_a_device_is_waited_for_before_the_clock_is_read(runtime: Runtime, clock: Any) -> None:
    """What a device still has to do when a call returns is charged to the stage that asked for it."""
    owed = []

    def settle() -> None:
        while owed:
            clock.move(owed.pop())

    device = SimpleNamespace(encode=lambda: owed.append(5), decode=lambda: owed.append(0.25))
    watch = Stopwatch(settle=settle, clock=clock)
    with watch.around({"encoder": [(device, "encode")], "decoder": [(device, "decode")]}), watch.stage("rest"):
        device.encode()
        device.decode()
        owed.append(1)
    assert watch.seconds == {"rest": 1, "encoder": 5, "decoder": 0.25}


def test_what_raises_is_charged_and_raised(runtime: Runtime, clock: Any) -> None:
    """A call that raises is charged until then, and the next ones are charged as ever."""
    watch = Stopwatch(clock=clock)
    with watch.around({"fails": [(runtime, "fail")]}), watch.stage("rest"):
        with pytest.raises(RuntimeError, match="no more"):
            runtime.fail()
        clock.move(1)
    assert watch.seconds == {"fails": 4, "rest": 1}


@pytest.mark.parametrize("raises", [False, True], ids=["in peace", "by an error"])
def test_everything_is_taken_off_again(runtime: Runtime, clock: Any, raises: bool) -> None:
    """Objects, classes, heirs and modules are as they were afterwards, however the block ends."""
    module = SimpleNamespace(features=runtime.features)
    places = [(runtime, "encode"), (Runtime, "decode"), (Derived, "features"), (module, "features")]
    before = [dict(vars(owner)) for owner, _ in places]
    with suppress(KeyboardInterrupt), Stopwatch(clock=clock).around({"stage": places}):
        assert [dict(vars(owner)) for owner, _ in places] != before
        assert Derived(clock).features() == "features"
        if raises:
            raise KeyboardInterrupt
    assert [dict(vars(owner)) for owner, _ in places] == before


def test_a_place_that_is_not_there_is_refused(runtime: Runtime, clock: Any) -> None:
    """A name that an owner lacks is an error that names both, and what was laid before it is taken off."""
    laid = {"encoder": [(runtime, "encode")], "decoder": [(runtime, "generate")]}
    with (
        pytest.raises(MeasurementRefused, match=r"'decoder'.*'Runtime'.*'generate'.*version"),
        Stopwatch(clock=clock).around(laid),
    ):
        pytest.fail("it was laid")
    assert "encode" not in vars(runtime)


class Staged(FakeBackend):
    """A fake that names its stages."""

    def stages(self) -> Any:
        """Name what writes."""
        return {"decoder": [(self, "_write")]}


@pytest.fixture
def corpus(utterance: MakeUtterance) -> Corpus:
    """Two utterances of half a second and one."""
    return corpus_of("tones", (utterance("a", 0.5), utterance("b", 1.0)))


@pytest.fixture
def heard(corpus: Corpus, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Profile]:
    """A hearing of two rounds in which reading a file takes 0.25 s, writing 3 s and the rest of the call 1 s."""

    def slow_disk(*path: Any) -> Audio:
        clock.move(0.25)
        return read_audio(*path)

    monkeypatch.setattr(utterances, "read_audio", slow_disk)

    def hear(made: type[FakeBackend]) -> Profile:
        class Slow(made):
            def transcribe(self, audios: Any, language: str | None = None) -> Any:
                clock.move(1)
                return super().transcribe(audios, language)

        backend = Slow()
        backend.listen = lambda _: clock.move(3) or "text"
        return profile(model_of(backend), corpus, 2, clock)

    return hear


def test_stages_are_told_in_the_order_they_are_passed(heard: Callable[..., Profile]) -> None:
    """Reading, the backend's own stages, the rest of its call and the harness follow one another, warm-up left out."""
    found = heard(Staged)
    assert list(found.seconds.items()) == [("decode audio", 1.0), ("decoder", 12.0), ("other", 4.0), ("harness", 0.0)]
    assert (found.whole_s, found.audio_s, found.largest) == (17.0, 3.0, "decoder")
    assert found.share("decoder") == 12 / 17
    assert sum(found.share(stage) for stage in found.seconds) == pytest.approx(1)
    assert [record.utterance for record in found.records] == ["b", "a"] * 2


def test_a_backend_without_stages_is_one(heard: Callable[..., Profile]) -> None:
    """The whole call of a backend that names no stages is the runtime's."""
    assert heard(FakeBackend).seconds == {"decode audio": 1.0, "runtime": 16.0, "harness": 0.0}


def test_hearing_is_as_before_once_it_is_over(heard: Callable[..., Profile]) -> None:
    """Neither utterances nor the backend's class keep anything of the stopwatch."""
    hear, transcribe = Utterance.hear, FakeBackend.transcribe
    heard(FakeBackend)
    assert (Utterance.hear, FakeBackend.transcribe) == (hear, transcribe)


def test_what_fails_is_told(utterance: MakeUtterance, clock: Any) -> None:
    """An utterance that cannot be read is a failure of every round, and its audio is not counted as heard."""
    corpus = corpus_of("tones", (utterance("a", 0.5, broken=True), utterance("b", 1.0)))
    found = profile(model_of(FakeBackend()), corpus, 3, clock)
    assert [record.utterance for record in found.failed] == ["a"] * 3
    assert found.audio_s == 3.0


def test_a_profile_of_nothing_is_refused(corpus: Corpus, clock: Any) -> None:
    """A model that hears nothing has no profile; the refusal tells what it said."""
    backend = FakeBackend()
    backend.listen_error = RuntimeError("out of order")
    with pytest.raises(MeasurementRefused, match=r"fake:none:cpu:float32 heard nothing of tones: out of order"):
        profile(model_of(backend), corpus, 1, clock)


def test_a_model_that_does_not_load_says_why(corpus: Corpus, clock: Any) -> None:
    """What loading raised is raised, and nothing is heard."""
    backend = FakeBackend()
    backend.load_error = OSError("no weights")
    with pytest.raises(OSError, match="no weights"):
        profile(model_of(backend), corpus, 1, clock)
    assert backend.batches == []


def test_rounds_hear_everything_as_often(corpus: Corpus) -> None:
    """Every utterance is heard alone once a round."""
    backend = FakeBackend()
    assert len(hear_rounds(model_of(backend), corpus, 3)) == 6
    assert backend.batches == [1] * 6
