"""Definition: which environments `environments.toml` defines, and what is to be installed in each."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modellab.errors import BadDefinition, UnknownName
from modellab.sources.table import Table

SCHEMA = 1
_KEYS = ("python", "extras", "constraints")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_PYTHON = re.compile(r"3\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDefinition:
    """What an environment is made of.

    Attributes:
        name: what a model's entry calls it by.
        python: the version that it needs, such as "3.12"; None for the one that makes it.
        extras: of Model Lab, that are installed in it.
        constraints: the file that says which versions of packages.
    """

    name: str
    python: str | None
    extras: tuple[str, ...]
    constraints: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDefinitions:
    """Environments by name, in the order of their file."""

    path: Path
    by_name: Mapping[str, EnvironmentDefinition] = field(default_factory=dict)

    def get(self, name: str) -> EnvironmentDefinition:
        """Give the definition of an environment.

        Raises:
            UnknownName: with the nearest name there is.
        """
        if name not in self.by_name:
            raise UnknownName("environment", name, self.by_name, f"Environments are defined in {self.path}.")
        return self.by_name[name]

    def __iter__(self) -> Iterator[EnvironmentDefinition]:
        return iter(self.by_name.values())


def read_environments(path: Path) -> EnvironmentDefinitions:
    """Give the environments that a file defines; none where there is no such file.

    Raises:
        BadDefinition: naming the file, the environment, the key and what is allowed.
    """
    if not path.exists():
        return EnvironmentDefinitions(path=path)
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDefinition(f"cannot read environments from {path}: {error}") from error
    document = Table.read(parsed, str(path), ("schema", "environments"))
    if document.values.get("schema") != SCHEMA:
        raise document.refusal("schema", f"{SCHEMA}, the one this version reads")
    entries = document.table("environments")
    return EnvironmentDefinitions(
        path=path, by_name={name: _definition(name, value, path) for name, value in entries.values.items()}
    )


def _definition(name: str, value: object, path: Path) -> EnvironmentDefinition:
    where = f"{path}, environment {name!r}"
    if not _NAME.fullmatch(name):
        raise BadDefinition(f"{where}: a name is of small letters, digits, '-', '.' and '_', for it names a folder too")
    table = Table.read(value, where, _KEYS)
    python = table.optional_text("python")
    if python is not None and not _PYTHON.fullmatch(python):
        raise table.refusal("python", 'a version such as "3.12"')
    written = table.optional_text("constraints")
    constraints = (path.parent / written).absolute() if written else None
    if constraints and not constraints.is_file():
        raise BadDefinition(f"{where}: there is no file of constraints at {constraints}")
    return EnvironmentDefinition(
        name=name,
        python=python,
        extras=table.texts("extras") if "extras" in table.values else (),
        constraints=constraints,
    )
