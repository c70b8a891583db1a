"""Auto: which device is meant where none is named."""

import sys
from types import SimpleNamespace

import pytest

from modellab.backends import registry
from modellab.backends.auto import resolve
from modellab.errors import UnknownName

TORCH = ("openai-whisper", "transformers")


@pytest.fixture(autouse=True)
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every runtime counts as installed."""
    monkeypatch.setattr(registry, "runtime_version", lambda name: "1.0")


def torch_sees(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    """Put a torch in place that sees so many CUDA devices, and an Apple GPU or none."""
    stand_in = SimpleNamespace(
        cuda=SimpleNamespace(device_count=lambda: cuda),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
    )
    monkeypatch.setitem(sys.modules, "torch", stand_in)


def ctranslate2_sees(monkeypatch: pytest.MonkeyPatch, cuda: int, *types: str) -> None:
    """Put a CTranslate2 in place that sees so many CUDA devices, each with these compute types."""
    stand_in = SimpleNamespace(
        get_cuda_device_count=lambda: cuda,
        get_supported_compute_types=lambda kind: {"float32", *(types if kind == "cuda" else ("int8",))},
    )
    monkeypatch.setitem(sys.modules, "ctranslate2", stand_in)


@pytest.mark.parametrize("backend", TORCH)
@pytest.mark.parametrize(
    ("cuda", "mps", "meant"), [(2, True, "cuda"), (1, False, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_torch_says_what_there_is(
    monkeypatch: pytest.MonkeyPatch, backend: str, cuda: int, mps: bool, meant: str
) -> None:
    """With torch a CUDA device goes before an Apple GPU, and that before the cpu."""
    torch_sees(monkeypatch, cuda=cuda, mps=mps)
    assert resolve("auto", backend, "float32") == meant


@pytest.mark.parametrize(("cuda", "meant"), [(0, "cpu"), (1, "cuda")])
def test_ctranslate2_is_asked_itself(monkeypatch: pytest.MonkeyPatch, cuda: int, meant: str) -> None:
    """What torch sees says nothing of faster-whisper, which cannot use an Apple GPU."""
    torch_sees(monkeypatch, cuda=1 - cuda, mps=True)
    ctranslate2_sees(monkeypatch, cuda)
    assert resolve("auto", "faster-whisper", "float32") == meant


def test_a_device_that_cannot_compute_so_is_not_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that lacks the compute type is passed over where the cpu has it."""
    ctranslate2_sees(monkeypatch, 1, "float16")
    assert resolve("auto", "faster-whisper", "float16") == "cuda"
    assert resolve("auto", "faster-whisper", "int8") == "cpu"


def test_where_nothing_can_compute_so_the_cpu_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no device computes in a type, the cpu is meant, and its refusal has the reason."""
    torch_sees(monkeypatch, cuda=1, mps=True)
    assert resolve("auto", "transformers", "int8") == "cpu"
    assert "int8" in str(registry.refusal("transformers", "cpu", "int8"))


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda", "cuda:7"])
def test_a_named_device_is_itself(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """A device that is named is never another, though it is not there."""
    torch_sees(monkeypatch)
    assert resolve(device, "transformers", "float32") == device


@pytest.mark.parametrize(("backend", "compute_type"), [("wisper", "float32"), ("fake", "int4")])
def test_unknown_names_are_refused(backend: str, compute_type: str) -> None:
    """A backend or a compute type that nobody knows has no device."""
    with pytest.raises(UnknownName):
        resolve("auto", backend, compute_type)
