"""What a name resolves to, and what is said where it resolves to nothing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modellab.arms.git import Git
from modellab.arms.revision import resolve
from modellab.errors import NoRevision, NothingToCompare


def test_the_base_is_where_the_candidate_left_the_branch(repository: Any) -> None:
    """The base is the merge base, not the tip of the branch: what others merged since is not the candidate's doing."""
    left = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "-b", "topic")
    mine = repository.commit({"mine": "1"})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"others": "1"})
    repository.git("checkout", "--quiet", "topic")
    found = resolve("main", repository.folder)
    assert (found.base, found.candidate, found.clean, found.project) == (left, mine, True, "")
    assert found.root.samefile(repository.folder)
    assert str(found) == f"base {left[:7]} (merge base with main), candidate {mine[:7]}"
    found.require_difference()


@pytest.mark.parametrize("ref", ["HEAD~1", "v1", "the-commit"])
def test_tags_and_commits_are_names_too(repository: Any, ref: str) -> None:
    """A tag with a message, a relative name and a shortened commit are resolved to the full commit."""
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "--annotate", "--message", "one", "v1")
    repository.commit()
    assert resolve(first[:9] if ref == "the-commit" else ref, repository.folder).base == first


@pytest.mark.parametrize(
    ("files", "clean"),
    [({}, True), ({"ignored": "x"}, True), ({"new": "x"}, False), ({"house_echo/__init__.py": "x"}, False)],
)
def test_whether_anything_is_changed(repository: Any, files: dict[str, str], clean: bool) -> None:
    """A changed file and a new one make the tree differ from its commit; an ignored one does not."""
    repository.write(files)
    assert resolve("main", repository.folder).clean is clean


def test_a_project_in_a_folder_of_its_repository(repository: Any) -> None:
    """The project's place within the repository is known, so that it is found in a checkout."""
    repository.commit({"inner/project/pyproject.toml": ""})
    found = resolve("HEAD~1", repository.folder / "inner" / "project")
    assert (found.project, found.root.samefile(repository.folder)) == ("inner/project", True)


def test_a_commit_against_itself_is_refused(repository: Any) -> None:
    """Nothing to compare is said as such, and what to name instead; a change that is not committed is something."""
    with pytest.raises(NothingToCompare, match=r"merge base of HEAD and main is HEAD itself.*--base HEAD~1"):
        resolve("main", repository.folder).require_difference()
    repository.write({"new": "x"})
    changed = resolve("main", repository.folder)
    changed.require_difference()
    assert str(changed).endswith("with changes not committed")


def test_a_branch_that_is_ahead_is_no_base(repository: Any) -> None:
    """Where the named branch contains the candidate, there is nothing to compare."""
    repository.git("checkout", "--quiet", "-b", "ahead")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    with pytest.raises(NothingToCompare, match="HEAD and ahead is HEAD itself"):
        resolve("ahead", repository.folder).require_difference()


# What cannot be resolved


def test_an_unknown_name(repository: Any) -> None:
    """The nearest branches and tags are named."""
    repository.git("branch", "release-2")
    repository.git("tag", "release-1")
    with pytest.raises(NoRevision, match=r"no branch, tag or commit 'relaese-1' in .* Did you mean 'release-1' or"):
        resolve("relaese-1", repository.folder)
    with pytest.raises(NoRevision, match=r"'zzz'.* It has main, release-2, release-1\."):
        resolve("zzz", repository.folder)


@pytest.mark.parametrize("ref", ["", "--all", "-n", "HEAD:fixtures", "main..HEAD", "a b\n"])
def test_what_is_no_name(repository: Any, ref: str) -> None:
    """What git would take for an option, a range or a file is no revision."""
    with pytest.raises(NoRevision, match="no branch, tag or commit"):
        resolve(ref, repository.folder)


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is in no repository is named, with git's words."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(NoRevision, match=rf"in {tmp_path}, git rev-parse refused: fatal: not a git repository"):
        resolve("main", tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is not taken for a missing git."""
    with pytest.raises(NoRevision, match=r"there is no folder .*/gone"):
        resolve("main", tmp_path / "gone")


def test_no_git(repository: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, the ways that need none are named."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoRevision, match=r"git is not installed.*--base-python.*--base-models"):
        resolve("main", repository.folder)


def test_no_commit(make_repository: Callable[[str], Any]) -> None:
    """A repository with no commit has nothing to compare with."""
    with pytest.raises(NoRevision, match="has no commit yet"):
        resolve("main", make_repository("empty").folder)


def test_unrelated_histories(repository: Any) -> None:
    """Two branches with nothing in common have no merge base."""
    repository.git("checkout", "--quiet", "--orphan", "alone")
    repository.commit({"alone": ""})
    with pytest.raises(NoRevision, match=r"HEAD and main have no common ancestor.*unrelated"):
        resolve("main", repository.folder)


def test_a_shallow_clone(repository: Any, make_repository: Callable[[str], Any]) -> None:
    """A clone without the merge base says how to get it; so does one in which a name is unknown."""
    repository.git("branch", "topic")
    repository.commit({"a": "1"})
    repository.git("checkout", "--quiet", "topic")
    repository.commit({"b": "1"})
    clone = make_repository("clone")
    url = f"file://{repository.folder}"
    clone.git("fetch", "--quiet", "--depth=1", url, "main:main-there", "topic:topic-there")
    clone.git("checkout", "--quiet", "topic-there")
    for ref in ("main-there", "unknown"):
        with pytest.raises(NoRevision, match=r"shallow.*git fetch --unshallow.*fetch-depth: 0"):
            resolve(ref, clone.folder)


# How git is asked


def test_a_hook_does_not_lead_git_astray(
    repository: Any, make_repository: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a hook of another repository, git is asked about the folder that it is given."""
    other = make_repository("other")
    other.commit({"x": "1"})
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / "nothing"))
    assert resolve("main", repository.folder).candidate == repository.git("rev-parse", "HEAD")


def test_the_index_is_not_written(repository: Any) -> None:
    """Asking whether anything is changed leaves the index as it is, byte for byte."""
    path = repository.folder / "pyproject.toml"
    before = (repository.folder / ".git" / "index").read_bytes()
    os.utime(path, (1, 1))  # git would note the new time
    assert resolve("main", repository.folder).clean
    assert (repository.folder / ".git" / "index").read_bytes() == before


def test_git_speaks_english_and_is_not_asked_for_passwords(repository: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of git are those of no language setting."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(NoRevision, match="refused: fatal: "):
        Git(folder=repository.folder).tell("worktree", "add", "x", "nothing-of-this-name")
