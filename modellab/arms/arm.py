"""ArmDefinition: one side of a comparison: where its workers run, and what they host."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modellab.arms.definition import Definition
from modellab.arms.provision import provide
from modellab.backends.base import NO_WEIGHTS
from modellab.backends.registry import backend_class, backend_names
from modellab.backends.spec import ModelSpec
from modellab.checkpoints.registry import Registry
from modellab.environments.home import Homes
from modellab.environments.interpreter import Interpreter
from modellab.environments.surroundings import Surroundings
from modellab.errors import EnvironmentUnavailable
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.contender import Contender


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDefinition:
    """Base or candidate.

    It has no corpora: the candidate's side reads them, once, and both arms are sent the same audio.

    Attributes:
        name: "base" or "candidate".
        surroundings: the environment its workers run in.
        interpreter: what that environment says of itself.
        definition: the models, and how they listen.
        checkpoints: the candidate's, which everyday's cache holds.
        cache: the root of the cache.
        homes: the environments of models that have one of their own, in both arms alike; None leaves all in this arm's.
        threads: how many threads each backend may use.
    """

    name: str
    surroundings: Surroundings
    interpreter: Interpreter
    definition: Definition
    checkpoints: Registry
    cache: Path
    homes: Homes | None = None
    threads: int = 1

    def contender(self, spec: ModelSpec) -> Contender:
        """Give a model of this arm, ready to be started: its weights are fetched where they are not there.

        Its blueprint holds what the definition states and nothing else: a backend of the base may have other fields
        than ours, and other defaults, which must not be hidden by ours.

        Raises:
            EnvironmentUnavailable: when its environment has no such backend, or cannot import it, or the model's own
                is not there.
            SourceUnreachable, WrongHash, BadCheckpoint, BackendUnavailable, UnknownName: when it has no weights.
        """
        weights = None
        options = dict(self.definition.options.get(spec.backend, {}))
        if (layout := self._layout(spec)) != NO_WEIGHTS:
            given = provide(spec.checkpoint, layout, self.definition.checkpoints, self.checkpoints, self.cache)
            weights = asdict(given) | {"folder": str(given.folder)}
        elif spec.checkpoint in self.definition.checkpoints.names:
            options |= self.definition.checkpoints.get(spec.checkpoint).options
        stated = {
            **options,
            "weights": weights,
            "device": spec.device,
            "compute_type": spec.compute_type,
            "threads": self.threads,
            "decode": dict(self.definition.decode),
        }
        return Contender(
            name=f"{self.name} {spec.id}",
            blueprint=Blueprint(backend=spec.backend, fields=stated),
            python=self._python(spec),
            env=self.surroundings.env,
            cwd=self.surroundings.cwd,
        )

    def _python(self, spec: ModelSpec) -> Path:
        named = self.checkpoints.get(spec.checkpoint).environment if spec.checkpoint in self.checkpoints.names else None
        home = self.homes.of(spec.backend, named) if self.homes else None
        if home is None:
            return self.surroundings.python
        if fault := home.environment.fault():
            raise EnvironmentUnavailable(fault)
        return home.python

    def _layout(self, spec: ModelSpec) -> str:
        """Give the layout that its environment reads, with the compute type in it where ours would have that."""
        known, backend = self.interpreter, spec.backend
        if backend in known.broken:
            raise EnvironmentUnavailable(
                f"the {self.name} cannot import its backend {backend!r}: {known.broken[backend]}"
            )
        if backend not in known.layouts:
            raise EnvironmentUnavailable(
                f"the {self.name} ({self.surroundings.origin}) has no backend {backend!r}; it has "
                f"{', '.join(known.layouts) or 'none'}. Choose others with --backend."
            )
        theirs = known.layouts[backend]
        ours = backend_class(backend) if backend in backend_names() else None
        return ours.layout_in(spec.compute_type) if ours and ours.layout == theirs else theirs


def described(specs: Sequence[ModelSpec]) -> str:
    """Give the ids of some models, for a message."""
    return ", ".join(spec.id for spec in specs) or "none"
