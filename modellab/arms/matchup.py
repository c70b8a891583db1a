"""Matchup: two arms, and which model of one is compared with which of the other."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from modellab.arms.arm import ArmDefinition, described
from modellab.arms.checkout import check_out
from modellab.arms.definition import Wanted, backends_named, changed_by, read_definition
from modellab.arms.environment import Installer
from modellab.arms.revision import Revision
from modellab.backends.registry import backend_names
from modellab.backends.spec import ModelSpec
from modellab.environments.definition import read_environments
from modellab.environments.home import Homes
from modellab.environments.interpreter import examine, existing
from modellab.environments.surroundings import Surroundings
from modellab.errors import BadDefinition, NothingToCompare, UnknownName
from modellab.measuring.contender import Contender

T = TypeVar("T")

HERE = Surroundings(python=Path(sys.executable), origin="this environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matchup:
    """Base and candidate, paired model by model.

    Attributes:
        base: the arm that is compared with.
        candidate: the arm that is judged.
        pairs: a model of the base, and its counterpart of the candidate.
        only_base: models that the candidate no longer has: nothing judges them.
        only_candidate: models that are new: there is nothing to judge them by.
        revision: the commits; None where both arms are of one.
    """

    base: ArmDefinition
    candidate: ArmDefinition
    pairs: tuple[tuple[ModelSpec, ModelSpec], ...]
    only_base: tuple[ModelSpec, ...] = ()
    only_candidate: tuple[ModelSpec, ...] = ()
    revision: Revision | None = None

    def contenders(self, pair: tuple[ModelSpec, ModelSpec]) -> tuple[Contender, Contender]:
        """Give both sides of a pair, base first; raises what `ArmDefinition.contender` raises."""
        base, candidate = pair
        return self.base.contender(base), self.candidate.contender(candidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matchmaker:
    """What all comparisons of a project share.

    Attributes:
        fixtures: the candidate's folder of definitions.
        cache: the root of the cache.
        wanted: the part of the definitions that was asked for.
        threads: how many threads each backend may use.
    """

    fixtures: Path
    cache: Path
    wanted: Wanted = Wanted()  # noqa: RUF009 - it is frozen
    threads: int = 1

    @contextmanager
    def revisions(
        self, revision: Revision, installer: Installer | None = None, *, itself: bool = False
    ) -> Iterator[Matchup]:
        """Compare two revisions, each in an environment of what it declares; all that was made for it ends with it.

        Each arm's models are those of its own definitions, where the revision has them in the folder that the
        candidate has them in. `itself` allows a revision against itself, to see what a gate says where nothing changed.

        Raises:
            NothingToCompare: when they are the same.
            NoRevision: when git cannot give one.
            EnvironmentUnavailable: when an environment cannot be made, or cannot host a worker.
            BadDefinition, UnknownName: when an arm's definitions cannot be followed, or no model is in both.
        """
        if not itself:
            revision.require_difference()
        making = installer or Installer(cache=self.cache)
        with (
            check_out(revision, self.cache) as old,
            check_out(revision, self.cache, candidate=True) as new,
        ):
            theirs = _counterpart(self.fixtures, revision.root / revision.project, old.folder)
            backends = _of_base(partial(backends_named, theirs, self.wanted, backend_names()))
            with making.furnish(old, backends, new) as there, making.furnish(new, (), new) as here:
                candidate = self._candidate(here)
                yield _by_id(self._base(there, theirs, candidate), candidate, revision)

    def environment(self, python: Path) -> Matchup:
        """Compare this environment with one that exists, both with the candidate's definitions.

        Raises:
            NothingToCompare: when it is this one.
            EnvironmentUnavailable: when there is none, or it cannot host a worker.
            BadDefinition, UnknownName: when the definitions cannot be followed, or no model is in both.
        """
        candidate = self._candidate(HERE)
        base = replace(self._base(existing(python), self.fixtures, candidate), homes=None)
        mine, other = candidate.interpreter, base.interpreter
        if (mine.prefix, mine.folder) == (other.prefix, other.folder):
            raise NothingToCompare(f"nothing to compare: {python} is this environment ({mine.prefix})")
        return _by_id(base, candidate, None)

    def models(self, file: Path) -> Matchup:
        """Compare the candidate's definition with another one, in this environment.

        Models of the same ids are counterparts where both have the same ids; else the first is of the first, and so on.

        Raises:
            NothingToCompare: when both say the same.
            BadDefinition: when the file cannot be followed, or has more models than the candidate, or fewer.
        """
        candidate = self._candidate(HERE)
        mine = candidate.definition
        definition = changed_by(mine, file, candidate.interpreter.layouts)
        said = [(set(each.specs), each.decode, each.options) for each in (definition, mine)]
        if said[0] == said[1]:
            raise NothingToCompare(f"nothing to compare: {file} says of models and decoding what {mine.path} says")
        base = replace(candidate, name="base", definition=definition)
        return _by_id(base, candidate, None) if set(definition.specs) == set(mine.specs) else _by_place(base, candidate)

    def _candidate(self, surroundings: Surroundings) -> ArmDefinition:
        interpreter = examine(surroundings)
        definition = read_definition(self.fixtures, interpreter.layouts, self.wanted)
        return ArmDefinition(
            name="candidate",
            surroundings=surroundings,
            interpreter=interpreter,
            definition=definition,
            checkpoints=definition.checkpoints,
            cache=self.cache,
            homes=Homes(
                definitions=read_environments(self.fixtures / "environments.toml"),
                cache=self.cache,
                of_backends=definition.environments,
            ),
            threads=self.threads,
        )

    def _base(self, surroundings: Surroundings, fixtures: Path, candidate: ArmDefinition) -> ArmDefinition:
        interpreter = examine(surroundings)
        definition = _of_base(lambda: read_definition(fixtures, interpreter.layouts, self.wanted, lenient=True))
        return replace(
            candidate, name="base", surroundings=surroundings, interpreter=interpreter, definition=definition
        )


def _counterpart(fixtures: Path, project: Path, checkout: Path) -> Path:
    """Give the base's folder of definitions; one outside of the project belongs to no revision, and is for both."""
    inside = fixtures.resolve()
    return checkout / inside.relative_to(project.resolve()) if inside.is_relative_to(project.resolve()) else fixtures


def _of_base(read: Callable[[], T]) -> T:
    """Read something of the base's, and say whose it is where it cannot be read."""
    try:
        return read()
    except (BadDefinition, UnknownName) as error:
        raise BadDefinition(
            f"the base's definitions cannot be followed: {error} To compare definitions in this environment instead, "
            "give the base's by --base-models FILE."
        ) from error


def _by_id(base: ArmDefinition, candidate: ArmDefinition, revision: Revision | None) -> Matchup:
    old, new = base.definition.specs, candidate.definition.specs
    both = tuple(spec for spec in new if spec in old)
    if not both:
        raise BadDefinition(
            f"no model is in both arms. The base has {described(old)}; the candidate has {described(new)}. Choose "
            "models that both have, with --model and --backend, or pair others by --base-models FILE."
        )
    return Matchup(
        base=base,
        candidate=candidate,
        pairs=tuple((spec, spec) for spec in both),
        only_base=tuple(spec for spec in old if spec not in new),
        only_candidate=tuple(spec for spec in new if spec not in old),
        revision=revision,
    )


def _by_place(base: ArmDefinition, candidate: ArmDefinition) -> Matchup:
    old, new = base.definition.specs, candidate.definition.specs
    if len(old) != len(new):
        raise BadDefinition(
            f"{base.definition.path}: {len(old)} models cannot be paired with {len(new)}. The base has "
            f"{described(old)}; the candidate has {described(new)}. Give both the same number, in the same order."
        )
    return Matchup(base=base, candidate=candidate, pairs=tuple(zip(old, new, strict=True)))
