"""Backends: what every one of them tells of itself, and how a fake one behaves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class
from modellab.checkpoints.weights import Weights
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript
from modellab.testing import FakeBackend

FOLDER = "/somewhere/on/this/disk"
RUNTIMES = ["openai-whisper", "faster-whisper", "transformers"]
CHANGES: dict[str, Any] = {
    "language": "de",
    "task": "translate",
    "beam_size": 5,
    "temperatures": (0.0, 0.2),
    "condition_on_previous_text": True,
    "vad": True,
    "timestamps": "word",
    "prompt": "Dashwood",
    "max_new_tokens": 8,
}


def weights(layout: str = "openai") -> Weights:
    """Give weights that lie nowhere."""
    return Weights(
        checkpoint="whisper-tiny.en",
        layout=layout,
        revision="abc",
        sha256="f00d",
        languages=("en",),
        folder=Path(FOLDER),
    )


def audio(duration_s: float = 1.0, level: float = 0.0) -> Audio:
    """Give audio of one level."""
    return Audio(samples=np.full(round(duration_s * SAMPLE_RATE_HZ), level, np.float32))


def test_every_decode_option_can_be_changed() -> None:
    """The changes below cover all decode options, so that what follows speaks of each."""
    assert set(CHANGES) == {field.name for field in fields(DecodeOptions)}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_option_is_named(name: str) -> None:
    """An option that is not at its default is among those changed, and no other is."""
    assert DecodeOptions(**{name: CHANGES[name]}).changed() == {name}


def test_options_at_their_defaults_are_not_changed() -> None:
    """Options that are given as they are by default are not changed, and equal the default ones."""
    default = DecodeOptions()
    given = DecodeOptions(**{field.name: getattr(default, field.name) for field in fields(default)})
    assert given.changed() == frozenset()
    assert given == default


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("openai-whisper", CHANGES, ("vad",)),
        ("faster-whisper", CHANGES, ()),
        ("transformers", CHANGES, ("temperatures", "vad")),
        ("transformers", {"timestamps": "segment", "beam_size": 2}, ()),
        ("fake", CHANGES, ("vad",)),
        ("openai-whisper", {}, ()),
    ],
)
def test_what_is_not_honoured_is_named(name: str, changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    """A backend names, sorted, the options that were asked for and that its runtime cannot follow, and no others."""
    backend = backend_class(name)(weights=weights(), decode=DecodeOptions(**changes))
    assert backend.not_honoured() == expected


@pytest.mark.parametrize("name", RUNTIMES)
def test_options_are_json_without_a_path(name: str) -> None:
    """What goes into the record can be JSON, names the weights by hash, and holds no path of this machine."""
    kind = backend_class(name)
    backend = kind(weights=weights(kind.layout), device="cuda:1", threads=3, decode=DecodeOptions(**CHANGES))
    options = backend.options()
    assert json.loads(json.dumps(options, allow_nan=False)) == options
    assert FOLDER not in json.dumps(options)
    assert options["weights"] == {
        "checkpoint": "whisper-tiny.en",
        "layout": kind.layout,
        "revision": "abc",
        "sha256": "f00d",
    }
    assert options["decode"] == {**CHANGES, "temperatures": [0.0, 0.2]}
    assert (options["device"], options["compute_type"], options["threads"]) == ("cuda:1", "float32", 3)
    assert not any(key.startswith("_") for key in options)


@dataclass(kw_only=True)
class _Tuned(FakeBackend):
    grammar: Path | None = None
    biases: tuple[tuple[str, float], ...] = ()


def test_options_of_ones_own_are_recorded() -> None:
    """A field that a backend adds is an option of it; tuples become lists and what JSON has no word for its text."""
    options = _Tuned(grammar=Path("x/y"), biases=(("Dashwood", 2.5),)).options()
    assert (options["grammar"], options["biases"], options["weights"]) == ("x/y", [["Dashwood", 2.5]], None)
    assert "batches" not in options


class _Silent(Backend):
    layout, package, modules = "none", "modellab", ()

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Refuse nothing."""
        return None

    def load(self) -> None:
        """Load nothing."""

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Hear nothing."""
        return [Transcript(text="") for _ in audios]


def test_closing_is_harmless_where_there_is_nothing_to_close() -> None:
    """A backend that says nothing of closing may be closed any number of times."""
    backend = _Silent(weights=None)
    backend.close()
    backend.close()


def test_a_with_block_loads_and_closes() -> None:
    """`with backend:` loads before and closes after, though the block raises."""
    backend = FakeBackend()
    with backend as opened:
        assert opened is backend
        assert (backend.loads, backend.closes) == (1, 0)
    backend.listen_error = MemoryError()
    with pytest.raises(MemoryError), backend:
        backend.transcribe([audio()])
    assert (backend.loads, backend.closes) == (2, 2)


def test_the_fake_writes_its_replies_in_turn() -> None:
    """The fake gives its replies one after another, from the start again, each over the whole of its audio."""
    fake = FakeBackend(replies=("one", "two", "three"))
    first, second = fake.transcribe([audio(), audio(2.0)]), fake.transcribe([audio(), audio()], "de")
    assert [t.text for t in (*first, *second)] == ["one", "two", "three", "one"]
    assert first[1].segments == (Segment(text="two", start_s=0.0, end_s=2.0),)
    assert (first[0].language, second[0].language) == (None, "de")
    assert fake.batches == [2, 2]


def test_the_fake_can_listen() -> None:
    """The fake writes what it is told to make of an audio; an empty text has no segments."""
    fake = FakeBackend()
    fake.listen = lambda heard: "loud" if heard.samples.any() else ""
    loud, quiet = fake.transcribe([audio(level=0.5), audio()])
    assert (loud.text, quiet.text, quiet.segments) == ("loud", "", ())


def test_a_forced_language_goes_before_a_stated_one() -> None:
    """The language of the decode options is written before the one that the corpus states."""
    (only,) = FakeBackend(decode=DecodeOptions(language="fr")).transcribe([audio()], "de")
    assert only.language == "fr"


@pytest.mark.parametrize("when", ["load", "listen"])
def test_the_fake_fails_as_told(when: str) -> None:
    """The fake raises the error it is given, at the step it is given for, and counts nothing there."""
    fake = FakeBackend()
    setattr(fake, f"{when}_error", MemoryError("none left"))
    with pytest.raises(MemoryError, match="none left"):
        fake.load() if when == "load" else fake.transcribe([audio()])
    assert (fake.loads, fake.batches) == (0, [])


@pytest.mark.parametrize(("device", "compute_type"), [("cuda", "float32"), ("cpu", "int8"), ("cuda:1", "float16")])
def test_the_fake_runs_in_float32_on_the_cpu(device: str, compute_type: str) -> None:
    """The fake refuses every device but the cpu and every compute type but float32, naming both."""
    assert FakeBackend.refusal("cpu", "float32") is None
    refused = FakeBackend.refusal(device, compute_type)
    assert refused is not None
    assert device in refused
    assert compute_type in refused


@pytest.mark.parametrize(("languages", "english_only"), [(("en",), True), (("*",), False), (("en", "de"), False)])
def test_weights_know_whether_they_are_english_only(languages: tuple[str, ...], english_only: bool) -> None:
    """Weights of one language, English, are English only."""
    assert replace(weights(), languages=languages).english_only is english_only
