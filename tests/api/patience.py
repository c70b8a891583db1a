"""Patience: waiting until something holds, for as long as a slow machine may need."""

import time
from collections.abc import Callable
from typing import TypeVar

from modellab.machine.clock import MONOTONIC

PATIENCE_S = 60.0
_POLL_S = 0.02

Value = TypeVar("Value")


def until(holds: Callable[[], Value]) -> Value:
    """Wait until something holds, and give it."""
    deadline_s = MONOTONIC() + PATIENCE_S
    while not (value := holds()):
        assert MONOTONIC() < deadline_s, "it never held"
        time.sleep(_POLL_S)
    return value
