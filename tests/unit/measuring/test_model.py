"""A model on the bench: loaded when first needed, once."""

import pytest

from modellab.backends.spec import parse_spec
from modellab.errors import BadCheckpoint
from modellab.measuring.model import Model
from modellab.testing import FakeBackend

SPEC = parse_spec("fake:none:cpu:float32")


def model(backend: FakeBackend, languages: tuple[str, ...] = ("*",)) -> Model:
    """Give a model with this backend."""
    return Model(SPEC, languages, lambda: backend)


def test_a_backend_is_loaded_at_first_use_and_once() -> None:
    """Nothing is loaded until the backend is asked for, and asking again gives the same one."""
    backend = FakeBackend()
    made = model(backend)
    assert backend.loads == 0
    assert made.backend is made.backend is backend
    assert backend.loads == 1
    assert (made.id, repr(made)) == (SPEC.id, f"<model {SPEC.id}>")


def test_a_failed_load_is_remembered() -> None:
    """What a load raised is raised each time the backend is asked for, and loading is not tried again."""
    backend = FakeBackend()
    backend.load_error = BadCheckpoint("torn")
    made = model(backend)
    for _ in range(2):
        with pytest.raises(BadCheckpoint, match="torn"):
            _ = made.backend
        backend.load_error = None
    assert backend.loads == 0


def test_closing_gives_the_backend_back_once() -> None:
    """A model that was never used closes nothing; one that was closes once, and is loaded again when asked for."""
    backend = FakeBackend()
    made = model(backend)
    made.close()
    assert backend.closes == 0
    _ = made.backend
    made.close()
    made.close()
    assert backend.closes == 1
    assert made.backend is backend
    assert backend.loads == 2


@pytest.mark.parametrize(
    ("known", "asked", "speaks"),
    [
        (("en",), ("en",), True),
        (("en",), ("de",), False),
        (("en",), ("de", "en"), False),
        (("en",), (), True),
        (("*",), ("de", "xx"), True),
        (("de", "en"), ("en",), True),
    ],
)
def test_a_model_speaks_what_its_checkpoint_knows(known: tuple[str, ...], asked: tuple[str, ...], speaks: bool) -> None:
    """A model speaks languages if its checkpoint knows each of them, or many."""
    assert model(FakeBackend(), known).speaks(asked) is speaks
