"""The environment: what a run was made with."""

import os
import subprocess
from pathlib import Path

import pytest

from modellab.records.environment import observe, usable_cores


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout of one commit, under no configuration but its own."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "a.txt").write_text("a")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=n", "-c", "user.email=e@x", "commit", "--quiet", "--message", "first")
    return folder


def git(folder: Path, *words: str) -> str:
    """Run git in a folder."""
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout.strip()


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    """In a checkout without changes, the commit is named and clean."""
    seen = observe(checkout)
    assert (seen.git_commit, seen.git_dirty) == (git(checkout, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", ["a.txt", "new.txt"])
def test_a_changed_checkout_is_dirty(checkout: Path, name: str) -> None:
    """A changed file, or a new one, makes a checkout dirty, seen from any folder in it."""
    (checkout / name).write_text("other")
    (checkout / "deep").mkdir()
    seen = observe(checkout / "deep")
    assert (seen.git_commit, seen.git_dirty) == (git(checkout, "rev-parse", "HEAD"), True)


def test_where_there_is_no_checkout_there_is_no_commit(checkout: Path) -> None:
    """Outside a checkout, neither the commit nor its cleanness can be told."""
    seen = observe(checkout.parent)
    assert (seen.git_commit, seen.git_dirty) == (None, None)


def test_a_checkout_without_a_commit_has_none(checkout: Path) -> None:
    """Before the first commit there is none to name."""
    fresh = checkout.parent / "fresh"
    fresh.mkdir()
    git(fresh, "init", "--quiet")
    assert (observe(fresh).git_commit, observe(fresh).git_dirty) == (None, None)


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without git, the commit cannot be told and nothing fails."""
    monkeypatch.setenv("PATH", str(checkout))
    assert observe(checkout).git_commit is None


def test_the_machine_is_described(tmp_path: Path) -> None:
    """The interpreter, the processor, the cores, the memory and the installed packages are told."""
    seen = observe(tmp_path)
    assert seen.python.count(".") == 2
    assert seen.processor
    assert seen.cores == usable_cores() >= 1
    assert seen.memory_bytes > 1 << 28
    assert seen.packages["modellab"]
    assert all(name == name.lower() and version for name, version in seen.packages.items())
    assert list(seen.packages) == sorted(seen.packages)
    assert (seen.devices, seen.unreadable) == ((), {})


def test_the_remains_of_a_package_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of which only a nameless folder is left is not among the packages, and nothing fails."""
    (tmp_path / "~umpy-2.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert "modellab" in observe(tmp_path).packages
