"""ControlGroup: where the kernel counts the memory of a process and its neighbours, limits it, and kills for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path("/")

_LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}
_USES = {1: "memory.usage_in_bytes", 2: "memory.current"}
_CACHES = {1: ("total_inactive_file", "total_active_file"), 2: ("inactive_file", "active_file")}
_EVENTS = {1: "memory.oom_control", 2: "memory.events"}
_WITHIN, _TOP = 3, 4  # fields of a line of mountinfo: which folder of the file system is seen, and where
_UNLIMITED_BYTES = 1 << 60  # version 1 has no word for it, but a number of this size


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """The group of a process among those that limit memory, on Linux.

    Attributes:
        folder: the group's own.
        top: the folder of the highest group that is seen from here.
        version: of the kernel's interface, 1 or 2.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """

    folder: Path
    top: Path
    version: int

    @classmethod
    def of(cls, process: int | str = "self", root: Path = ROOT) -> Self | None:
        """Give the group of a process, by its number, as the files below `root` tell; None where they do not."""
        mounts = {mount.version: mount for mount in _mounts(root, process)}
        for version, path in _paths(root, process):
            if mount := mounts.get(version):
                within = path.relative_to(mount.root) if path.is_relative_to(mount.root) else Path()
                folder = mount.top / within
                return cls(folder=folder if folder.is_dir() else mount.top, top=mount.top, version=version)
        return None

    @property
    def limit_bytes(self) -> int | None:
        """The most memory it may use, be it by the limit of a group above it; None where there is none."""
        return min((limit for _, limit in self._limited()), default=None)

    @property
    def free_bytes(self) -> int | None:
        """How much more memory it may use until a limit is met, be it that of a group above it; None without limits.

        Pages of files count as free: the kernel drops them first.
        """
        left = (max(0, limit - used) for group, limit in self._limited() if (used := self._used(group)) is not None)
        return min(left, default=None)

    @property
    def killed(self) -> int | None:
        """How many processes of it the kernel has killed for want of memory; None where it does not tell."""
        return _count(_read(self.folder / _EVENTS[self.version]))

    def _limited(self) -> Iterator[tuple[Path, int]]:
        """Give the groups that have a limit, from its own up, each with that limit in bytes."""
        above = (self.folder, *self.folder.parents)
        for group in above[: above.index(self.top) + 1]:
            limit = _number(_read(group / _LIMITS[self.version]))
            if limit is not None and limit < _UNLIMITED_BYTES:
                yield group, limit

    def _used(self, group: Path) -> int | None:
        """Give what a group uses in bytes, without the pages of files; None where it does not tell."""
        used = _number(_read(group / _USES[self.version]))
        words = (line.split() for line in _read(group / "memory.stat").splitlines() if " " in line)
        cached = sum(int(line[1]) for line in words if line[0] in _CACHES[self.version])
        return None if used is None else used - cached


def killed_on_machine(root: Path = ROOT) -> int | None:
    """Give how many processes the kernel has killed for want of memory; None where it does not tell."""
    return _count(_read(root / "proc/vmstat"))


class _Mount(NamedTuple):
    version: int
    root: Path
    top: Path


def _mounts(root: Path, process: int | str) -> Iterator[_Mount]:
    """Give where such groups are seen, from lines like `35 31 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw`."""
    for line in _read(root / f"proc/{process}/mountinfo").splitlines():
        where, what = (part.split(" ") for part in line.partition(" - ")[::2])
        limits = what[0] == "cgroup2" or (what[0] == "cgroup" and "memory" in what[-1].split(","))
        if limits and len(where) > _TOP:
            yield _Mount(2 if what[0] == "cgroup2" else 1, Path(where[_WITHIN]), root / where[_TOP].lstrip("/"))


def _paths(root: Path, process: int | str) -> Iterator[tuple[int, Path]]:
    """Give the groups of a process, from lines like `4:memory:/a/b` or `0::/a/b`; where both are, the first limits."""
    lines = [line.split(":", 2) for line in _read(root / f"proc/{process}/cgroup").splitlines() if line.count(":") > 1]
    yield from ((1, Path(path)) for _, names, path in lines if "memory" in names.split(","))
    yield from ((2, Path(path)) for _, names, path in lines if not names)


def _read(path: Path) -> str:
    """Give what a file of the kernel says; nothing where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _count(text: str) -> int | None:
    """Give the number after `oom_kill` in lines of a word and a number."""
    words = (line.split() for line in text.splitlines())
    return next((int(found[1]) for found in words if found[:1] == ["oom_kill"] and found[1:]), None)
