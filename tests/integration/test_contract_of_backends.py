"""The contract on the backends of this package, with real weights and real speech."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from modellab.backends.base import Backend
from modellab.backends.registry import backend_class
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.contract import BackendContract
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.sources.cache import CACHE_VARIABLE, cache_root
from modellab.speech.audio import Audio, read_audio

FIXTURES = Path(__file__).parents[2] / "fixtures"


class RealContract(BackendContract):
    """The contract on whisper-tiny.en in float32, which hears three read sentences."""

    sdk: ClassVar[str]

    @classmethod
    def make(cls) -> Backend:
        """Give the backend with its weights, on two threads."""
        pytest.importorskip(cls.sdk)
        backend = backend_class(cls.name)
        checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")
        return backend(weights=prepare(checkpoint, backend.layout, _cache()), threads=2)

    @classmethod
    def speech(cls) -> Sequence[Audio]:
        """Give three sentences."""
        corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), _cache())
        return [read_audio(utterance.audio) for utterance in list(corpus)[:3]]


class TestOpenAIWhisper(RealContract):
    """The contract on openai-whisper."""

    name, sdk = "openai-whisper", "whisper"


class TestFasterWhisper(RealContract):
    """The contract on faster-whisper."""

    name, sdk = "faster-whisper", "faster_whisper"


class TestTransformers(RealContract):
    """The contract on transformers."""

    name, sdk = "transformers", "transformers"


def _cache() -> Path:
    override = os.environ.get(CACHE_VARIABLE)
    return cache_root(Path(override) if override else None)
