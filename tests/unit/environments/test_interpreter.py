"""What an environment says of itself, and what is said of one that cannot host a worker."""

import sys
import sysconfig
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from modellab.environments.interpreter import examine, existing
from modellab.environments.surroundings import Surroundings
from modellab.errors import EnvironmentUnavailable
from modellab.measuring.protocol import VERSION

ROOT = Path(__file__).parents[3]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Surroundings]:
    """A maker of surroundings whose interpreter is a shell script."""

    def put(script: str) -> Surroundings:
        path = tmp_path / "interpreter"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return Surroundings(python=path, origin="a script")

    return put


@pytest.fixture
def stranger(tmp_path: Path) -> Callable[..., Surroundings]:
    """A maker of environments with a Model Lab of these files, and the packages that are here."""

    def make(files: dict[str, str]) -> Surroundings:
        venv.create(tmp_path / "other", with_pip=False)
        (site,) = (tmp_path / "other" / "lib").glob("python*/site-packages")
        (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for name, text in files.items():
            (site / "modellab" / name).parent.mkdir(parents=True, exist_ok=True)
            (site / "modellab" / name).write_text(text)
        return existing(tmp_path / "other")

    return make


def test_this_environment() -> None:
    """The interpreter of these tests has this Model Lab, and the layouts of its backends' weights."""
    told = examine(Surroundings(python=Path(sys.executable), origin="here"))
    assert (told.modellab, told.python) == (version("modellab"), sys.version.split()[0])
    assert told.folder.samefile(ROOT / "modellab")
    assert told.prefix == Path(sys.prefix)
    assert (told.layouts["fake"], told.layouts["faster-whisper"], told.broken) == ("none", "ctranslate2", {})


def test_the_folder_of_an_environment_will_do(tmp_path: Path) -> None:
    """A virtual environment may be named by its folder; its interpreter is not followed to where it links to."""
    venv.create(tmp_path / "other", with_pip=False)
    assert existing(tmp_path / "other").python == tmp_path / "other" / "bin" / "python"


def test_no_interpreter(tmp_path: Path) -> None:
    """A path with nothing at it is named, and what to give instead."""
    with pytest.raises(
        EnvironmentUnavailable, match=rf"no interpreter at {tmp_path}/none\. Give the path.*--base-python"
    ):
        existing(tmp_path / "none")
    with pytest.raises(EnvironmentUnavailable, match=r"no interpreter at .*bin/python"):
        existing(tmp_path)


def test_without_model_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that lacks Model Lab says how to install it, though this process could lend its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(
        EnvironmentUnavailable, match=rf"{python} has no Model Lab \(.*{python} -m pip install modellab=="
    ):
        examine(existing(python))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"measuring/protocol.py": "VERSION = 99", "measuring/host.py": ""}, r"speaks protocol 99;"),
        ({"measuring/protocol.py": f"VERSION = {VERSION}"}, r"speaks no protocol \(it is older than the workers\)"),
        ({}, r"speaks no protocol \(ModuleNotFoundError: No module named 'modellab\.measuring'\)"),
        ({"measuring/protocol.py": "1 / 0"}, r"speaks no protocol \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_another_protocol(stranger: Callable[..., Surroundings], files: dict[str, str], words: str) -> None:
    """A Model Lab that cannot be talked to is named with its version and ours, and what helps."""
    registry = "def backend_names(): return ()\nbackend_class = None"
    with pytest.raises(
        EnvironmentUnavailable, match=rf"has Model Lab {version('modellab')}, which {words}.*later revision"
    ):
        examine(stranger({"__init__.py": "", "backends/registry.py": registry, **files}))


def test_a_backend_that_cannot_be_imported(stranger: Callable[..., Surroundings]) -> None:
    """One backend of an arm that is broken does not hide the others, and its reason is known."""
    made = stranger(
        {
            "__init__.py": "print('a library that talks')",
            "measuring/protocol.py": f"VERSION = {VERSION}",
            "measuring/host.py": "",
            "backends/registry.py": "def backend_names(): return ('good', 'bad')\n"
            "class Good: layout = 'none'\n"
            "def backend_class(name):\n    if name == 'bad': raise ImportError('no such runtime')\n    return Good\n",
        }
    )
    told = examine(made)
    assert (told.layouts, told.broken) == ({"good": "none"}, {"bad": "no such runtime"})


def test_programs_that_are_no_python(program: Callable[[str], Surroundings], tmp_path: Path) -> None:
    """What answers something else, nothing, or not in time is named, with its last words."""
    with pytest.raises(
        EnvironmentUnavailable, match=r"(?s)interpreter did not say.*exit 2.*3\.11 or later.*unknown option -P"
    ):
        examine(program("echo unknown option -P >&2; exit 2"))
    with pytest.raises(EnvironmentUnavailable, match=r"did not say what it has \(exit 0\)"):
        examine(program("echo hello"))
    with pytest.raises(EnvironmentUnavailable, match=r"within 0\.2 s"):
        examine(program("exec sleep 20"), limit_s=0.2)
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(EnvironmentUnavailable, match=r"cannot start .*notes\.txt: Permission denied"):
        examine(existing(tmp_path / "notes.txt"))
