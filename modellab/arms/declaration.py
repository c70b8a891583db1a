"""Declaration: what a revision says it needs to be installed, and whether what is installed here is that."""

import hashlib
import json
import platform
import re
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from modellab.errors import EnvironmentUnavailable

ALL = "all"  # the extra with every runtime
_SEPARATORS = re.compile(r"[-_.]+")
_OWN_EXTRAS = re.compile(r"\s*([\w.-]+)\s*\[([^\]]*)\]\s*")
_PIN = re.compile(r"([\w.-]+)\s*==\s*([^\s;#]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What `pyproject.toml` and `constraints.txt` of a checkout say.

    Attributes:
        name: of the distribution.
        requires_python: the versions of Python it is for; "" for any.
        dependencies: what it always needs.
        extras: what it needs besides, by the name of the extra.
        constraints: the lines of `constraints.txt` that say something, sorted.
        dynamic: whether its dependencies are only known once it is built.
    """

    name: str
    requires_python: str
    dependencies: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]
    constraints: tuple[str, ...]
    dynamic: bool

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Give what the project in a folder declares.

        Raises:
            EnvironmentUnavailable: when it has no `pyproject.toml` that names a project.
        """
        path = folder / "pyproject.toml"
        try:
            project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
            return cls(
                name=project["name"],
                requires_python=project.get("requires-python", ""),
                dependencies=tuple(sorted(project.get("dependencies", ()))),
                extras={name: tuple(needs) for name, needs in project.get("optional-dependencies", {}).items()},
                constraints=tuple(_constraints(folder / "constraints.txt")),
                dynamic=not {"dependencies", "optional-dependencies"}.isdisjoint(project.get("dynamic", ())),
            )
        except OSError as error:
            raise EnvironmentUnavailable(f"cannot install the revision: {path}: {error.strerror}. {_REMEDY}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise EnvironmentUnavailable(
                f"cannot install the revision: {path} is not TOML: {error}. {_REMEDY}"
            ) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise EnvironmentUnavailable(
                f"cannot install the revision: {path} has no [project] name. {_REMEDY}"
            ) from error

    def extras_for(self, backends: Iterable[str]) -> tuple[str, ...]:
        """Give the extras with the runtimes of some backends; a backend that no extra is called after needs none."""
        return tuple(sorted(set(backends) & set(self.extras)))

    def needs(self, extras: Iterable[str]) -> tuple[str, ...]:
        """Give every requirement of the project with some extras, those that extras have of each other put in."""
        return tuple(sorted({*self.dependencies, *self._of_extras(tuple(extras), frozenset())}))

    def equals(self, other: "Declaration", extras: Iterable[str]) -> bool:
        """Say whether two revisions ask for the same packages, so that one environment does for both."""
        wanted = tuple(extras)
        mine, theirs = ((d.name, d.constraints, d.requires_python, d.needs(wanted)) for d in (self, other))
        return mine == theirs and not self.dynamic and not other.dynamic

    def key(self, extras: Iterable[str], commit: str) -> str:
        """Give a name for an environment that two revisions share only if they would be given the same packages."""
        facts = {
            "python": [platform.python_implementation(), platform.python_version(), sysconfig.get_platform()],
            "project": [self.name, self.requires_python, self.needs(tuple(extras)), self.constraints],
            "commit": commit if self.dynamic else None,
        }
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def unmet_pins(self) -> tuple[str, ...]:
        """Say which pinned packages are installed here in another version than `constraints.txt` says."""
        return tuple(_unmet(self.constraints))

    def _of_extras(self, names: tuple[str, ...], seen: frozenset[str]) -> Iterator[str]:
        for name in names:
            for requirement in self.extras.get(name, ()) if name not in seen else ():
                own = _OWN_EXTRAS.fullmatch(requirement)
                if own and _normal(own[1]) == _normal(self.name):
                    inner = tuple(part.strip() for part in own[2].split(","))
                    yield from self._of_extras(inner, seen | {name})
                else:
                    yield requirement


_REMEDY = "Compare with a revision that pip can install, or with an environment that exists (--base-python)."


def _constraints(path: Path) -> Iterable[str]:
    if not path.is_file():
        return ()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sorted(filter(None, lines))


def _unmet(constraints: Iterable[str]) -> Iterator[str]:
    for pin in filter(None, map(_PIN.match, constraints)):
        name, pinned = pin.groups()
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        if installed.partition("+")[0] != pinned.partition("+")[0]:
            yield f"{name} {installed}, not {pinned}"


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()
