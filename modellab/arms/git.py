"""Git: questions to a repository, answered without regard to the user's language, hooks and index."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import NoRevision

LIMIT_S = 300.0

# What a hook sets for the repository that called it: with these, git would not look where it is told to.
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Git in a folder. It writes no index, runs no hook and asks for no password."""

    folder: Path

    def ask(self, *arguments: str) -> str | None:
        """Give what git prints, without the line's end; None where it refuses.

        Raises:
            NoRevision: when git is not installed, or does not answer within 300 s.
        """
        answer = self._run(arguments)
        return None if answer.returncode else answer.stdout.rstrip("\n")

    def tell(self, *arguments: str) -> str:
        """Give what git prints, without the line's end.

        Raises:
            NoRevision: when git is not installed, does not answer within 300 s, or refuses; with git's words.
        """
        answer = self._run(arguments)
        if answer.returncode:
            words = answer.stderr.strip() or f"exit {answer.returncode}"
            raise NoRevision(f"in {self.folder}, git {arguments[0]} refused: {words}")
        return answer.stdout.rstrip("\n")

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        command = ("git", "--no-optional-locks", "-c", f"core.hooksPath={os.devnull}", *arguments)
        try:
            return subprocess.run(  # noqa: S603
                command,
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="surrogateescape",
                timeout=LIMIT_S,
            )
        except FileNotFoundError as error:
            if not self.folder.is_dir():
                raise NoRevision(f"there is no folder {self.folder} to look for a repository in") from error
            raise NoRevision(
                "git is not installed, and without it there is no revision to compare with. Install git, or compare "
                "with an environment that exists (--base-python) or with another definition (--base-models)."
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoRevision(f"in {self.folder}, git {arguments[0]} gave no answer: {error}") from error


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
