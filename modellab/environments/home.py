"""Home: the environment that a model runs in, opened when first needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from modellab.environments.definition import EnvironmentDefinitions
from modellab.environments.environment import Environment
from modellab.environments.interpreter import Interpreter, refusal_of
from modellab.errors import EnvironmentUnavailable


class Home:
    """An environment in use. What it said of itself is asked for once, also where that was why it cannot be used."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._refusals: dict[tuple[str, str, str], str | None] = {}

    @property
    def name(self) -> str:
        """What a model's entry calls it by."""
        return self.environment.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.environment.surroundings.python

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of its packages, by their normalised names; empty where it cannot be used."""
        return {} if isinstance(self._told, str) else self._told.versions

    def refusal(self, backend: str, device: str, compute_type: str) -> str | None:
        """Say why a combination cannot run there, and what helps; None where it can."""
        if isinstance(self._told, str):
            return self._told
        asked = (backend, device, compute_type)
        if asked not in self._refusals:
            self._refusals[asked] = self._refused(*asked)
        return self._refusals[asked]

    def _refused(self, backend: str, device: str, compute_type: str) -> str | None:
        try:
            said = refusal_of(self.environment.surroundings, backend, device, compute_type)
        except EnvironmentUnavailable as error:
            return str(error)
        return said and f"in the environment {self.name!r}: {said}"

    @cached_property
    def _told(self) -> Interpreter | str:
        try:
            return self.environment.open()
        except EnvironmentUnavailable as error:
            return str(error)


@dataclass(frozen=True, kw_only=True)
class Homes:
    """The homes of models.

    Attributes:
        definitions: what environments are made of.
        cache: the root of the cache, where they are.
        of_backends: the name of the environment that a backend runs in, by backend; the others run in this one.
    """

    definitions: EnvironmentDefinitions
    cache: Path
    of_backends: Mapping[str, str] = field(default_factory=dict)
    _opened: dict[str, Home] = field(default_factory=dict, init=False, repr=False)

    def of(self, backend: str, named: str | None) -> Home | None:
        """Give the home of a model on a backend, whose entry may name an environment; None for this one.

        Raises:
            UnknownName: when there is no environment of that name.
        """
        name = named or self.of_backends.get(backend)
        if name is None:
            return None
        if name not in self._opened:
            self._opened[name] = Home(Environment.of(self.definitions.get(name), self.cache))
        return self._opened[name]
