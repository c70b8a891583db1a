"""A backend on paper, built again by another process."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from modellab.backends.base import DecodeOptions
from modellab.checkpoints.weights import Weights
from modellab.errors import BadDefinition, UnknownName
from modellab.measuring.blueprint import Blueprint
from modellab.testing import FakeBackend

WEIGHTS = Weights(checkpoint="c", layout="none", revision="r", sha256="f", languages=("en", "de"), folder=Path("/w"))


def crossed(blueprint: Blueprint) -> Blueprint:
    """Give a blueprint as it comes out of JSON."""
    return Blueprint(**json.loads(json.dumps(asdict(blueprint))))


@pytest.mark.parametrize(
    "backend",
    [
        FakeBackend(),
        FakeBackend(replies=("one", "zwei"), threads=7, seconds_per_audio=0.5),
        FakeBackend(weights=WEIGHTS),
        FakeBackend(decode=DecodeOptions(temperatures=(0.0, 0.4), prompt="Größe", beam_size=3, language="de")),
    ],
    ids=["defaults", "own fields", "weights", "decode"],
)
def test_a_backend_is_built_again_as_it_was(backend: FakeBackend) -> None:
    """What JSON brought across builds a backend that is equal in every field, tuples and paths included."""
    assert crossed(Blueprint.of("fake", backend)).build() == backend


def test_what_a_backend_did_is_not_on_paper() -> None:
    """A backend that was used is built as one that was not."""
    used = FakeBackend()
    used.load()
    assert crossed(Blueprint.of("fake", used)).build() == FakeBackend()
    own = {field.name for field in fields(FakeBackend) if field.init}
    assert set(Blueprint.of("fake", used).fields) == own


def test_a_field_that_cannot_cross_is_named() -> None:
    """A field that JSON cannot hold is refused by its name, before any process starts."""
    with pytest.raises(BadDefinition, match="'fake': replies cannot cross"):
        Blueprint.of("fake", FakeBackend(replies=(b"bytes",)))  # type: ignore[arg-type]


def test_a_backend_nobody_has_is_not_built() -> None:
    """A name that is not installed where the blueprint is built is an unknown name."""
    with pytest.raises(UnknownName, match="no backend 'fale'"):
        Blueprint.of("fale", FakeBackend()).build()
