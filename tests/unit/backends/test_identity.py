"""Identity: when the words of one model may be taken for another's."""

from typing import Any, ClassVar

import pytest

from modellab.backends import identity as module
from modellab.backends.identity import identity
from modellab.testing import FakeBackend

OPTIONS: dict[str, Any] = {
    "weights": {"checkpoint": "tiny", "layout": "l", "revision": "1", "sha256": "ab"},
    "device": "cpu",
    "compute_type": "float32",
    "threads": 1,
    "decode": {"beam_size": 1, "language": None},
}


class Weighted(FakeBackend):
    """A fake that needs weights."""

    layout: ClassVar[str] = "l"
    engines: ClassVar[tuple[str, ...]] = ("numpy",)


class Other(FakeBackend):
    """A fake of another runtime."""

    layout: ClassVar[str] = "l"
    package: ClassVar[str] = "numpy"


def test_equal_models_have_equal_identities() -> None:
    """Neither the number of threads nor which of two equal devices changes what is written."""
    one = identity(Weighted, "cpu", OPTIONS)
    assert one is not None
    assert identity(Weighted, "cpu", {**OPTIONS, "threads": 8}) == one


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": {**OPTIONS["weights"], "sha256": "cd"}},
        {"weights": {**OPTIONS["weights"], "layout": "m"}},
        {"compute_type": "int8"},
        {"decode": {"beam_size": 5, "language": None}},
        {"padding": "silence"},
    ],
)
def test_options_and_weights_make_another(changed: dict[str, Any]) -> None:
    """Whatever the words follow from makes another identity."""
    assert identity(Weighted, "cpu", {**OPTIONS, **changed}) != identity(Weighted, "cpu", OPTIONS)


@pytest.mark.parametrize("what", ["version", "source", "hardware"])
def test_code_and_hardware_make_another(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Another version of a package that computes, another source of the backend or another processor is another."""
    before = identity(Weighted, "cpu", OPTIONS)
    changed = {
        "version": ("_version", lambda package, versions: "0" if package == "numpy" else "same"),
        "source": ("_source", lambda name: "other"),
        "hardware": ("device_class", lambda device: "other"),
    }
    monkeypatch.setattr(module, *changed[what])
    assert identity(Weighted, "cpu", OPTIONS) != before


def test_runtimes_are_told_apart() -> None:
    """Another package is another runtime."""
    assert identity(Weighted, "cpu", OPTIONS) != identity(Other, "cpu", OPTIONS)


@pytest.mark.parametrize("weights", [None, {}, {"sha256": None}, {"sha256": ""}])
def test_unknown_weights_have_no_identity(weights: Any) -> None:
    """Where nobody knows the hash of the weights, nothing is equal."""
    assert identity(Weighted, "cpu", {**OPTIONS, "weights": weights}) is None


def test_a_runtime_that_brings_its_weights_has_no_identity() -> None:
    """The hash of a checkpoint says nothing of a runtime that does not read it."""
    assert identity(FakeBackend, "cpu", OPTIONS) is None


def test_versions_of_another_environment_count_instead() -> None:
    """Where a model runs in an environment, its packages' versions are told apart, and not those of this one."""
    there = {"numpy": "0.1", "unrelated": "1"}
    odd = type("Odd", (Weighted,), {"engines": ("Num_Py",), "__module__": Weighted.__module__})
    assert identity(odd, "cpu", OPTIONS, {"num-py": "1"}) != identity(odd, "cpu", OPTIONS, {"num-py": "2"})
    one = identity(Weighted, "cpu", OPTIONS, there)
    assert one != identity(Weighted, "cpu", OPTIONS)
    assert one == identity(Weighted, "cpu", OPTIONS, {**there, "unrelated": "2"})
    assert one != identity(Weighted, "cpu", OPTIONS, {**there, "numpy": "0.2"})
