"""Settling: a GPU has done what it was asked for when a backend on torch returns, so that a clock may stop."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modellab.backends.openai_whisper import OpenAIWhisper
from modellab.backends.transformers import Transformers
from modellab.speech.audio import Audio

SOUND = Audio(samples=np.zeros(16_000, np.float32))


class Gpu:
    """A torch whose GPU has work to do until it is waited for; it stands for any model as well."""

    def __init__(self) -> None:
        self.busy = False
        self.cuda = SimpleNamespace(synchronize=self.finish)

    def set_num_threads(self, threads: int) -> None:
        """Accept a number of threads."""

    def finish(self, device: str) -> None:
        """Be done with everything."""
        self.busy = False

    def start(self, *given: Any, **named: Any) -> Any:
        """Begin work and return at once, as a GPU does."""
        self.busy = True
        return self

    def transcribe(self, *given: Any, **named: Any) -> dict[str, Any]:
        """Begin work and answer."""
        self.start()
        return {"segments": [], "text": "", "language": "en"}

    to = eval = start


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """A torch with a GPU, and runtimes that load onto it."""
    stand_in = Gpu()
    loader = SimpleNamespace(from_pretrained=stand_in.start)
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    monkeypatch.setitem(sys.modules, "whisper", SimpleNamespace(load_model=stand_in.start))
    monkeypatch.setitem(sys.modules, "safetensors", SimpleNamespace(SafetensorError=ValueError))
    monkeypatch.setitem(
        sys.modules,
        "transformers",
        SimpleNamespace(WhisperForConditionalGeneration=loader, WhisperProcessor=loader),
    )
    stand_in.float32 = None  # type: ignore[attr-defined]
    return stand_in


@pytest.mark.parametrize("kind", [OpenAIWhisper, Transformers])
def test_weights_have_arrived_when_they_are_loaded(gpu: Gpu, tmp_path: Path, kind: type[Any]) -> None:
    """When `load` returns, the GPU has all weights: the time of loading is not the first utterance's."""
    backend = kind(weights=SimpleNamespace(folder=tmp_path, english_only=True), device="cuda")
    gpu.start()
    backend.load()
    assert not gpu.busy


def test_openai_whisper_has_finished_when_it_answers(gpu: Gpu, tmp_path: Path) -> None:
    """When `transcribe` returns, nothing is left to do on the GPU."""
    backend = OpenAIWhisper(weights=SimpleNamespace(folder=tmp_path, english_only=True), device="cuda")
    backend.load()
    backend.transcribe([SOUND])
    assert not gpu.busy
