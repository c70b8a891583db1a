"""Command: the call of pytest that an order means, and what it is started with. No shell ever sees it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modellab.records.environment import usable_cores
from modellab.server.definitions import Definitions
from modellab.server.jobs.check import models_and_backends
from modellab.server.jobs.order import Order

_LISTS = {
    "models": "--model",
    "backends": "--backend",
    "devices": "--device",
    "compute_types": "--compute-type",
    "corpora": "--corpus",
}
_NUMBERS = ("limit", "seed", "batch_size", "rounds", "threads")

# The server's own settings, its key above all, are none of a child's business; the rest would bend its pytest.
_LEFT_OUT = ("MODELLAB_SERVER_", "PYTEST_", "COV_CORE_", "OTEL_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where an evaluation is run.

    Attributes:
        benchmarks: the folder of the claims; pytest is started in the one above it.
        fixtures: the folder of models.toml and the like.
        definitions: what stands there.
    """

    benchmarks: Path
    fixtures: Path
    definitions: Definitions

    @property
    def cwd(self) -> Path:
        """The folder that pytest is started in."""
        return self.benchmarks.absolute().parent

    def command(self, order: Order, folder: Path) -> tuple[str, ...]:
        """Give the call that writes a run into a folder, or goes on with the run that is there."""
        where = "resume" if (folder / "run.json").is_file() else "run-dir"
        named = vars(order)
        return (
            *(sys.executable, "-m", "pytest", str(self.benchmarks.absolute())),
            *("-m", order.lane),
            *("-n", str(self._processes(order))),
            *(["--unbudgeted"] if order.lane == "performance" else []),
            *("-p", "no:cacheprovider"),
            *("-o", f"modellab_fixtures={self.fixtures.absolute()}"),
            f"--cache-dir={self.definitions.cache.absolute()}",
            *(f"{option}={','.join(named[field])}" for field, option in _LISTS.items() if named[field]),
            *(f"--{field.replace('_', '-')}={named[field]}" for field in _NUMBERS if named[field] is not None),
            f"--{where}={folder.absolute()}",
        )

    def _processes(self, order: Order) -> int:
        """Give one for each model, so that one which crashes takes no other along; what is timed is alone."""
        if order.lane != "accuracy":
            return 0
        return min(usable_cores(), len(models_and_backends(order, self.definitions)))


def environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the variables that a call is started with."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(_LEFT_OUT)}
    return kept | {"PYTHONUNBUFFERED": "1"}
