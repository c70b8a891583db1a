"""Environment: one on this disk, in the cache: made, opened, and thrown away."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from modellab.backends.registry import GROUP
from modellab.environments.definition import EnvironmentDefinition
from modellab.environments.interpreter import Interpreter, examine, source_sha256
from modellab.environments.python import python_of, version_of
from modellab.environments.step import Step
from modellab.environments.surroundings import Surroundings
from modellab.errors import EnvironmentUnavailable
from modellab.sources.cache import build_once, bytes_on_disk

LIMIT_S = 3600.0
_PACKAGE = Path(__file__).parents[1]
_STAMP = "environment.json"
_SCHEMA = 1
_PYTHON = Path("bin", "python")
_OFFLINE = "Is the package index reachable, and is there room on the disk?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment by its definition, and the folder that it is made in."""

    definition: EnvironmentDefinition
    folder: Path

    @classmethod
    def of(cls, definition: EnvironmentDefinition, cache: Path) -> "Environment":
        """Give the environment of a definition in a cache, made or not."""
        return cls(definition=definition, folder=cache.absolute() / "environments" / definition.name)

    @property
    def name(self) -> str:
        """What a model's entry calls it by."""
        return self.definition.name

    @property
    def surroundings(self) -> Surroundings:
        """Where its workers run."""
        return Surroundings(
            python=self.folder / _PYTHON, env={"PYTHONHOME": None}, origin=f"the environment {self.name!r}"
        )

    @property
    def made(self) -> bool:
        """Whether it was made."""
        return (self.folder / _STAMP).is_file()

    @property
    def disk_bytes(self) -> int:
        """What it takes on this disk."""
        return bytes_on_disk(self.folder)

    def fault(self) -> str | None:
        """Say why it cannot be used as it stands, and what helps, without starting it; None where it looks whole."""
        if not self.made:
            return f"the environment {self.name!r} has not been made: modellab env create {self.name}"
        python = self.folder / _PYTHON
        if not python.exists():
            lost = python.readlink() if python.is_symlink() else python
            return f"the interpreter of the environment {self.name!r} is gone ({lost}): {self._again}"
        if _facts(self.folder).get("needs") != needs(self.definition):
            return (
                f"the environment {self.name!r} was made by another definition, or for another Model Lab: {self._again}"
            )
        return None

    def open(self) -> Interpreter:
        """Start its interpreter and give what it says of itself.

        Raises:
            EnvironmentUnavailable: when it was not made, its interpreter is gone, or its Model Lab is not this one.
        """
        if fault := self.fault():
            raise EnvironmentUnavailable(fault)
        told = examine(self.surroundings)
        same_code = told.source_sha256 == source_sha256(_PACKAGE)
        if told.modellab != version("modellab") or not same_code or _own_backends() - {*told.layouts, *told.broken}:
            raise EnvironmentUnavailable(
                f"the environment {self.name!r} has another Model Lab ({told.modellab} in {told.folder}): {self._again}"
            )
        return told

    def create(self, python: Path | None = None) -> Interpreter:
        """Make it where it is not there: an interpreter, and Model Lab with the extras.

        Args:
            python: the interpreter to make it with; None looks for one of the version that it needs.

        Raises:
            EnvironmentUnavailable: when there is no such interpreter, or a step fails, with its last lines. Nothing
                half made is left.
        """
        if self.made and (fault := self.fault()):
            raise EnvironmentUnavailable(fault)
        build_once(
            self.folder, lambda: self.made, lambda part: self._build(part, python or python_of(self.definition.python))
        )
        return self.open()

    def remove(self) -> None:
        """Throw it away; harmless where it is not there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    @property
    def log(self) -> Path:
        """The file that tells how it was made."""
        return self.folder.parent / "logs" / f"{self.name}.log"

    @property
    def _again(self) -> str:
        return f"modellab env remove {self.name} && modellab env create {self.name}"

    def _build(self, part: Path, python: Path) -> None:
        wanted = self.definition.python
        if wanted and (found := version_of(python)) != wanted:
            raise EnvironmentUnavailable(
                f"the environment {self.name!r} needs Python {wanted}; {python} is {found or 'none'}"
            )
        self._step("make an environment", (str(python), "-I", "-m", "venv", str(part)))
        constraints, own = self.definition.constraints, _own(self.definition.extras)
        pins = ("-c", str(constraints)) if constraints else ()
        pip = (str(part / _PYTHON), "-I", "-m", "pip", "--disable-pip-version-check", "install", "--no-input")
        self._step(f"install {own[-1]}", (*pip, *pins, *own), _OFFLINE)
        facts = {"schema": _SCHEMA, "name": self.name, "python": str(python), "needs": needs(self.definition)}
        (part / _STAMP).write_text(json.dumps(facts, indent=1))

    def _step(self, purpose: str, command: Sequence[str], remedy: str = "") -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        Step(
            purpose=purpose, command=command, folder=self.log.parent, log=self.log, limit_s=LIMIT_S, remedy=remedy
        ).take()


def needs(definition: EnvironmentDefinition) -> Mapping[str, Any]:
    """Give all that an environment follows from, as JSON values."""
    constraints = definition.constraints
    return {
        "python": definition.python,
        "modellab": list(_own(definition.extras)),
        "constraints_sha256": hashlib.sha256(constraints.read_bytes()).hexdigest() if constraints else None,
    }


def _own(extras: Sequence[str]) -> Sequence[str]:
    """Give what pip is to install for this Model Lab, with extras: its folder where it was installed from one."""
    wanted = f"[{','.join(extras)}]" if extras else ""
    direct = json.loads(distribution("modellab").read_text("direct_url.json") or "{}")
    if "dir_info" not in direct:
        return (f"modellab{wanted}=={version('modellab')}",)
    folder = f"{unquote(urlparse(direct['url']).path)}{wanted}"
    return ("-e", folder) if direct["dir_info"].get("editable") else (folder,)


def _own_backends() -> set[str]:
    """Give the backends that come with Model Lab: an environment that lacks one was made before there was such."""
    return {point.name for point in distribution("modellab").entry_points.select(group=GROUP)}


def _facts(folder: Path) -> Mapping[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((folder / _STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return facts
