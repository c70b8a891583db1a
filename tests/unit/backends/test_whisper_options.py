"""The options of single Whisper backends: what they may be, before any weights are read."""

from typing import Any

import pytest

from modellab.backends.base import DecodeOptions
from modellab.backends.registry import backend_class
from modellab.errors import BadDefinition


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("transformers", "attention", "flash"),
        ("transformers", "attention", None),
        ("transformers", "padding", "zeros"),
        ("transformers", "compiled", "yes"),
        ("transformers", "compiled", 1),
        ("faster-whisper", "batched", "yes"),
        ("faster-whisper", "batched", 1),
        ("faster-whisper", "chunks_at_once", 0),
        ("faster-whisper", "chunks_at_once", -1),
        ("faster-whisper", "chunks_at_once", 2.0),
        ("faster-whisper", "chunks_at_once", True),
        ("faster-whisper", "chunks_at_once", "8"),
    ],
)
def test_options_that_mean_nothing_are_refused(name: str, option: str, value: object) -> None:
    """A value that an option may not have is refused by the option's name."""
    with pytest.raises(BadDefinition, match=option):
        backend_class(name)(weights=None, **{option: value})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("transformers", {"attention": "eager", "compiled": True, "padding": "silence"}),
        ("faster-whisper", {"batched": True, "chunks_at_once": 2}),
    ],
)
def test_options_go_into_the_record(name: str, options: dict[str, Any]) -> None:
    """What was chosen stands among the options of the backend."""
    assert options.items() <= backend_class(name)(weights=None, **options).options().items()


def test_transformers_gives_times_of_words() -> None:
    """Times of words are no longer among what transformers cannot follow."""
    backend = backend_class("transformers")(weights=None, decode=DecodeOptions(timestamps="word", vad=True))
    assert backend.not_honoured() == ("vad",)
