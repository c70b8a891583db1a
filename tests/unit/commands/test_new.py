"""modellab new backend: what it writes keeps the contract as soon as it is installed; a bad name writes nothing."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.cli import main
from modellab.commands.new import write_backend


@pytest.fixture
def tested() -> Callable[..., str]:
    """A runner of a package's tests in a fresh process, where it is installed by the entry points it declares."""

    def run(folder: Path) -> str:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        about.mkdir()
        head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (about / "METADATA").write_text(head)
        points = [
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
            for group, named in project["entry-points"].items()
        ]
        (about / "entry_points.txt").write_text("\n".join(points))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rA", "-W", "error", "-p", "no:cacheprovider", str(folder)],
            capture_output=True, text=True, check=False, timeout=300, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )  # fmt: skip
        return done.stdout + done.stderr

    return run


def test_what_it_writes_keeps_the_contract(
    tmp_path: Path, tested: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The package is three files, says what comes next, and passes every rule of the contract as it stands."""
    assert main(["new", "backend", "my-runtime2", "--into", str(tmp_path / "mine")]) == 0
    folder = tmp_path / "mine" / "modellab-my-runtime2"
    assert {path.name for path in folder.iterdir()} == {
        "pyproject.toml",
        "modellab_my_runtime2.py",
        "test_modellab_my_runtime2.py",
    }
    assert f"pip install -e {folder}" in capsys.readouterr().out
    written = tested(folder)
    assert "15 passed" in written, written
    assert not {"failed", "skipped", "error"} & set(written.splitlines()[-1].replace(",", "").split()), written


def test_a_toy_that_breaks_a_promise_fails(tmp_path: Path, tested: Callable[..., str]) -> None:
    """The tests that are written do test the backend: one that writes words of silence fails."""
    folder = write_backend("broken", tmp_path)
    module = folder / "modellab_broken.py"
    module.write_text(module.read_text().replace("self._model(audio)", "self._model(audio) or 'you'"))
    written = tested(folder)
    assert "FAILED" in written
    assert {line.partition("::")[2].partition("[")[0] for line in written.splitlines() if line[:6] == "FAILED"} == {
        "TestBrokenBackend::test_silence_has_no_words"
    }


@pytest.mark.parametrize(
    "name", ["", "Riva", "my_runtime", "1st", "-x", "x-", "a--b", "../up", "a/b", "a b", "a.b", 'a"b', "é", "a\n"]
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """What cannot be the name of a package is refused in one line, and nothing is written."""
    assert main(["new", "backend", "--into", str(tmp_path), "--", name]) == 1
    assert f"not {name!r}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of an installed backend is refused, and nothing is written."""
    assert main(["new", "backend", "faster-whisper", "--into", str(tmp_path)]) == 1
    assert "'faster-whisper' is installed already" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["none", "class", "backend", "audio", "riva"])
def test_no_name_clashes_with_what_the_file_needs(tmp_path: Path, name: str) -> None:
    """Keywords, and the names that the file imports, are as good as any."""
    folder = write_backend(name, tmp_path)
    source = (folder / f"modellab_{name}.py").read_text()
    compile(source, name, "exec")
    assert f"class {name.title()}Backend(Backend):" in source
    assert "$" not in "".join(path.read_text() for path in folder.iterdir())


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is there is left as it is, file for file."""
    folder = write_backend("mine", tmp_path)
    (folder / "modellab_mine.py").write_text("my work")
    (folder / "pyproject.toml").unlink()
    assert main(["new", "backend", "mine", "--into", str(tmp_path)]) == 1
    assert "nothing is written over" in capsys.readouterr().err
    assert (folder / "modellab_mine.py").read_text() == "my work"
    assert not (folder / "pyproject.toml").exists()


def test_a_place_that_is_no_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a file stands in the way, the command says so in one line."""
    (tmp_path / "file").write_text("")
    assert main(["new", "backend", "mine", "--into", str(tmp_path / "file")]) == 1
    assert f"cannot write {tmp_path / 'file' / 'modellab-mine'}" in capsys.readouterr().err
