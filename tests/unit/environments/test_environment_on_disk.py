"""An environment on this disk: why it cannot be used, what helps, and that nothing half made is left."""

import json
import sys
import sysconfig
import venv
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from modellab.environments import environment as module
from modellab.environments.definition import EnvironmentDefinition, EnvironmentDefinitions
from modellab.environments.environment import Environment, needs
from modellab.environments.home import Homes
from modellab.environments.python import python_of, version_of
from modellab.errors import EnvironmentUnavailable, UnknownName

ROOT = Path(__file__).parents[3]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLAIN = EnvironmentDefinition(name="plain", python=None, extras=(), constraints=None)


def lent(environment: Environment, source: Path = ROOT) -> None:
    """Make an environment by hand, of the packages that are here and the Model Lab in a folder."""
    venv.create(environment.folder, with_pip=False, symlinks=True)
    (site,) = (environment.folder / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(f"{source}\n{sysconfig.get_path('purelib')}\n")
    facts = {"schema": 1, "name": environment.name, "needs": needs(environment.definition)}
    (environment.folder / "environment.json").write_text(json.dumps(facts))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment that was not made."""
    return Environment.of(PLAIN, tmp_path / "cache")


def test_one_that_was_not_made_says_how_to(environment: Environment) -> None:
    """It is not there, takes no room, and the command that makes it is named."""
    assert (environment.made, environment.disk_bytes) == (False, 0)
    with pytest.raises(EnvironmentUnavailable, match="'plain' has not been made: modellab env create plain"):
        environment.open()


def test_a_whole_one_tells_what_it_has(environment: Environment) -> None:
    """Its Python, its Model Lab and the versions of its packages are told."""
    lent(environment)
    told = environment.open()
    assert (told.python, told.modellab) == (sys.version.split()[0], version("modellab"))
    assert told.versions["numpy"] == version("numpy")
    assert told.versions["sherpa-onnx"] == version("sherpa-onnx")  # which calls itself sherpa_onnx


def test_an_interpreter_that_is_gone_is_named(environment: Environment) -> None:
    """Where somebody removed the Python that it was made with, that is said, with what helps."""
    lent(environment)
    python = environment.folder / "bin" / "python"
    python.unlink()
    python.symlink_to("/opt/python3.12/bin/python3.12")
    with pytest.raises(EnvironmentUnavailable, match=r"is gone \(/opt/python3\.12/.*env remove plain && modellab env"):
        environment.open()


def test_another_definition_wants_it_made_again(environment: Environment) -> None:
    """One that was made with other extras or constraints is not used as if it were this one, nor made over."""
    lent(environment)
    other = replace(environment, definition=replace(PLAIN, extras=("vosk",)))
    for use in (other.open, other.create):
        with pytest.raises(EnvironmentUnavailable, match="'plain' was made by another definition"):
            use()


def test_another_model_lab_is_refused(environment: Environment, tmp_path: Path) -> None:
    """Code that is not this code would measure something else: its folder is named."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "modellab").symlink_to(ROOT / "modellab")
    lent(environment, tmp_path / "other")
    assert environment.open().modellab == version("modellab")
    (tmp_path / "other" / "modellab").unlink()
    for name in ("backends", "measuring"):
        (tmp_path / "other" / "modellab" / name).mkdir(parents=True)
    (tmp_path / "other" / "modellab" / "__init__.py").touch()
    (tmp_path / "other" / "modellab" / "measuring" / "host.py").touch()
    (tmp_path / "other" / "modellab" / "measuring" / "protocol.py").write_text(f"VERSION = {module_version()}\n")
    registry = "def backend_names(): return ()\ndef backend_class(name): pass\n"
    (tmp_path / "other" / "modellab" / "backends" / "registry.py").write_text(registry)
    with pytest.raises(
        EnvironmentUnavailable, match=r"'plain' has another Model Lab .*other/modellab.*env create plain"
    ):
        environment.open()


def module_version() -> int:
    """Give the version of the protocol, so that the other one's code is all that is wrong."""
    from modellab.measuring.protocol import VERSION

    return VERSION


def test_a_backend_that_it_lacks_wants_it_made_again(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was made before a backend came has nobody to build it."""
    lent(environment)
    monkeypatch.setattr(module, "_own_backends", lambda: {"faster-whisper", "brand-new"})
    with pytest.raises(EnvironmentUnavailable, match="'plain' has another Model Lab"):
        environment.open()


def test_a_failed_making_leaves_nothing_but_its_log(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pip cannot install, its last lines are said, the log is named, and no half environment is there."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(
        EnvironmentUnavailable, match=r"(?s)cannot install .*Is the package index reachable.*plain\.log"
    ):
        environment.create()
    assert not environment.made
    assert [path.name for path in environment.folder.parent.iterdir() if path.is_dir()] == ["logs"]
    assert "No matching distribution" in environment.log.read_text()


def test_an_interpreter_of_another_version_is_refused(environment: Environment) -> None:
    """One that is named is held against what the definition needs, before anything is installed."""
    other = replace(environment, definition=replace(PLAIN, python="3.99"))
    with pytest.raises(EnvironmentUnavailable, match=rf"needs Python 3\.99; .* is {HERE}"):
        other.create(Path(sys.executable))
    with pytest.raises(EnvironmentUnavailable, match=r"no Python 3\.99 here.*--python /path/to/python3\.99"):
        other.create()


def test_removing_is_harmless_where_there_is_none(environment: Environment) -> None:
    """It is gone afterwards, whether it was there or not."""
    environment.remove()
    lent(environment)
    environment.remove()
    assert not environment.folder.exists()


def test_this_interpreter_does_for_its_own_version() -> None:
    """No other is looked for where none is asked for, or this version; what is no Python has no version."""
    assert python_of(None) == python_of(HERE) == Path(sys.executable)
    assert version_of(Path(sys.executable)) == HERE
    assert version_of(ROOT / "README.md") is None


def test_pythons_of_pyenv_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter on PATH that does not start is passed over for one that pyenv has."""
    for name, said in (("bin/python3.99", "exit 1"), ("versions/3.99.1/bin/python", "echo 3.99")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert python_of("3.99") == tmp_path / "versions" / "3.99.1" / "bin" / "python"


def test_a_model_goes_where_its_entry_says_else_where_its_backend_does(tmp_path: Path) -> None:
    """The entry's word goes first; what nobody names stays in this environment; a home is opened once."""
    definitions = EnvironmentDefinitions(path=tmp_path / "environments.toml", by_name={"plain": PLAIN})
    homes = Homes(definitions=definitions, cache=tmp_path, of_backends={"pocketsphinx": "plain"})
    assert homes.of("faster-whisper", None) is None
    assert homes.of("pocketsphinx", None) is homes.of("faster-whisper", "plain")
    with pytest.raises(UnknownName, match="no environment 'none'"):
        homes.of("faster-whisper", "none")


def test_a_home_that_cannot_be_used_refuses_all(tmp_path: Path) -> None:
    """The fault is the refusal of every model there, and no versions are known."""
    definitions = EnvironmentDefinitions(path=tmp_path / "environments.toml", by_name={"plain": PLAIN})
    home = Homes(definitions=definitions, cache=tmp_path).of("fake", "plain")
    assert home is not None
    assert "modellab env create plain" in (home.refusal("fake", "cpu", "float32") or "")
    assert home.versions == {}


def test_a_home_asks_its_own_interpreter(tmp_path: Path) -> None:
    """Whether a model can run is asked there, and its refusal says where that was."""
    definitions = EnvironmentDefinitions(path=tmp_path / "environments.toml", by_name={"plain": PLAIN})
    lent(Environment.of(PLAIN, tmp_path))
    home = Homes(definitions=definitions, cache=tmp_path).of("fake", "plain")
    assert home is not None
    assert home.refusal("fake", "cpu", "float32") is None
    assert home.refusal("fake", "cpu", "int8") == "in the environment 'plain': the fake has no int8 on cpu"
    assert "no backend 'nobody'" in (home.refusal("nobody", "cpu", "float32") or "")
