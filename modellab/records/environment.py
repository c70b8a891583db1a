"""Environment: the machine, the versions and the commit that a run was made with."""

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import distributions
from pathlib import Path
from typing import Self

import psutil

from modellab.backends.device import processor
from modellab.records.device import DeviceFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a figure depends on besides the model. None means that it could not be told.

    `devices` are those that the run's models ran on. `unreadable` says of each sensor that could not be read why, and
    is empty in runs that were made before anybody looked.
    """

    python: str
    platform: str
    machine: str
    processor: str
    cores: int
    memory_bytes: int
    packages: Mapping[str, str]
    git_commit: str | None
    git_dirty: bool | None
    devices: tuple[DeviceFacts, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def joined_by(self, later: Self) -> Self:
        """Give the same with the devices that a later session saw first, and the sensors it could not read."""
        known = {facts.device.name for facts in self.devices}
        new = tuple(facts for facts in later.devices if facts.device.name not in known)
        return replace(self, devices=self.devices + new, unreadable={**later.unreadable, **self.unreadable})


def observe(
    folder: Path, devices: tuple[DeviceFacts, ...] = (), unreadable: Mapping[str, str] | None = None
) -> Environment:
    """Give the environment of this process, with what was seen of its devices.

    The commit is that of the checkout at `folder`, if it is one.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain") if commit else None
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        machine=platform.machine(),
        processor=processor(),
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        packages=dict(sorted(_packages())),
        git_commit=commit,
        git_dirty=None if changes is None else bool(changes),
        devices=devices,
        unreadable=unreadable or {},
    )


def _packages() -> Iterator[tuple[str, str]]:
    for distribution in distributions():
        if "Name" in distribution.metadata:  # pip leaves nameless remains of what it could not delete
            yield distribution.metadata["Name"].lower(), distribution.version


def usable_cores() -> int:
    """Give the number of cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
