"""Which backends there are, and why one cannot run here."""

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import pytest

from modellab.backends import requirement
from modellab.backends.registry import (
    COMPUTE_TYPES,
    backend_class,
    backend_names,
    misfit,
    options_of,
    refusal,
    runtime_version,
)
from modellab.checkpoints.registry import Checkpoint
from modellab.errors import BackendUnavailable, UnknownName
from modellab.sources.files import PinnedFile
from modellab.testing import FakeBackend

Install = Callable[..., None]
SUBCLASS = """
from dataclasses import dataclass
from typing import ClassVar
from modellab.testing import FakeBackend

@dataclass(kw_only=True)
class House(FakeBackend):
    package: ClassVar[str] = "{package}"

house = House()
"""


def test_the_backends_of_this_package_are_known() -> None:
    """The three runtimes and the fake are installed by this package, and names are sorted."""
    names = backend_names()
    assert {"fake", "faster-whisper", "openai-whisper", "transformers"} <= set(names)
    assert list(names) == sorted(names)
    assert backend_class("fake") is FakeBackend


def test_an_unknown_backend_gives_the_nearest() -> None:
    """A backend nobody offers is refused with the nearest name and all names."""
    with pytest.raises(UnknownName, match="no backend 'faster_whisper'. Did you mean 'faster-whisper'"):  # noqa: RUF043
        backend_class("faster_whisper")


def test_an_unknown_compute_type_gives_the_nearest() -> None:
    """A compute type nobody knows is refused with the nearest one, whatever the backend."""
    with pytest.raises(UnknownName, match=r"no compute type 'flaot32'\. Did you mean 'float32'"):
        refusal("fake", "cpu", "flaot32")


HERE = Checkpoint(
    name="tiny", architecture="whisper", layout="ctranslate2", languages=("en",), license="MIT", upstream="me/tiny",
    revision="1", files=(PinnedFile(name="model.bin"),), sources=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("fake", None, None),
        ("faster-whisper", None, None),
        ("remote", None, "'remote' wants options that tiny does not state: base_url, model"),
        ("remote", {"base_url": "http://localhost/v1", "model": "m", "concurrency": 2}, None),
        (
            "remote",
            {"base_url": "http://localhost/v1", "model": "m", "key": "sk-1"},
            "lacks: key; it has",
        ),
        ("remote", {"base_url": "http://localhost/v1", "model": "m", "device": "x"}, "lacks: device"),
        ("remote", {"base_url": "nowhere", "model": "m"}, "tiny: base_url must be"),
        ("fake", {"base_url": "http://localhost/v1"}, "'fake' lacks: base_url"),
        ("fake", {"seconds_per_audio": 0.1}, None),
        ("transformers", {"base_url": "x"}, "tiny has no files, and backend 'transformers' needs"),
    ],
)
def test_a_checkpoint_and_a_backend_must_fit(name: str, options: dict | None, reason: str | None) -> None:
    """Files are for a backend that reads them, options for one that has them all; no value is repeated."""
    checkpoint = HERE if options is None else replace(HERE, layout="none", files=(), options=options)
    said = misfit(name, checkpoint)
    assert (said is None) == (reason is None)
    assert (reason or "") in (said or "")
    assert "sk-1" not in (said or "")


def test_an_architecture_is_for_the_runtimes_that_run_it() -> None:
    """A checkpoint in the right layout but of another architecture is refused by name; the fake takes any."""
    other = replace(HERE, architecture="wav2vec2")
    assert misfit("faster-whisper", other) == "tiny is wav2vec2, and backend 'faster-whisper' runs whisper"
    assert misfit("fake", other) is None


def test_options_of_the_bench_are_held_against_the_backend() -> None:
    """Options that the bench states fill in for those that a checkpoint does not, and the checkpoint's own go first."""
    assert "lacks: base_url" in (misfit("fake", HERE, {"base_url": "x"}) or "")
    assert misfit("remote", HERE, {"base_url": "http://localhost/v1", "model": "m"}) is None
    elsewhere = replace(HERE, layout="none", files=(), options={"base_url": "nowhere", "model": "m"})
    assert "base_url must be" in (misfit("remote", elsewhere, {"base_url": "http://localhost/v1"}) or "")
    assert options_of("fake")[:2] == ("replies", "seconds_per_audio")


def test_anybodys_package_can_add_one(install: Install) -> None:
    """A backend that another package offers by its entry point is named, found and may run."""
    install("house = house_brand:House", SUBCLASS.format(package="house-brand"))
    assert "house" in backend_names()
    assert backend_class("house").__name__ == "House"
    assert runtime_version("house") == "1.0"
    assert refusal("house", "cpu", "float32") is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:House", "cannot be imported: No module named 'no_such_module'"),
        ("house_brand:Missing", "cannot be imported: .*Missing"),
        ("house_brand:Fragile.Missing", "cannot be imported"),
        ("house_brand:house", "is not a class derived from Backend"),
        ("pathlib:Path", "is not a class derived from Backend"),
    ],
)
def test_a_backend_that_cannot_be_imported_says_so(install: Install, value: str, reason: str) -> None:
    """An entry point that leads to no backend class is unavailable, naming the backend, where it leads and why."""
    install(f"house = {value}", SUBCLASS.format(package="house-brand"))
    with pytest.raises(BackendUnavailable, match=rf"'house' \({re.escape(value)}\) {reason}"):
        backend_class("house")


def test_a_backend_whose_module_lacks_a_package_says_which(install: Install) -> None:
    """A backend whose module imports what is not installed is unavailable, naming the missing module."""
    install("house = house_brand:House", "import no_such_sdk\n")
    with pytest.raises(BackendUnavailable, match="no_such_sdk"):
        backend_class("house")


def test_a_runtime_that_is_not_installed_says_what_to_install(install: Install) -> None:
    """A backend whose runtime's package is missing has no version, and the refusal holds the command that helps."""
    install("house = house_brand:House", SUBCLASS.format(package="no-such-sdk"))
    assert runtime_version("house") is None
    refused = refusal("house", "cpu", "float32")
    assert refused == "backend 'house' needs package 'no-such-sdk': pip install 'no-such-sdk'"


def absent(package: str) -> str:
    """Say that a package is not installed."""
    raise PackageNotFoundError(package)


def test_a_runtime_of_ours_is_installed_as_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the backend is of this package, what is to be installed is the extra that names it."""
    monkeypatch.setattr(requirement, "version", absent)
    refused = refusal("whisper-cpp", "cpu", "float32")
    assert refused == "backend 'whisper-cpp' needs package 'pywhispercpp': pip install 'modellab[whisper-cpp]'"


@pytest.mark.parametrize(
    ("requires", "remedy"),
    [
        ("numpy<1", "'numpy<1'"),
        ("numpy<1; extra == 'all'\nNumPy<2,!=1.5; extra == 'runtime'", "'house-brand[runtime]'"),
        ("scipy<1", None),
        ("numpy>=1", None),
    ],
)
def test_a_runtime_of_another_version_is_refused(install: Install, requires: str, remedy: str | None) -> None:
    """A version that the backend's package does not ask for is named, with what it asks for and what to install."""
    install("house = house_brand:House", SUBCLASS.format(package="numpy"), requires)
    refused = refusal("house", "cpu", "float32")
    if remedy is None:
        assert refused is None
    else:
        assert refused is not None
        assert refused.startswith("backend 'house' needs numpy")
        assert f"and {version('numpy')} is installed: pip install {remedy}" in refused


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_a_backend_is_asked_about_every_compute_type_there_is(compute_type: str) -> None:
    """Each known compute type is put to the backend, whose own words are the answer."""
    assert refusal("fake", "cpu", compute_type) == FakeBackend.refusal("cpu", compute_type)
