"""Under load the service answers, or says when to come again; nothing else is allowed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_fails_under_load() -> None:
    """A dozen people, programs and probes at once, on two models that make room for each other, meet no surprise."""
    command = [sys.executable, "benchmarks/service_load.py", "--users", "12", "--seconds", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "nothing failed" in done.stdout
    assert done.stderr.count("/v1/audio/transcriptions") >= 2
