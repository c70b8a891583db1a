"""Scheduler: under xdist, the tests of one model run on one worker, so that it is loaded once."""

from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class ModelScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Deals out tests by model; tests of no model are dealt out one by one.

    `--dist loadgroup` would be the tool for this, but it does not group on the versions this was written for
    (pytest-xdist#1386). `_split_scope` is private to xdist, which overrides it in its own schedulers; a test guards it.
    """

    def __init__(self, config: pytest.Config, log: Producer | None, models: Iterable[str]) -> None:
        super().__init__(config, log)
        self._models = tuple(models)

    def _split_scope(self, nodeid: str) -> str:
        model = model_in(nodeid, self._models)
        return model or nodeid


def model_in(nodeid: str, models: Iterable[str]) -> str | None:
    """Give the model that a test's id names; None where it names none."""
    chosen = nodeid.rpartition("::")[2].partition("[")[2]
    named = [model for model in models if chosen.startswith((f"{model}-", f"{model}]"))]
    return max(named, key=len, default=None)
