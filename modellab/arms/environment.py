"""Environment: what a checkout needs to run, installed once for all revisions that ask for the same."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modellab.arms.checkout import Checkout
from modellab.arms.declaration import Declaration
from modellab.arms.overlay import lend
from modellab.arms.seat import seat
from modellab.environments.step import Step
from modellab.environments.surroundings import Surroundings
from modellab.sources.cache import build_once

LIMIT_S = 1800.0
_STAMP = "installed.json"
_NAME_DIGITS = 16
_PYTHON = Path("bin", "python")
_OFFLINE = "Is the package index reachable? What was installed once is kept, and then needs none."


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Makes environments in the cache.

    Attributes:
        cache: the root of the cache.
        limit_s: how long one command of pip may take, in seconds.
    """

    cache: Path
    limit_s: float = LIMIT_S

    @contextmanager
    def furnish(self, checkout: Checkout, backends: Sequence[str], like: Checkout) -> Iterator[Surroundings]:
        """Give an environment with a checkout's own code in it, and the packages that it declares.

        Where it declares what `like` does, the checkout that this environment is for, and what is pinned is installed
        here, the packages are this environment's: both arms have the very same then, and nothing is fetched. Else
        they are installed by pip, with the extras of the backends.

        Raises:
            EnvironmentUnavailable: when it declares nothing that pip can install, or pip fails, with its last lines.
            SourceUnreachable: when the cache cannot be written to.
        """
        declared, here = Declaration.read(checkout.folder), Declaration.read(like.folder)
        extras = declared.extras_for(backends)
        log = self._home("logs") / f"{checkout.sha256[:_NAME_DIGITS]}.log"
        log.unlink(missing_ok=True)
        with seat(self._home("seats")) as folder:
            folder.mkdir()
            if reason := _reason_against(declared, here, extras, itself=checkout.sha256 == like.sha256):
                python, origin = self._install(checkout, declared, extras, log), f"packages of its own: {reason}"
            else:
                python, origin = lend(folder / "environment", declared.name), "the packages of this environment"
            shutil.copytree(self._build(checkout, python, log), folder / "project")
            yield Surroundings(
                python=python,
                env={"PYTHONPATH": str(folder / "project"), "PYTHONHOME": None},
                cwd=folder,
                origin=origin,
                log=log if log.exists() else None,
            )

    def _install(self, checkout: Checkout, declared: Declaration, extras: Sequence[str], log: Path) -> Path:
        """Give the interpreter of an environment with what is declared, made where that was not done before."""
        folder = self._home("environments") / declared.key(extras, checkout.commit)
        wanted = f"{checkout.folder}[{','.join(extras)}]" if extras else str(checkout.folder)
        pins = ("-c", "constraints.txt") if declared.constraints else ()

        def build(part: Path) -> None:
            self._step("make an environment", (sys.executable, "-I", "-m", "venv", str(part)), checkout, log)
            install = ("install", "--no-input", *pins, wanted)
            self._pip(f"install the packages of {checkout.commit[:7]}", part / _PYTHON, install, checkout, log)
            leave = ("uninstall", "--yes", declared.name)
            self._pip(f"leave out {declared.name} itself", part / _PYTHON, leave, checkout, log)
            (part / _STAMP).write_text(json.dumps({"schema": 1, "needs": declared.needs(extras)}, indent=1))

        build_once(folder, lambda: (folder / _STAMP).is_file() and (folder / _PYTHON).exists(), build)
        return folder / _PYTHON

    def _build(self, checkout: Checkout, python: Path, log: Path) -> Path:
        """Give a folder with the checkout's distribution, its metadata included: entry points are read from that."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        folder = self._home("projects") / f"{checkout.sha256[:_NAME_DIGITS]}-{version}"
        purpose = f"build {checkout.commit[:7]}"

        def build(part: Path) -> None:
            install = ("install", "--no-input", "--no-deps", "--target", str(part), str(checkout.folder))
            self._pip(purpose, python, install, checkout, log)

        return build_once(folder, folder.is_dir, build)

    def _pip(self, purpose: str, python: Path, arguments: Sequence[str], checkout: Checkout, log: Path) -> None:
        command = (str(python), "-I", "-m", "pip", "--disable-pip-version-check", *arguments)
        self._step(purpose, command, checkout, log, _OFFLINE)

    def _step(self, purpose: str, command: Sequence[str], checkout: Checkout, log: Path, remedy: str = "") -> None:
        Step(
            purpose=purpose,
            command=command,
            folder=checkout.folder,
            log=log,
            limit_s=self.limit_s,
            remedy=remedy,
        ).take()

    def _home(self, name: str) -> Path:
        return self.cache.absolute() / "arms" / name


def _reason_against(declared: Declaration, here: Declaration, extras: Sequence[str], *, itself: bool) -> str:
    """Say why this environment's packages will not do for a checkout; "" where they will."""
    if itself:
        return ""
    if not declared.equals(here, extras):
        return "it declares other packages than the candidate"
    unmet = declared.unmet_pins()
    return f"this environment has {', '.join(unmet)}" if unmet else ""
