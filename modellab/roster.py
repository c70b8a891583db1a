"""Roster: the chosen models: how each is made, where it runs, and what is known of it before."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name

from modellab.backends.auto import resolve
from modellab.backends.base import Backend, DecodeOptions, JsonValue
from modellab.backends.identity import identity
from modellab.backends.registry import backend_class, misfit, refusal, runtime_version, weights_for
from modellab.backends.spec import ModelSpec, parse_spec
from modellab.checkpoints.layouts import disk_bytes, weights_sha256
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.environments.home import Home, Homes
from modellab.errors import UnknownName
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.model import Listener, Model
from modellab.measuring.variation import Variation
from modellab.measuring.worker import Worker
from modellab.pool.capacity import SHARE, Capacity
from modellab.pool.lodger import Lodger
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.pool.size_book import SizeBook
from modellab.records.environment import usable_cores

SIZES = "sizes.json"  # of models in the pool, in the cache
LEAST_BYTES = 256 << 20  # that a runtime is taken to need beside its weights, as long as nobody has seen it loaded


def combinations(
    checkpoints: Iterable[str],
    backends: Iterable[str],
    devices: Iterable[str],
    compute_types: Callable[[str], Iterable[str]],
) -> tuple[ModelSpec, ...]:
    """Give every checkpoint on every backend and device, in the compute types of the backend; "auto" is resolved."""
    backends, devices = tuple(backends), tuple(devices)
    specs = (
        ModelSpec(
            backend=backend,
            checkpoint=checkpoint,
            device=resolve(device, backend, compute_type),
            compute_type=compute_type,
        )
        for checkpoint in checkpoints
        for backend in backends
        for device in devices
        for compute_type in compute_types(backend)
    )
    return tuple(dict.fromkeys(specs))


def matching(kind: str, patterns: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Give the known names that patterns with `*` and `?` mean, each once, in the order of the patterns.

    Raises:
        UnknownName: when a pattern means none, with the nearest that there is.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = [name for name in known if fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownName(kind, pattern, known)
        found |= dict.fromkeys(matches)
    return tuple(found)


@dataclass(kw_only=True)
class Roster:
    """The models of one process's share of a session, of which there are `workers`.

    Attributes:
        specs: which models are chosen.
        decode: how they listen.
        options_of: those that only one backend has, by backend.
        checkpoints: what their names mean.
        homes: the environments that some run in.
        cache: the root of the cache, where weights and sizes are.
        own_threads: threads a model may use; None shares the cores out among the workers.
        workers: how many processes share this machine so.
    """

    specs: tuple[ModelSpec, ...]
    checkpoints: Registry
    homes: Homes
    cache: Path
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    options_of: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    own_threads: int | None = None
    workers: int = 1

    @cached_property
    def threads(self) -> int:
        """Threads a model may use: as told, else the cores shared out among the workers that have a model."""
        return self.own_threads or max(1, usable_cores() // min(self.workers, max(1, len(self.specs))))

    @cached_property
    def pool(self) -> Pool[Worker]:
        """The models that have a home of their own, as many as there is room for beside those of other processes."""
        capacity = Capacity.of_machine(share=SHARE / self.workers)
        return Pool(self._recipe, capacity, sizes=SizeBook(path=self.cache / SIZES))

    @property
    def runnable(self) -> tuple[ModelSpec, ...]:
        """The chosen models that can run here, or in their homes."""
        return tuple(spec for spec in self.specs if self.refusal(spec) is None)

    def model(self, id: str) -> Model:  # noqa: A002
        """Give a chosen model, not yet loaded.

        Raises:
            UnknownName: when it was not chosen.
        """
        by_id = {spec.id: spec for spec in self.specs}
        if id not in by_id:
            raise UnknownName("chosen model", id, by_id)
        spec = by_id[id]
        return Model(spec, self.checkpoints.get(spec.checkpoint).languages, lambda: self.listener(spec))

    def listener(self, spec: ModelSpec) -> Listener:
        """Give what listens as a model: its backend, or where it has a home of its own, a worker there in the pool."""
        return self.backend(spec) if self.home(spec) is None else Lodger(pool=self.pool, key=spec.id)

    def varied(self, spec: ModelSpec, changed: Variation) -> Listener:
        """Give a model with other options of listening or another number of threads."""
        usual = self.backend(spec)
        threads = (1 if self.threads > 1 else 2) if changed.other_threads else self.threads
        other = replace(usual, threads=threads, decode=replace(usual.decode, **changed.decode))
        return other if self.home(spec) is None else Worker(blueprint=self._on_paper(spec, other))

    def backend(self, spec: ModelSpec) -> Backend:
        """Give a model's backend, its weights fetched and in its layout, not yet loaded."""
        checkpoint = self.checkpoints.get(spec.checkpoint)
        return self._built(spec, weights_for(spec.backend, spec.compute_type, checkpoint, self.cache))

    def blueprint(self, spec: ModelSpec, threads: int) -> Blueprint:
        """Give a model on paper, its weights fetched, for processes of their own with so many threads each."""
        return self._on_paper(spec, replace(self.backend(spec), threads=threads))

    def home(self, spec: ModelSpec) -> Home | None:
        """Give the environment that a model runs in; None for this one.

        Raises:
            UnknownName: when nobody defines the environment that is named.
        """
        return self.homes.of(spec.backend, self.checkpoints.get(spec.checkpoint).environment)

    def refusal(self, spec: ModelSpec) -> str | None:
        """Say why a model cannot run on this machine, or is none; None where it can."""
        checkpoint, home = self.checkpoints.get(spec.checkpoint), self.home(spec)
        able = home.refusal if home else refusal
        return misfit(spec.backend, checkpoint, self.options_of.get(spec.backend)) or able(
            spec.backend, spec.device, spec.compute_type
        )

    def runtime_version(self, spec: ModelSpec) -> str | None:
        """Give the version of a model's runtime, where it runs; None where it is not installed there."""
        if home := self.home(spec):
            return home.versions.get(canonicalize_name(backend_class(spec.backend).package))
        return runtime_version(spec.backend)

    def options(self, spec: ModelSpec) -> dict[str, JsonValue]:
        """Give the options of a model's backend as its records have them, without fetching its weights."""
        described = self.described(spec)
        checkpoint = self.checkpoints.get(spec.checkpoint)
        weights: JsonValue = {
            "checkpoint": checkpoint.name,
            "layout": described.layout_in(spec.compute_type),
            "revision": checkpoint.revision,
            "sha256": weights_sha256(checkpoint, self.cache),
        }
        return {**described.options(), "weights": weights}

    def not_honoured(self, spec: ModelSpec) -> tuple[str, ...]:
        """Give the decode options that were asked for and that a model's runtime cannot follow."""
        return self.described(spec).not_honoured()

    def described(self, spec: ModelSpec) -> Backend:
        """Give a model's backend without weights, to see what it can follow."""
        return self._built(spec, None)

    def identity(self, spec: ModelSpec) -> str | None:
        """Give a hash that models share only if they write the same of the same; None where that is not known."""
        home = self.home(spec)
        versions = home.versions if home else None
        return identity(backend_class(spec.backend), spec.device, self.options(spec), versions)

    def files_bytes(self, spec: ModelSpec) -> int:
        """Give what a model's files take on this disk, in all their layouts together."""
        return disk_bytes(self.checkpoints.get(spec.checkpoint), self.cache)

    def close(self) -> None:
        """End the processes of the pool, where one was needed."""
        if "pool" in self.__dict__:
            self.pool.drain()

    def _built(self, spec: ModelSpec, weights: Weights | None) -> Backend:
        return backend_class(spec.backend)(
            weights=weights,
            device=spec.device,
            compute_type=spec.compute_type,
            threads=self.threads,
            decode=self.decode,
            **self._own_options(spec),
        )

    def _own_options(self, spec: ModelSpec) -> dict[str, JsonValue]:
        """Give the options that only this backend has; what a checkpoint states goes before the bench's."""
        return {**self.options_of.get(spec.backend, {}), **self.checkpoints.get(spec.checkpoint).options}

    def _on_paper(self, spec: ModelSpec, backend: Backend) -> Blueprint:
        home = self.home(spec)
        return Blueprint.of(spec.backend, backend, home.python if home else None)

    def _recipe(self, id: str) -> Recipe[Worker]:  # noqa: A002
        spec = parse_spec(id)
        return Recipe(
            make=lambda: Worker(blueprint=self.blueprint(spec, self.threads)),
            estimate=Size(ram_bytes=max(self.files_bytes(spec), LEAST_BYTES)),
        )
