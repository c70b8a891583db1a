"""OomWatch: whether it was the kernel, out of memory, that killed a process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from modellab.machine.control_group import ROOT, ControlGroup, killed_on_machine

KIND = "OutOfMemory"
REMEDY = "A smaller batch, fewer replicas or a smaller model need less."


@dataclass(frozen=True, slots=True, kw_only=True)
class OomWatch:
    """The kernel's counts of whom it killed for want of memory, as they were when a process began to work.

    The kernel does not say whom it killed. A process that ended by SIGKILL while the count of its control group rose
    is taken to be the one; the count of the machine stands in where its group has none.
    """

    group: ControlGroup | None
    killed_in_group: int | None
    killed_on_machine: int | None
    root: Path

    @classmethod
    def over(cls, process: int | str = "self", root: Path = ROOT) -> Self:
        """Begin to watch a process by its number, or the children of this one."""
        group = ControlGroup.of(process, root)
        return cls(
            group=group,
            killed_in_group=group.killed if group else None,
            killed_on_machine=killed_on_machine(root),
            root=root,
        )

    @property
    def struck(self) -> bool:
        """Whether the kernel has killed for want of memory since; False where it does not tell."""
        in_group = self.group.killed if self.group else None
        if self.killed_in_group is not None and in_group is not None:
            return in_group > self.killed_in_group
        on_machine = killed_on_machine(self.root)
        return self.killed_on_machine is not None and on_machine is not None and on_machine > self.killed_on_machine

    @property
    def words(self) -> str:
        """What has happened to the process."""
        limit_bytes = self.group.limit_bytes if self.group else None
        whose = "its control group may use" if limit_bytes else "this machine has"
        mebibytes = (limit_bytes or psutil.virtual_memory().total) / (1 << 20)
        return f"was killed by the kernel, which ran out of memory ({whose} {mebibytes:,.0f} MiB)"
