"""Whether a server holds out: fifty people, programs and probes at once, for a minute, on two stubs and fifty runs.

The pool holds one model, so that the two make room for each other all the time; rates are not limited in the first
half and are in the second, so that both ways of saying "later" are met. What counts as failed stands in
tests/load/locustfile.py.

    python benchmarks/service_load.py [--users N] [--seconds N]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from service_index import write_runs
from service_memory import write_fixtures

from modellab.server.process import ServerProcess

RUNS = 50
SCENES = Path(__file__).parents[1] / "tests" / "load" / "locustfile.py"


def load(folder: Path, users: int, seconds: int, per_minute: int) -> int:
    """Have so many users ask a server for so many seconds; print what locust saw, and give its status."""
    settings = {
        "FIXTURES": str(write_fixtures(folder / "fixtures", leaks_bytes=0)),
        "POOL__MODELS": "1",
        "POOL__REPLICAS": "2",
        "POOL__MAX_WAITING": "8",
        "RATE__PER_MINUTE": str(per_minute),
    }
    write_runs(folder / "server" / "runs", RUNS)
    with ServerProcess(folder=folder / "server", settings=settings) as server:
        return subprocess.run(
            [
                sys.executable, "-m", "locust", "-f", str(SCENES), "--headless", "--only-summary",
                "--host", server.url, "--users", str(users), "--spawn-rate", str(max(1, users // 5)),
                "--run-time", f"{seconds}s", "--stop-timeout", "30", "--exit-code-on-error", "1",
            ],
            env={**os.environ, "MODELLAB_LOAD_MODELS": "fake:one:cpu:float32,fake:other:cpu:float32"},
            check=False,
        ).returncode  # fmt: skip


def main() -> int:
    """Measure and print; give 0 where nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    statuses = []
    for name, per_minute in (("unlimited", 1_000_000), ("600 requests a minute", 600)):
        sys.stdout.write(f"{options.users} users for {options.seconds} s, {name}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory() as folder:
            statuses.append(load(Path(folder), options.users, options.seconds, per_minute))
    sys.stdout.write(f"{'nothing failed' if not any(statuses) else 'something FAILED'}\n")
    return 1 if any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
