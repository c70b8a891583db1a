"""Where the files of an arm come from, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modellab.arms import checkout as module
from modellab.arms.checkout import check_out
from modellab.arms.revision import Revision, resolve
from modellab.arms.seat import seat
from modellab.errors import NoRevision, SourceUnreachable


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The root of the cache."""
    return tmp_path / "cache"


def two_commits(repository: Any) -> Revision:
    """Give the first commit as the base of a second."""
    repository.commit({"house_echo/__init__.py": "second = 2\n"})
    return resolve("HEAD~1", repository.folder)


def state(repository: Any) -> tuple[bytes, str, str, str]:
    """Give what of a user's repository must not change."""
    index = (repository.folder / ".git" / "index").read_bytes()
    asked = ("status", "--porcelain"), ("worktree", "list"), ("for-each-ref",)
    return (index, *(repository.git("--no-optional-locks", *words) for words in asked))


def test_each_arm_has_the_files_of_its_commit(repository: Any, cache: Path) -> None:
    """Both are there at once, in folders of names of one length; afterwards neither is, and git knows of none."""
    revision, before = two_commits(repository), state(repository)
    with check_out(revision, cache) as base, check_out(revision, cache, candidate=True) as candidate:
        assert "from the base" in (base.folder / "house_echo" / "__init__.py").read_text()
        assert (candidate.folder / "house_echo" / "__init__.py").read_text() == "second = 2\n"
        assert (base.commit, candidate.commit) == (revision.base, revision.candidate)
        assert base.sha256 != candidate.sha256
        assert len(str(base.folder)) == len(str(candidate.folder))
        folders = {base.folder, candidate.folder}
    assert not any(folder.exists() for folder in folders)
    assert state(repository) == before
    with check_out(revision, cache) as base:
        assert base.folder not in folders, "the name is drawn anew"


def test_the_candidate_has_what_is_not_committed(repository: Any, cache: Path) -> None:
    """What is changed, new, removed, staged or a link is as in the user's tree; what is ignored is not there."""
    repository.commit({"gone": "", "kept": "", "was-a-file": "", "was-a-folder/x": ""})
    for name in ("gone", "was-a-file", "was-a-folder/x"):
        (repository.folder / name).unlink()
    (repository.folder / "was-a-folder").rmdir()
    new = {"pyproject.toml": "changed", "a folder/ü.txt": "new", "was-a-file/inside": "", "was-a-folder": "a file"}
    repository.write({**new, "ignored": "x", "staged": "s"})
    repository.git("add", "staged", "was-a-folder")
    (repository.folder / "link").symlink_to("kept")
    (repository.folder / "kept").chmod(0o755)
    revision, before = resolve("HEAD~1", repository.folder), state(repository)
    with check_out(revision, cache, candidate=True) as made:
        tree = made.folder
        assert {name: (tree / name).read_text() for name in new} == new
        assert (tree / "staged").read_text() == "s"
        assert (tree / "link").readlink() == Path("kept")
        assert os.access(tree / "kept", os.X_OK)
        assert [name for name in ("gone", "ignored") if (tree / name).exists()] == []
    assert state(repository) == before
    with check_out(revision, cache) as base:
        assert not (base.folder / "staged").exists(), "the base has none of it"


def test_equal_files_have_one_hash(repository: Any, cache: Path) -> None:
    """The hash of a candidate follows from its commit and its changes, from nothing else."""
    revision = two_commits(repository)

    def hashed() -> str:
        with check_out(revision, cache, candidate=True) as made:
            return made.sha256

    clean = hashed()
    repository.write({"new": "1"})
    first = hashed()
    assert first == hashed()
    repository.write({"new": "2"})
    second = hashed()
    (repository.folder / "new").chmod(0o755)
    assert len({clean, first, second, hashed()}) == 4


def test_the_users_hooks_do_not_run(repository: Any, cache: Path, tmp_path: Path) -> None:
    """What a user has git do after a checkout is not done for ours."""
    revision = two_commits(repository)
    hook = repository.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    hook.chmod(0o755)
    with check_out(revision, cache):
        pass
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing(repository: Any, cache: Path, error: type[BaseException]) -> None:
    """The worktree is removed whatever ends the work in it, be there new files in it."""
    revision, before = two_commits(repository), state(repository)
    folders = []

    def work() -> None:
        with check_out(revision, cache) as made:
            (made.folder / "built").write_text("")
            folders.append(made.folder)
            raise error

    with pytest.raises(error):
        work()
    assert (folders[0].exists(), state(repository)) == (False, before)


def test_what_a_killed_process_left_is_removed(repository: Any, cache: Path) -> None:
    """The next checkout clears the worktree of a process that was killed, and that of a living one it leaves."""
    revision, before = two_commits(repository), state(repository)
    script = (
        "import sys, time; from pathlib import Path; from modellab.arms.checkout import check_out; "
        "from modellab.arms.revision import resolve\n"
        "with check_out(resolve('HEAD~1', Path(sys.argv[1])), Path(sys.argv[2])) as made: "
        "print(made.folder, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(repository.folder), str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        left = Path(process.stdout.readline().strip())
        with check_out(revision, cache):
            assert left.is_dir(), "its holder lives"
        process.send_signal(signal.SIGKILL)
    assert left.is_dir()
    with check_out(revision, cache) as made:
        assert not left.exists()
        assert str(left) not in repository.git("worktree", "list")
        assert made.folder.is_dir()
    assert state(repository) == before
    assert [path.name for path in (cache / "arms" / "checkouts").iterdir()] == [".lock"]


def test_a_cache_that_was_emptied_is_forgotten_by_git(repository: Any, cache: Path, tmp_path: Path) -> None:
    """A worktree of ours whose folder somebody removed leaves git's list; one of the user's stays in it."""
    revision = two_commits(repository)
    lost, users = cache / "arms" / "checkouts" / "0123", tmp_path / "on-a-stick"
    for path in (lost, users):
        repository.git("worktree", "add", "--quiet", "--detach", str(path))
        subprocess.run(["rm", "-r", str(path)], check=True)
    with check_out(revision, cache):
        listed = repository.git("worktree", "list")
    assert ("0123" in listed, "on-a-stick" in listed) == (False, True)


def test_a_relative_cache(repository: Any, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is named from where we are is not made within the repository."""
    revision = two_commits(repository)
    cache.mkdir()
    monkeypatch.chdir(cache)
    with check_out(revision, Path("here")) as made:
        assert made.folder.is_relative_to(cache / "here")


def test_a_commit_that_is_not_there(repository: Any, cache: Path) -> None:
    """What git refuses is said in its words, and leaves nothing."""
    revision = module.Revision(
        asked="x", base="0" * 40, candidate="0" * 40, clean=True, root=repository.folder, project=""
    )
    with pytest.raises(NoRevision, match=r"git worktree refused: fatal: "), check_out(revision, cache):
        pass
    assert [path.name for path in (cache / "arms" / "checkouts").iterdir()] == [".lock"]


def test_a_cache_that_cannot_be_written(repository: Any, tmp_path: Path) -> None:
    """A cache that is a file is an error that names the setting."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(SourceUnreachable, match="Set MODELLAB_CACHE_DIR"),
        check_out(two_commits(repository), tmp_path / "file"),
    ):
        pass


def test_a_project_within_its_repository(repository: Any, cache: Path) -> None:
    """The checkout of a project that is a folder of its repository is that folder."""
    repository.commit({"inner/pyproject.toml": "mine"})
    repository.commit()
    with check_out(resolve("HEAD~1", repository.folder / "inner"), cache) as made:
        assert (made.folder / "pyproject.toml").read_text() == "mine"


def test_a_seat_is_not_swept_by_its_own_process(tmp_path: Path) -> None:
    """Two seats of one process leave each other alone, and each ends with its holder."""
    with seat(tmp_path) as first:
        first.mkdir()
        with seat(tmp_path) as second:
            second.mkdir()
            assert first.is_dir()
        assert (first.is_dir(), second.exists()) == (True, False)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
