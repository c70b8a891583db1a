"""Revision: what the candidate is compared with, the commit at which it left the branch that is named."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from modellab.arms.git import Git
from modellab.errors import NoRevision, NothingToCompare

_SHOWN = 7  # digits of a commit's name, for people
_NEAREST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The commits of both arms, by their full names, and whether the candidate has changes that no commit holds.

    Attributes:
        asked: the name that was resolved: a branch, a tag, a commit.
        base: the best common ancestor of `asked` and the candidate.
        candidate: the commit that is checked out.
        clean: whether the files of the candidate are those of its commit, none changed and none new.
        root: the folder of the repository.
        project: the folder of the project within it; "" where they are one.
    """

    asked: str
    base: str
    candidate: str
    clean: bool
    root: Path
    project: str

    def __str__(self) -> str:
        changed = "" if self.clean else " with changes not committed"
        return f"base {self.base[:_SHOWN]} (merge base with {self.asked}), candidate {self.candidate[:_SHOWN]}{changed}"

    def require_difference(self) -> None:
        """Refuse to compare a commit with itself.

        Raises:
            NothingToCompare: when the base is the candidate's commit, and nothing was changed since.
        """
        if self.base == self.candidate and self.clean:
            raise NothingToCompare(
                f"nothing to compare: the merge base of HEAD and {self.asked} is HEAD itself ({self.base[:_SHOWN]}), "
                f"and no file is changed. Name an earlier commit, such as --base HEAD~1."
            )


def resolve(ref: str, folder: Path) -> Revision:
    """Give the merge base of a branch, tag or commit with what is checked out in a project's folder.

    Raises:
        NoRevision: when there is no git, no repository, no such name, or no history up to the merge base.
    """
    git = Git(folder=folder)
    root = Path(git.tell("rev-parse", "--show-toplevel"))
    head = _commit(git, "HEAD")
    if head is None:
        raise NoRevision(f"the repository at {root} has no commit yet, so there is none to compare with")
    named = _commit(git, ref)
    if named is None:
        raise NoRevision(_unknown(git, ref, root))
    base = git.ask("merge-base", head, named)
    if base is None:
        raise NoRevision(_unrelated(git, ref))
    return Revision(
        asked=ref,
        base=base,
        candidate=head,
        clean=not git.tell("status", "--porcelain", "--untracked-files=all", "--ignore-submodules"),
        root=root,
        project=git.tell("rev-parse", "--show-prefix").rstrip("/"),
    )


def _commit(git: Git, name: str) -> str | None:
    """Give the full name of a commit; what begins with a dash would be taken for an option."""
    if not name or name.startswith("-"):
        return None
    return git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _unknown(git: Git, ref: str, root: Path) -> str:
    listed = git.ask("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags") or ""
    names = listed.splitlines()
    near = get_close_matches(ref, names, n=_NEAREST, cutoff=0.4)
    if near:
        guess = f" Did you mean {' or '.join(map(repr, near))}?"
    else:
        guess = f" It has {', '.join(names[:_NEAREST]) or 'no branch and no tag'}{', ...' * (len(names) > _NEAREST)}."
    return f"no branch, tag or commit {ref!r} in {root}.{guess}{_depth(git)}"


def _unrelated(git: Git, ref: str) -> str:
    depth = _depth(git)
    reason = "" if depth else " Their histories are unrelated: name a branch that HEAD came from."
    return f"HEAD and {ref} have no common ancestor in this repository.{reason}{depth}"


def _depth(git: Git) -> str:
    if git.ask("rev-parse", "--is-shallow-repository") != "true":
        return ""
    return (
        " This clone is shallow, so its history is cut off: run git fetch --unshallow, or have actions/checkout fetch "
        "all of it (fetch-depth: 0)."
    )
