"""Listeners: which models a server offers, under which names, and for how long each is held."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bench import write_bench

from modellab.backends.base import DecodeOptions
from modellab.errors import BackendUnavailable, PoolBusy, UnknownName
from modellab.machine.clock import MONOTONIC
from modellab.server.definitions import Definitions
from modellab.server.hearing.listeners import Listeners
from modellab.server.settings import PoolSettings
from modellab.speech.audio import Audio

TOY, ENGLISH = "fake:toy:cpu:float32", "fake:toy-en:cpu:float32"
AUDIO = Audio(samples=np.full(1600, 0.1, np.float32))

Offer = Callable[..., Listeners]


@pytest.fixture
def offer(tmp_path: Path) -> Offer:
    """Give the listeners of a server that is set so."""
    definitions = Definitions.read(write_bench(tmp_path), tmp_path / "cache")
    return lambda **settings: Listeners(definitions, PoolSettings(**{"replicas": 1} | settings))


def hear(listeners: Listeners, name: str) -> str:
    """Give what a model writes."""
    with listeners.attend(listeners.find(name), AUDIO, DecodeOptions()) as hearing:
        return hearing.listen().text


def test_the_benchs_models_are_offered(offer: Offer) -> None:
    """Where nothing is said, they are those of bench.toml; each checkpoint is a name of its first model."""
    listeners = offer()
    assert list(listeners.by_id) == [TOY, ENGLISH]
    assert listeners.aliases == {"toy": TOY, "toy-en": ENGLISH}
    assert listeners.find("toy").id == TOY


def test_others_may_be_offered(offer: Offer) -> None:
    """Models may be named, also one that cannot run here: it says why, and its checkpoint means the next one."""
    listeners = offer(serve=("fake:toy:cpu:int8", TOY), aliases={"whisper-1": "toy", "small": TOY})
    assert listeners.aliases["toy"] == TOY
    assert listeners.find("small").id == listeners.find("whisper-1").id == TOY
    with pytest.raises(BackendUnavailable, match="no int8 on cpu"):
        listeners.find("fake:toy:cpu:int8")


@pytest.mark.parametrize("named", ["fake:tooy:cpu:float32", "fakes:toy:cpu:float32", "toy"])
def test_a_model_that_nobody_knows_is_not_offered(offer: Offer, named: str) -> None:
    """A wrong id is told of when the server is made, with the nearest name."""
    with pytest.raises(UnknownName):
        offer(serve=(named,))


@pytest.mark.parametrize("settings", [{"aliases": {"whisper-1": "tiny"}}, {"keep_alive_s_of": {"toy": 1.0}}])
def test_settings_of_a_model_that_is_not_offered(offer: Offer, settings: dict[str, Any]) -> None:
    """An alias of nothing, and a time for no model's id, are told of when the server is made."""
    with pytest.raises(UnknownName, match="setting pool"):
        offer(**settings)


@pytest.mark.parametrize(
    ("settings", "held"),
    [
        ({"keep_alive_s": 0.0}, set()),
        ({"keep_alive_s": -1.0}, {TOY, ENGLISH}),
        ({"keep_alive_s": 0.0, "keep_alive_s_of": {ENGLISH: -1.0}}, {ENGLISH}),
    ],
    ids=["at once", "for ever", "by the model"],
)
def test_how_long_a_model_is_held(offer: Offer, settings: dict[str, Any], held: set[str]) -> None:
    """An idle model is unloaded when its time is up, and no other."""
    listeners = offer(**settings)
    for name in (TOY, ENGLISH):
        hear(listeners, name)
    listeners.pool.sweep()
    deadline_s = MONOTONIC() + 30
    while {model.key for model in listeners.holding().models} != held:
        assert MONOTONIC() < deadline_s
        time.sleep(0.01)
        listeners.pool.sweep()
    listeners.pool.drain(5)


def test_places_are_bounded_and_given_back(offer: Offer) -> None:
    """As many may ask a model as have a process or a place to wait; one more is told so, and one less is let in."""
    listeners = offer(max_waiting=1)
    toy = listeners.find(TOY)

    def attend() -> Any:
        return listeners.attend(toy, AUDIO, DecodeOptions())

    with attend(), attend():
        with pytest.raises(PoolBusy, match="2 requests wait"), attend():
            pass
        with listeners.attend(listeners.find(ENGLISH), AUDIO, DecodeOptions()):
            pass
    with attend(), attend():
        pass


def test_what_a_runtime_cannot_follow(offer: Offer) -> None:
    """The options that are lost on a model's runtime are named, and no others."""
    listeners = offer()
    lost = listeners.not_honoured(listeners.find(TOY), DecodeOptions(vad=True, prompt="hello"))
    assert lost == ("vad",)
