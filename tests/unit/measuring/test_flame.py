"""Flame graphs: what py-spy draws of this process, and what is said where it cannot."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from tqdm import tqdm
from tqdm.asyncio import tqdm as asynchronous

from modellab.errors import MeasurementRefused, ReportToolMissing
from modellab.measuring.flame import flame_graph, py_spy

PYTHON = sys.executable

# A background job is born deaf to Ctrl-C, and so is a shell's trap there; Python's handler is not, nor is py-spy's.
WAITS = """
import signal, sys, time
def stop(*_):
    {stop}
signal.signal(signal.SIGINT, stop)
print("py-spy> Sampling process 100 times a second. Press Control-C to exit.", flush=True)
time.sleep(60)
"""
DRAWS = WAITS.format(stop="open(sys.argv[5], 'w').write(' '.join(sys.argv[1:])); sys.exit(0)")
CUT_SHORT = WAITS.format(stop="sys.exit('Error: No space left on device')")
REFUSES = "import sys; sys.exit('Permission Denied: Try running again with elevated permissions')"


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a script in the place of py-spy; of None, nothing."""

    def put(script: str | None) -> None:
        programs = tmp_path / "bin"
        programs.mkdir()
        if script:
            (programs / "py-spy").write_text(f"#!{PYTHON}\n{script}")
            (programs / "py-spy").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(programs / "python"))
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin" if script else str(programs))

    return put


def busy_for(seconds: float) -> None:
    """Compute for so long."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        sum(range(1000))


@pytest.mark.parametrize("suffix", [".svg", ".json"])
def test_this_process_is_drawn(tmp_path: Path, suffix: str) -> None:
    """The graph holds what this process was at, a wait included, and of the threads of progress bars nothing."""
    if not _installed():
        pytest.skip("py-spy is not installed")
    tqdm(disable=True)
    asynchronous(disable=True)  # as transformers has it: with a monitor of its own
    path = tmp_path / f"graph{suffix}"
    try:
        with flame_graph(path):
            busy_for(0.5)
            threading.Event().wait(0.5)
    except MeasurementRefused as error:
        if "Permission" not in str(error):
            raise
        pytest.skip(f"nobody may trace processes here: {error}")
    drawn = path.read_text()
    assert "busy_for" in drawn
    assert "threading.py" in drawn
    assert "TMonitor" not in drawn
    if suffix == ".json":
        assert "speedscope" in json.loads(drawn)["$schema"]
    else:
        assert "<svg" in drawn


def _installed() -> bool:
    try:
        return bool(py_spy())
    except ReportToolMissing:
        return False


def test_this_process_is_named_and_the_format_is_of_the_suffix(pretend, tmp_path: Path) -> None:
    """It is asked to sample this process, waiting threads too, into the file that was named."""
    pretend(DRAWS)
    path = tmp_path / "graph.json"
    with flame_graph(path):
        pass
    said = path.read_text().split()
    assert said[:3] == ["record", "--pid", str(os.getpid())]
    assert said[3:] == ["--output", str(path), "--format", "speedscope", "--idle"]


def test_without_leave_to_trace_the_remedy_is_told(pretend, tmp_path: Path) -> None:
    """Where it may not look, its own words and what helps are told, before anything is done."""
    pretend(REFUSES)
    with (
        pytest.raises(MeasurementRefused, match=r"Permission Denied.*elevated permissions.*SYS_PTRACE"),
        flame_graph(tmp_path / "graph.svg"),
    ):
        pytest.fail("it began")


def test_a_graph_that_is_not_written_is_an_error(pretend, tmp_path: Path) -> None:
    """Where it fails at the end, its own words are told."""
    pretend(CUT_SHORT)
    with pytest.raises(MeasurementRefused, match="No space left"), flame_graph(tmp_path / "graph.svg"):
        pass


def test_what_fails_meanwhile_is_raised(pretend, tmp_path: Path) -> None:
    """An error of what is drawn comes through, and py-spy is ended."""
    pretend(DRAWS)
    path = tmp_path / "graph.svg"
    with pytest.raises(KeyboardInterrupt), flame_graph(path):
        raise KeyboardInterrupt
    assert path.exists()


def test_without_py_spy_the_extra_is_named(pretend, tmp_path: Path) -> None:
    """Where it is not installed, the extra to install is named."""
    pretend(None)
    with pytest.raises(ReportToolMissing, match=r"modellab\[profile\]"), flame_graph(tmp_path / "graph.svg"):
        pytest.fail("it began")


def test_progress_bars_are_watched_again_afterwards(pretend, tmp_path: Path) -> None:
    """The interval of the monitor of progress bars is what it was."""
    pretend(DRAWS)
    before_s = tqdm.monitor_interval
    with flame_graph(tmp_path / "graph.svg"):
        assert tqdm.monitor_interval == 0
    assert tqdm.monitor_interval == before_s > 0
