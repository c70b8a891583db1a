"""Flame graph: what this process is at, a hundred times a second, as py-spy draws it.

Source: https://github.com/benfred/py-spy (MIT).
"""

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from tempfile import TemporaryFile
from typing import BinaryIO, TypeAlias

from tqdm import TMonitor, tqdm

from modellab.errors import MeasurementRefused, ReportToolMissing

FORMATS = {".svg": "flamegraph", ".json": "speedscope"}
START_S = END_S = 60.0  # how long it may take to begin, and to write at the end

_POLL_S = 0.05
_STARTED = "Sampling process"
_REMEDY = (
    "It needs leave to trace processes: run this as root, or in a container with --cap-add SYS_PTRACE; "
    "on Linux `sysctl kernel.yama.ptrace_scope` says who may"
)
_PR_SET_PTRACER = 0x59616D61  # Linux: include/uapi/linux/prctl.h
_ANYBODY, _NOBODY = ctypes.c_ulong(-1), ctypes.c_ulong(0)

Process: TypeAlias = subprocess.Popen[bytes]


def py_spy() -> str:
    """Give the path of py-spy, beside this Python or on the PATH.

    Raises:
        ReportToolMissing: when it is not installed.
    """
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    found = shutil.which("py-spy", path=places)
    if found is None:
        raise ReportToolMissing("a flame graph needs py-spy: pip install 'modellab[profile]'")
    return found


@contextmanager
def flame_graph(into: Path) -> Iterator[None]:
    """Sample the stacks of this process meanwhile, and write them to a file in the format of its suffix (FORMATS).

    Stacks that wait are counted too: a runtime's own threads compute while ours waits. Frames are those of Python: with
    native ones the stacks of torch break in two, since its kernels cannot be walked.

    Raises:
        ReportToolMissing: when py-spy is not installed.
        MeasurementRefused: when it may not look into this process, or writes nothing, in its own words.
    """
    program = py_spy()
    with TemporaryFile() as log, _traceable(), _without_monitors():
        process = _start(program, into, log)
        try:
            yield
        finally:
            _end(process)
        if process.returncode:
            raise MeasurementRefused(f"py-spy wrote no flame graph to {into}: {_said(log)}")


def _start(program: str, into: Path, log: BinaryIO) -> Process:
    """Start a py-spy and wait until it samples this process.

    Raises:
        MeasurementRefused: when it ends before, or does not start to in time.
    """
    command = [program, "record", "--pid", str(os.getpid()), "--output", str(into), "--format", FORMATS[into.suffix]]
    process = subprocess.Popen([*command, "--idle"], stdout=log, stderr=log, start_new_session=True)  # noqa: S603
    give_up_s = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < give_up_s:
        if _STARTED in _said(log):
            return process
        time.sleep(_POLL_S)
    process.kill()
    process.wait()
    raise MeasurementRefused(f"py-spy cannot look into this process. It said: {_said(log) or 'nothing'}. {_REMEDY}")


def _end(process: Process) -> None:
    process.send_signal(SIGINT)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _said(log: BinaryIO) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    return " ".join(line.strip() for line in lines if line.strip())


@contextmanager
def _traceable() -> Iterator[None]:
    """Let any process of this user look into this one meanwhile, where Linux would leave that to its ancestors."""
    if sys.platform != "linux":
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PTRACER, _ANYBODY)
    try:
        yield
    finally:
        prctl(_PR_SET_PTRACER, _NOBODY)


@contextmanager
def _without_monitors() -> Iterator[None]:
    """Do without the threads behind progress bars: they wait, and would be drawn as wide as the one that works."""
    interval, tqdm.monitor_interval = tqdm.monitor_interval, 0
    for thread in threading.enumerate():
        if isinstance(thread, TMonitor):
            thread.exit()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        tqdm.monitor_interval = interval
