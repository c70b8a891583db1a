"""whisper.cpp without weights: what it is asked, what it refuses, and what it says that it cannot follow."""

from pathlib import Path

import numpy as np
import pytest

from modellab.backends.base import DecodeOptions
from modellab.backends.registry import misfit
from modellab.backends.whisper_cpp import LEAST_S, WhisperCpp, _asked, _long_enough, _step
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.errors import BadCheckpoint, UnknownName

FIXTURES = Path(__file__).parents[3] / "fixtures"


def backend(*languages: str, folder: Path = Path("nowhere"), **decode: object) -> WhisperCpp:
    """Give a backend that is not loaded."""
    weights = Weights(
        checkpoint="x", layout="ggml:float16", revision="1", sha256="0", languages=languages or ("en",), folder=folder
    )
    return WhisperCpp(weights=weights, compute_type="float16", decode=DecodeOptions(**decode))


@pytest.mark.parametrize(
    ("decode", "lost"),
    [
        ({}, ()),
        ({"beam_size": 5, "task": "translate", "timestamps": "word", "language": "en"}, ()),
        ({"temperatures": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}, ()),
        ({"temperatures": (0.4,)}, ()),
        ({"temperatures": (0.0, 0.2)}, ("temperatures",)),
        ({"temperatures": (0.0, 0.5, 0.6)}, ("temperatures",)),
        ({"temperatures": (1.0, 0.0)}, ("temperatures",)),
        ({"prompt": "Dashwood"}, ("condition_on_previous_text",)),
        ({"prompt": "Dashwood", "condition_on_previous_text": True}, ()),
        ({"vad": True, "max_new_tokens": 1}, ("max_new_tokens", "vad")),
    ],
)
def test_what_cannot_be_followed_is_said(decode: dict[str, object], lost: tuple[str, ...]) -> None:
    """Uneven temperatures, a prompt alone, speech detection and a single token are not to be had; all else is."""
    assert backend(**decode).not_honoured() == lost


@pytest.mark.parametrize(
    ("temperatures", "step"), [((0.0,), 0.0), ((0.0, 0.25, 0.5, 0.75, 1.0), 0.25), ((0.0, 0.25), None)]
)
def test_temperatures_rise_to_one_by_equal_steps(temperatures: tuple[float, ...], step: float | None) -> None:
    """A single temperature is no step, equal ones up to 1 are one, and what ends before 1 is none."""
    assert _step(temperatures) == step


def test_it_is_asked_as_the_options_say() -> None:
    """Options become whisper.cpp's own; nothing is printed, and nothing is handed on from the audio before."""
    pytest.importorskip("_pywhispercpp")
    options = DecodeOptions(beam_size=3, task="translate", timestamps="word", max_new_tokens=10)
    how = _asked(options, 2, "de")
    assert (how.n_threads, how.language, how.translate, how.no_timestamps) == (2, "de", True, False)
    assert (how.beam_search["beam_size"], how.max_tokens, how.token_timestamps) == (3, 9, True)
    assert (how.n_max_text_ctx, how.no_context, how.temperature_inc) == (0, True, 0.0)
    assert (how.print_progress, how.print_realtime) == (False, False)


def test_the_text_before_is_handed_on_where_it_is_asked_for() -> None:
    """Conditioning on the text before gives whisper.cpp room for it, and temperatures become a first and a step."""
    pytest.importorskip("_pywhispercpp")
    how = _asked(DecodeOptions(condition_on_previous_text=True, temperatures=(0.0, 0.5, 1.0), prompt=" Hi "), 1, "")
    assert how.n_max_text_ctx > 0
    assert how.no_context
    assert how.initial_prompt == " Hi"
    assert (how.temperature, how.temperature_inc) == (0.0, 0.5)


def test_short_audio_is_heard_with_silence_after_it() -> None:
    """Less than 0.2 s is filled up with zeros; what is longer is not touched."""
    filled = _long_enough(np.ones(1, np.float32))
    assert (filled.size, filled.sum(), filled.dtype) == (round(LEAST_S * 16_000), 1.0, np.float32)
    long = np.ones(3200, np.float32)
    assert _long_enough(long) is long


def test_a_language_that_it_does_not_know_is_refused() -> None:
    """An unknown language would be detected in silence, so it is refused; of an English model none is asked."""
    pytest.importorskip("_pywhispercpp")
    with pytest.raises(UnknownName, match="'xx'"):
        backend("*")._language("xx")
    assert [backend("*")._language(asked) for asked in ("de", None)] == ["de", ""]
    assert backend("en")._language("xx") == "en"


@pytest.mark.parametrize(
    ("device", "compute_type", "said"),
    [
        ("cuda", "float16", "compute on the cpu, not on cuda"),
        ("mps", "q5_1", "compute on the cpu, not on mps"),
        ("cpu", "float32", "float16, q8_0, q5_1, not in float32"),
        ("cpu", "int8", "not in int8"),
    ],
)
def test_what_it_lacks_is_refused_with_what_it_has(device: str, compute_type: str, said: str) -> None:
    """Its wheel is for the cpu alone, and a file in float32 would abort the process."""
    assert said in (WhisperCpp.refusal(device, compute_type) or "")
    assert WhisperCpp.refusal("cpu", "q5_1") is None


def test_each_type_has_a_file_of_its_own() -> None:
    """The layout names the type, and any Whisper checkpoint may be run."""
    assert [WhisperCpp.layout_in(kind) for kind in ("float16", "q5_1")] == ["ggml:float16", "ggml:q5_1"]
    assert misfit("whisper-cpp", Registry.read(FIXTURES / "models.toml").get("whisper-base")) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A folder without the file is a bad checkpoint."""
    pytest.importorskip("_pywhispercpp")
    with pytest.raises(BadCheckpoint, match=r"ggml-model\.bin"):
        backend(folder=tmp_path).load()
