"""Retention: what is chosen to go, that it goes whole, and that nothing else does."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modellab.records.store import Store, point_latest
from modellab.server.folders import remove
from modellab.server.library.labels import Labels
from modellab.server.retention import QUIET, Kept, Plan, apply, orphans, plan, scan
from modellab.server.settings import RetentionSettings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MakeRun = Callable[..., Path]


def now() -> datetime:
    return NOW


def kept(name: str, age: timedelta, size_bytes: int = 10, **more: bool) -> Kept:
    return Kept(
        folder=Path("runs") / name, created_at=NOW - age, changed_at=NOW - age, size_bytes=size_bytes, **more
    )  # fmt: skip


def names(chosen: Plan) -> list[tuple[str, str]]:
    return [(deletion.run.folder.name, deletion.why) for deletion in chosen.deletions]


OLD, MIDDLE, YOUNG = kept("old", 30 * DAY), kept("middle", 20 * DAY, 20), kept("young", 10 * DAY, 40)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, []),
        ({"max_age_days": 30}, []),
        ({"max_age_days": 20.5}, [("old", "age")]),
        ({"max_runs": 3}, []),
        ({"max_runs": 1}, [("old", "count"), ("middle", "count")]),
        ({"max_bytes": 69}, [("old", "bytes")]),
        ({"max_bytes": 59}, [("old", "bytes"), ("middle", "bytes")]),
        ({"min_free_bytes": 110}, [("old", "free disk")]),
        ({"min_free_bytes": 111}, [("old", "free disk"), ("middle", "free disk")]),
        ({"max_age_days": 25, "max_runs": 1}, [("old", "age"), ("middle", "count")]),
    ],
)
def test_the_oldest_go(bounds: dict[str, float], expected: list[tuple[str, str]]) -> None:
    """Each bound takes the oldest runs, no more than it asks for, and says so."""
    chosen = plan([YOUNG, OLD, MIDDLE], RetentionSettings(**bounds), 100, NOW)
    assert names(chosen) == expected
    assert chosen.unmet == ()
    assert chosen.freed_bytes == sum({"old": 10, "middle": 20}[name] for name, _ in expected)


def test_what_stays_is_told() -> None:
    """Where pinned runs, and those in progress, keep a bound from being met, the plan says which and by how much."""
    runs = [replace(OLD, pinned=True), replace(MIDDLE, held=True), replace(YOUNG, changed_at=NOW - QUIET / 2)]
    chosen = plan(runs, RetentionSettings(max_age_days=1, max_runs=1, max_bytes=5, min_free_bytes=200), 100, NOW)
    assert names(chosen) == []
    assert [line.split(",")[0] for line in chosen.unmet] == [
        "3 runs stay",
        "runs of 70 bytes stay",
        "100 bytes of the disk will be free",
    ]


def test_a_clock_that_jumped_deletes_nothing_new() -> None:
    """A run from the future is the newest, and was changed just now."""
    future = kept("future", -5 * DAY)
    assert names(plan([future], RetentionSettings(max_age_days=1, max_runs=1, min_free_bytes=99), 0, NOW)) == []


runs = st.lists(
    st.builds(
        Kept,
        folder=st.integers(0, 9999).map(lambda number: Path("runs") / f"{number:04}"),
        created_at=st.integers(-100, 90 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
        changed_at=st.integers(-100, 90 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
        size_bytes=st.integers(0, 1000),
        pinned=st.booleans(),
        held=st.booleans(),
    ),
    unique_by=lambda run: run.folder,
    max_size=12,
)
bounds = st.builds(
    RetentionSettings,
    max_age_days=st.none() | st.floats(0.1, 100),
    max_runs=st.none() | st.integers(1, 12),
    max_bytes=st.none() | st.integers(1, 5000),
    min_free_bytes=st.none() | st.integers(1, 5000),
)


@settings(deadline=None)
@given(runs, bounds, st.integers(0, 3000))
def test_a_plan_is_safe_and_suffices(runs: list[Kept], bounds: RetentionSettings, free_bytes: int) -> None:
    """No run that stays is in it; it meets each bound, or nothing is left that could go; none goes before an older."""
    chosen = plan(runs, bounds, free_bytes, NOW)
    gone = [deletion.run for deletion in chosen.deletions]
    left = [run for run in runs if run not in gone]
    might_go = [run for run in left if not run.stays(NOW)]
    assert not any(run.pinned or run.held or NOW - run.changed_at < QUIET for run in gone)
    assert all(run.created_at <= other.created_at for run in gone for other in might_go)
    met = {
        "age": bounds.max_age_days is None
        or not any(NOW - run.created_at > timedelta(days=bounds.max_age_days) for run in might_go),
        "count": bounds.max_runs is None or len(left) <= bounds.max_runs,
        "bytes": bounds.max_bytes is None or sum(run.size_bytes for run in left) <= bounds.max_bytes,
        "free disk": bounds.min_free_bytes is None
        or free_bytes + sum(run.size_bytes for run in gone) >= bounds.min_free_bytes,
    }
    assert met["age"]
    assert all(met.values()) or not might_go
    assert len(chosen.unmet) == list(met.values()).count(False)


@settings(deadline=None)
@given(runs, st.integers(1, 12))
def test_a_plan_is_minimal_for_count(runs: list[Kept], most: int) -> None:
    """As many go as are too many, or as can."""
    chosen = plan(runs, RetentionSettings(max_runs=most), 0, NOW)
    can_go = sum(not run.stays(NOW) for run in runs)
    assert len(chosen.deletions) == min(max(0, len(runs) - most), can_go)


@pytest.fixture
def root(tmp_path: Path, make_run: MakeRun) -> Path:
    """A folder of three runs: `a` of 30 days, `b` of 20, `c` of 10; `latest` is `c`."""
    root = tmp_path / "runs"
    for name, days in (("a", 30), ("b", 20), ("c", 10)):
        make_run(root / name, NOW - days * DAY)
    point_latest(root / "c")
    return root


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def collect(root: Path, **bounds: float) -> tuple[str, ...]:
    """Plan and apply; give the runs that were spared."""
    found, _ = scan(root)
    return apply(plan(found, RetentionSettings(**bounds), 0, NOW), root, now).spared


def test_a_scan_sees_what_is_there(root: Path) -> None:
    """Times, sizes and pins are those of the folder; what is no run, or a link, is passed over, the unreadable told."""
    Labels(pinned=True).write(root / "a")
    (root / "no-run").mkdir()
    (root / "later").mkdir()
    (root / "later" / "run.json").write_text('{"schema": 99}')
    (root / "elsewhere").symlink_to(root / "a")
    found, unread = scan(root)
    assert [run.folder.name for run in found] == ["a", "b", "c"]
    assert [run.pinned for run in found] == [True, False, False]
    assert found[1].created_at == found[1].changed_at == NOW - 20 * DAY
    assert found[1].size_bytes >= sum(path.stat().st_size for path in (root / "b").glob("*.json*"))
    assert [line.split()[0] for line in unread] == ["later"]


def test_what_is_deleted_is_gone_and_nothing_else(root: Path) -> None:
    """The runs of the plan are gone with all that they took; the others are as they were."""
    before = (root / "c" / "records.jsonl").read_bytes()
    assert collect(root, max_runs=1) == ()
    assert left_in(root) == ["c", "latest"]
    assert (root / "c" / "records.jsonl").read_bytes() == before


def test_latest_follows(root: Path) -> None:
    """`latest` names the newest run that is left, whichever went, and is gone with the last."""
    point_latest(root / "a")
    collect(root, max_age_days=25)
    assert (root / "latest").readlink() == Path("c")
    collect(root, max_age_days=1)
    assert left_in(root) == []


def test_a_run_is_never_seen_half_deleted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where deleting breaks off, as at a crash, the run is out of sight already, and the next sweep ends it."""
    monkeypatch.setattr("shutil.rmtree", lambda path, **_: (path / "run.json").unlink())
    collect(root, max_runs=2)
    monkeypatch.undo()
    assert left_in(root) == [".trash", "b", "c", "latest"]
    assert [run.folder.name for run in scan(root)[0]] == ["b", "c"]
    for orphan in orphans(root, root.parent / "data", (), NOW):
        remove(orphan.path)
    assert list((root / ".trash").iterdir()) == []


def test_who_comes_late_is_heard(root: Path) -> None:
    """A run that was pinned, taken up or replaced by a link after the plan was made is spared."""
    found, _ = scan(root)
    chosen = plan(found, RetentionSettings(max_age_days=1), 0, NOW)
    Labels(pinned=True).write(root / "a")
    os.utime(root / "b" / "records.jsonl", (NOW.timestamp(),) * 2)
    (root / "c").rename(root.parent / "moved")
    (root / "c").symlink_to(root.parent / "moved")
    freed = apply(chosen, root, now)
    assert (freed.runs, freed.size_bytes, freed.spared) == (0, 0, ("a", "b", "c"))
    assert (root.parent / "moved" / "run.json").exists()


def test_labels_that_cannot_be_read_keep_a_run(root: Path) -> None:
    """A run that may be pinned is not deleted."""
    (root / "a" / "labels.json").write_text("{")
    os.utime(root / "a" / "labels.json", ((NOW - DAY).timestamp(),) * 2)
    assert scan(root)[0][0].pinned
    collect(root, max_age_days=1)
    assert "a" in left_in(root)


def test_a_run_that_somebody_works_on_stays(tmp_path: Path, make_run: MakeRun) -> None:
    """A session that never ended keeps its run as long as a process holds one of its locks, and no longer."""
    root = tmp_path / "runs"
    folder = make_run(root / "a", NOW - 30 * DAY, outcome="running")
    os.utime(folder, ((NOW - DAY).timestamp(),) * 2)
    with Store(folder).lock("run"):
        assert scan(root)[0][0].held
        collect(root, max_age_days=1)
        assert left_in(root) == ["a"]
    os.utime(folder, ((NOW - DAY).timestamp(),) * 2)
    collect(root, max_age_days=1)
    assert left_in(root) == []


def test_what_lies_about_is_found(root: Path, tmp_path: Path) -> None:
    """Old remains are orphans; young ones, what is in use, and what a link leads to are not."""
    data, outside = tmp_path / "data", tmp_path / "outside"
    old = [
        root / ".trash" / "x" / "run.json",
        root / "a" / "run.json.new",
        root / "a" / ".labels.json.77.new",
        data / "uploads" / "heard",
        data / "jobs" / "gone.log",
    ]
    young = [root / "b" / "run.json.new", data / "uploads" / "being-heard", data / "jobs" / "there.log"]
    elsewhere = outside / "run.json.new"
    for path in (*old, *young, elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        when = NOW if path in young[:2] else NOW - DAY
        os.utime(path, (when.timestamp(),) * 2)
    (root / "out").symlink_to(outside)
    (root / ".latest-77").symlink_to("a")
    os.utime(root / ".latest-77", ((NOW - DAY).timestamp(),) * 2, follow_symlinks=False)
    found = {orphan.path for orphan in orphans(root, data, ("there",), NOW)}
    assert found == {root / ".trash" / "x", *old[1:], root / ".latest-77"}
    for path in found:
        remove(path)
    assert all(path.exists() for path in (*young, elsewhere, root / "a" / "run.json"))
