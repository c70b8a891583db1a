"""Parity of converted weights: in words and in encoder states, judged by how they are stored."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from modellab.backends.registry import backend_class
from modellab.checkpoints.weights import Weights
from modellab.errors import BackendUnavailable, MeasurementRefused
from modellab.measuring.parity import EXACT, NOT_SHOWN, Parity, parity, tolerance_of
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript
from modellab.speech.utterance import Corpus, Utterance
from modellab.testing import FakeBackend


@dataclass(kw_only=True)
class Written(FakeBackend):
    """A runtime that writes and shows what its folder says."""

    layout = "ctranslate2"
    architectures = frozenset({"whisper"})
    said: dict = field(default_factory=dict, init=False)

    @classmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Have float32 and q5_1 alone."""
        return None if compute_type in {"float32", "q5_1"} else f"no {compute_type}"

    def load(self) -> None:
        """Read what to say."""
        self.said = json.loads((self.weights.folder / "said.json").read_text())

    def transcribe(self, audios, language=None):
        """Say it."""
        return [Transcript(text=self.said["text"]) for _ in audios]

    def encoded(self, audio: Audio) -> np.ndarray | None:
        """Show it."""
        states = self.said.get("states")
        return None if states is None else np.array([states], np.float32)


@pytest.fixture(autouse=True)
def _runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modellab.measuring.parity.backend_names", lambda: ("fake", "written"))
    monkeypatch.setattr(
        "modellab.measuring.parity.backend_class", lambda name: Written if name == "written" else backend_class(name)
    )
    monkeypatch.setattr("modellab.measuring.parity.refusal", lambda name, *where: Written.refusal(*where))


@pytest.fixture
def corpus() -> Corpus:
    """Two utterances, of which one says nothing."""
    path = Path(__file__).parents[2] / "none.wav"
    return Corpus(
        name="two",
        revision="r",
        utterances=tuple(
            Utterance(id=name, audio=path, duration_s=1.0, reference=text, language="en")
            for name, text in (("a", "hello world"), ("b", ""))
        ),
    )


@pytest.fixture(autouse=True)
def _audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Utterance, "hear", lambda self: Audio(samples=np.zeros(16, np.float32)))


def weights(folder: Path, layout: str = "ctranslate2", **said: object) -> Weights:
    """Give weights that make the runtime say something."""
    folder.mkdir()
    (folder / "said.json").write_text(json.dumps(said))
    return Weights(checkpoint="x", layout=layout, revision="1", sha256="0", languages=("en",), folder=folder)


@pytest.fixture
def compared(tmp_path: Path, corpus: Corpus):
    """A comparison of what two folders say."""

    def compare(before: dict, after: dict, quantisation: str = "") -> Parity:
        one, other = weights(tmp_path / "before", **before), weights(tmp_path / "after", **after)
        return parity(one, other, corpus, architecture="whisper", quantisation=quantisation)

    return compare


def test_the_same_words_and_states_pass(compared) -> None:
    """Punctuation is no word, and a difference in the last digits no other state; silence is not heard."""
    found = compared(
        {"text": "Hello, world.", "states": [1.0, -1.0]}, {"text": "hello world", "states": [1.0, -1.00001]}
    )
    assert (found.passed, found.words, found.changed, found.utterances) == (True, 0.0, (), 1)
    assert found.states.most == pytest.approx(1e-5, rel=0.1)


def test_other_words_fail_and_are_named(compared) -> None:
    """One of two words differs where none may: both texts are kept."""
    found = compared({"text": "hello world"}, {"text": "hello word"})
    assert (found.passed, found.words) == (False, 0.5)
    (changed,) = found.changed
    assert (changed.utterance, changed.before, changed.after) == ("a", "hello world", "hello word")


@pytest.mark.parametrize(("quantisation", "passed"), [("", False), ("q5_1", True)])
def test_states_are_judged_by_how_weights_are_stored(compared, quantisation: str, passed: bool) -> None:
    """Two states of ten that are a tenth off are too far for weights of the same type, and near for five bits."""
    before = {"text": "hello", "states": [1.0] * 10}
    found = compared(before, before | {"states": [1.0] * 8 + [1.1] * 2}, quantisation)
    assert found.passed is passed
    assert (found.states.most, found.states.mean) == pytest.approx((0.1, 0.0447), rel=0.01)


def test_states_that_are_not_shown_are_said_to_be_so(compared) -> None:
    """Where a runtime shows none, words decide, and the table says why there are no states."""
    found = compared({"text": "hello", "states": [1.0]}, {"text": "hello"})
    assert (found.states, found.passed, found.table()["states"]) == (None, True, NOT_SHOWN)


def test_a_type_that_the_runtime_lacks_is_heard_in_full_precision(compared) -> None:
    """Weights stored in bfloat16 are computed with in float32 where nothing nearer is there, and that is told."""
    found = compared({"text": "hello"}, {"text": "hello"}, "bfloat16")
    assert (found.before, found.after) == ("modellab in float32", "modellab in float32")


def test_nobody_speaks_or_nobody_reads_is_refused(tmp_path: Path, corpus: Corpus) -> None:
    """A corpus of silence says nothing, and a layout without a runtime cannot be heard."""
    one = weights(tmp_path / "one", text="x")
    silent = Corpus(name="silent", revision="r", utterances=corpus.utterances[1:])
    with pytest.raises(MeasurementRefused, match="nobody speaks in it"):
        parity(one, one, silent, architecture="whisper", quantisation="")
    other = weights(tmp_path / "other", layout="openai", text="x")
    with pytest.raises(BackendUnavailable, match="no backend reads openai of whisper"):
        parity(one, other, corpus, architecture="whisper", quantisation="")


@pytest.mark.parametrize(
    ("quantisation", "same_as"), [("int8_float16", "int8"), ("int8_float32", "int8"), ("float32", ""), ("", "")]
)
def test_tolerance_is_of_what_weights_are_stored_in(quantisation: str, same_as: str) -> None:
    """The type of the arithmetic changes nothing, and float32 and the source's own type are exact."""
    assert tolerance_of(quantisation) == tolerance_of(same_as)
    assert (tolerance_of(quantisation) == EXACT) is (same_as == "")
