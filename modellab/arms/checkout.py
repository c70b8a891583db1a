"""Checkout: the files of one arm, in a worktree of their own, beside the user's and never in it."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from modellab.arms.git import Git
from modellab.arms.revision import Revision
from modellab.arms.seat import remove_folder, seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The project's files at a commit, and a hash that two checkouts share only if their files are the same.

    Attributes:
        folder: the folder of the project.
        commit: the full name of the commit.
        sha256: of the commit, and of what was changed since.
    """

    folder: Path
    commit: str
    sha256: str


@contextmanager
def check_out(revision: Revision, cache: Path, *, candidate: bool = False) -> Iterator[Checkout]:
    """Give the files of the base, or of the candidate with its changes that no commit holds; they go in the end.

    The candidate is measured from a copy as the base is, so that neither arm is told by its path, and that nobody's
    editor changes what is measured on the way. What git ignores is in neither. Worktrees that a killed process left
    behind are removed first.

    Raises:
        NoRevision: when git cannot make the worktree, with its words.
        SourceUnreachable: when the cache cannot be written to.
    """
    git, home = Git(folder=revision.root), cache.absolute() / "arms" / "checkouts"
    commit = revision.candidate if candidate else revision.base
    _forget_lost(git, home)
    with seat(home, lambda folder: _remove(git, folder)) as tree:
        git.tell("worktree", "add", "--quiet", "--force", "--detach", str(tree), commit)
        digest = hashlib.sha256(f"{commit} {revision.project}".encode())
        if candidate:
            for path in _changed(git):
                digest.update(os.fsencode(path) + _carry(revision.root / path, tree / path))
        yield Checkout(folder=tree / revision.project, commit=commit, sha256=digest.hexdigest())


def _remove(git: Git, tree: Path) -> None:
    git.ask("worktree", "remove", "--force", "--force", str(tree))
    remove_folder(tree)


def _forget_lost(git: Git, home: Path) -> None:
    """Have git forget worktrees of ours whose folders somebody removed; those of the user are left alone."""
    for line in (git.ask("worktree", "list", "--porcelain") or "").splitlines():
        path = Path(line.removeprefix("worktree "))
        if line.startswith("worktree ") and path.parent == home.resolve() and not path.exists():
            git.ask("worktree", "remove", "--force", "--force", str(path))


def _changed(git: Git) -> list[str]:
    """Give the paths that differ from the commit, those that are gone first: a folder may stand where a file was."""
    told = git.tell("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules")
    paths = [entry[3:] for entry in told.split("\0") if entry]
    return sorted(paths, key=lambda path: (os.path.lexists(git.folder / path), path))


def _carry(source: Path, target: Path) -> bytes:
    """Bring one path into the state of another, and give a hash of what that is."""
    _clear(target)
    if source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.readlink())
        state = f"link {source.readlink()}".encode()
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        state = b"file " + f"{target.stat().st_mode:o} ".encode() + hashlib.sha256(target.read_bytes()).digest()
    else:
        state = b"gone"
    return hashlib.sha256(state).digest()


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
