"""Control groups: limits and counts on trees such as kernels write them, and on the one of this machine."""

import sys
from pathlib import Path

import psutil
import pytest

from modellab.machine.control_group import ControlGroup, killed_on_machine

V1_LINES = "5:devices:/\n4:memory:{path}\n3:cpu,cpuacct:/\n0::{path}\n"
V2_LINES = "0::{path}\n"
V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V2_MOUNT = "30 23 0:27 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
OTHERS = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n34 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"


def tree(
    root: Path, version: int, path: str, files: dict[str, str], *, mounted: str = "/", process: str = "self"
) -> Path:
    """Write what a kernel of this interface says of a process in the group `path`, with files below the mount."""
    proc = root / "proc" / process
    proc.mkdir(parents=True, exist_ok=True)
    proc.joinpath("cgroup").write_text((V1_LINES if version == 1 else V2_LINES).format(path=path))
    mount = V1_MOUNT if version == 1 else V2_MOUNT
    proc.joinpath("mountinfo").write_text(OTHERS + mount.format(root=mounted))
    top = root / ("sys/fs/cgroup/memory" if version == 1 else "sys/fs/cgroup")
    top.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def limit(root: Path) -> int | None:
    """Give the limit of the process of a tree."""
    group = ControlGroup.of(root=root)
    assert group is not None
    return group.limit_bytes


def test_the_limit_of_version_2(tmp_path: Path) -> None:
    """The limit is that of the process's own group."""
    assert limit(tree(tmp_path, 2, "/app", {"app/memory.max": "536870912\n"})) == 512 << 20


def test_the_limit_of_version_1(tmp_path: Path) -> None:
    """The older interface has the limit in another file, and the memory in a hierarchy of its own."""
    assert limit(tree(tmp_path, 1, "/app", {"app/memory.limit_in_bytes": "536870912\n"})) == 512 << 20


def test_the_tightest_limit_on_the_way_up_holds(tmp_path: Path) -> None:
    """Of the limits of a group and those above it, the least is the limit; that of a neighbour is none."""
    files = {
        "a/memory.max": "1000\n",
        "a/b/memory.max": "max\n",
        "a/b/c/memory.max": "2000\n",
        "a/b/d/memory.max": "10\n",
    }
    assert limit(tree(tmp_path, 2, "/a/b/c", files)) == 1000


@pytest.mark.parametrize(
    ("version", "file", "content"),
    [(2, "app/memory.max", "max\n"), (1, "app/memory.limit_in_bytes", "9223372036854771712\n"), (2, "app/other", "")],
)
def test_no_limit_is_none(tmp_path: Path, version: int, file: str, content: str) -> None:
    """Where nothing limits, there is no limit, and no very large one."""
    assert limit(tree(tmp_path, version, "/app", {file: content})) is None


@pytest.mark.parametrize("content", ["", "many\n", "-1\n", "12 MiB\n", "\x00"])
def test_a_limit_that_is_no_number_is_none(tmp_path: Path, content: str) -> None:
    """What cannot be read as a number of bytes limits nothing."""
    assert limit(tree(tmp_path, 2, "/app", {"app/memory.max": content})) is None


def test_a_container_that_sees_its_own_group_as_the_top(tmp_path: Path) -> None:
    """Where the group's own folder is mounted, the path of the process, as the machine has it, leads to that."""
    files = {"memory.limit_in_bytes": "4096\n"}
    assert limit(tree(tmp_path, 1, "/docker/f00d", files, mounted="/docker/f00d")) == 4096
    assert limit(tree(tmp_path, 1, "/docker/f00d/worker", files, mounted="/docker/f00d")) == 4096


def test_a_group_is_that_of_the_process(tmp_path: Path) -> None:
    """Two processes have each the limit of its own group."""
    tree(tmp_path, 2, "/a", {"a/memory.max": "100\n"}, process="7")
    tree(tmp_path, 2, "/b", {"b/memory.max": "200\n"}, process="8")
    groups = [ControlGroup.of(process, tmp_path) for process in (7, 8, 9)]
    assert [group and group.limit_bytes for group in groups] == [100, 200, None]


@pytest.mark.parametrize("missing", ["cgroup", "mountinfo"])
def test_a_machine_that_tells_nothing_has_no_group(tmp_path: Path, missing: str) -> None:
    """Where the kernel's files are not there, or cannot be read, there is no group."""
    assert ControlGroup.of(root=tmp_path) is None
    file = tree(tmp_path, 2, "/app", {}) / "proc/self" / missing
    file.unlink()
    assert ControlGroup.of(root=tmp_path) is None
    file.mkdir()
    assert ControlGroup.of(root=tmp_path) is None


@pytest.mark.parametrize(
    "nonsense", ["", "words\n\n", " - cgroup2\n", "a - cgroup\n", "1 2 3 - cgroup2 c rw\n", "4:memory\n"]
)
def test_nonsense_is_no_group(tmp_path: Path, nonsense: str) -> None:
    """Files that hold something else than the kernel writes give no group and no error."""
    for name in ("cgroup", "mountinfo"):
        file = tree(tmp_path / name, 2, "/app", {}) / "proc/self" / name
        file.write_text(nonsense)
        assert ControlGroup.of(root=tmp_path / name) is None
        file.write_bytes(b"\xff\xfe\n" + file.read_bytes())
        assert ControlGroup.of(root=tmp_path / name) is None


def test_kills_are_counted(tmp_path: Path) -> None:
    """How many were killed is what the group's own file says, in either interface, and none of the words beside it."""
    events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 9\n"
    second = ControlGroup.of(root=tree(tmp_path / "2", 2, "/app", {"app/memory.events": events}))
    control = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"
    first = ControlGroup.of(root=tree(tmp_path / "1", 1, "/app", {"app/memory.oom_control": control}))
    assert (first and first.killed, second and second.killed) == (4, 2)


@pytest.mark.parametrize("content", ["", "oom 3\n", "oom_kill\n"])
def test_kills_that_are_not_told_are_none(tmp_path: Path, content: str) -> None:
    """A kernel that does not count has no count, which is not zero."""
    group = ControlGroup.of(root=tree(tmp_path, 2, "/app", {"app/memory.events": content}))
    assert group is not None
    assert group.killed is None
    assert killed_on_machine(tmp_path) is None


def test_kills_on_the_machine(tmp_path: Path) -> None:
    """The machine counts all it has killed."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 5\noom_kill 17\ndrop_pagecache 0\n")
    assert killed_on_machine(tmp_path) == 17


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_machine() -> None:
    """What this machine says of itself can be read; a process has one group, by whatever name it is asked for."""
    group = ControlGroup.of()
    limit_bytes = group.limit_bytes if group else None
    assert limit_bytes is None or limit_bytes > 1 << 20
    assert group is None or group.folder.is_dir()
    assert killed_on_machine() is None or killed_on_machine() >= 0
    assert ControlGroup.of(psutil.Process().pid) == group


def test_what_is_free_until_the_nearest_limit(tmp_path: Path) -> None:
    """Each group counts what all below it use; pages of files are free, and a group that tells nothing is left out."""
    files = {
        "a/memory.max": "1000\n",
        "a/memory.current": "950\n",
        "a/memory.stat": "anon 500\ninactive_file 50\nactive_file 100\n",
        "a/b/memory.max": "800\n",
        "a/b/memory.current": "300\n",
        "a/b/c/memory.max": "10\n",
    }
    group = ControlGroup.of(root=tree(tmp_path, 2, "/a/b/c", files))
    assert group is not None
    assert group.free_bytes == 1000 - (950 - 150)


def test_what_is_free_by_version_1(tmp_path: Path) -> None:
    """The older interface counts in other files; a group beyond its limit has nothing free."""
    files = {"app/memory.limit_in_bytes": "1000\n", "app/memory.usage_in_bytes": "1200\n"}
    root = tree(tmp_path, 1, "/app", files)
    group = ControlGroup.of(root=root)
    assert group is not None
    assert group.free_bytes == 0
    stat = root / "sys/fs/cgroup/memory/app/memory.stat"
    stat.write_text("cache 700\ntotal_inactive_file 300\ntotal_active_file 100\n")
    assert group.free_bytes == 1000 - 800


def test_nothing_is_known_to_be_free_without_a_limit(tmp_path: Path) -> None:
    """Where nothing limits, what is free is the machine's to tell."""
    group = ControlGroup.of(root=tree(tmp_path, 2, "/app", {"app/memory.max": "max\n", "app/memory.current": "5\n"}))
    assert group is not None
    assert group.free_bytes is None
