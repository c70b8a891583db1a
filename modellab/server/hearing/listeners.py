"""Listeners: the models that hear what is sent to a server, by their ids and by the names that clients know."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Self, TypeAlias

from anyio import CapacityLimiter

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_names
from modellab.backends.spec import ModelSpec, parse_spec
from modellab.errors import BackendUnavailable, PoolBusy, UnknownName
from modellab.measuring.worker import Worker
from modellab.pool.capacity import Capacity
from modellab.pool.holding import Holding
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.pool.size_book import SizeBook
from modellab.records.environment import usable_cores
from modellab.roster import LEAST_BYTES, Roster, combinations, matching
from modellab.server.definitions import Definitions
from modellab.server.hearing.hearing import Hearing
from modellab.server.hearing.order import Order
from modellab.server.hearing.team import Team
from modellab.server.settings import PoolSettings
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment

MOST_REPLICAS = 4  # where nothing is said: each holds the weights once more
END_S = 1.0  # from the end of a process to the return of its model
SWEEP_S = 1.0
"""How often models that were idle for long are looked for, in seconds."""


Tell: TypeAlias = Callable[[Segment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One model that may be asked: its spec, the languages it knows, and why it cannot run here, if so."""

    spec: ModelSpec
    languages: tuple[str, ...]
    refusal: str | None

    @property
    def id(self) -> str:
        """The id of its spec."""
        return self.spec.id


class Listeners:
    """The models that a server offers, held in teams by a pool. `threads` are for those who wait for a transcript."""

    def __init__(self, definitions: Definitions, settings: PoolSettings) -> None:
        self.settings = settings
        specs = _specs(definitions, settings.serve)
        _refuse_strangers(settings, specs)
        self._replicas = settings.replicas or min(usable_cores(), MOST_REPLICAS)
        self._threads = settings.threads or max(1, usable_cores() // self._replicas)
        self.roster = Roster(
            specs=specs,
            checkpoints=definitions.checkpoints,
            homes=definitions.homes,
            cache=definitions.cache,
            decode=definitions.defaults.decode,
            options_of=definitions.defaults.options,
            own_threads=self._threads,
        )
        capacity = Capacity.of_machine(models=settings.models)
        self.pool: Pool[Team] = Pool(
            self._recipe,
            replace(capacity, ram_bytes=settings.memory_bytes or capacity.ram_bytes),
            sizes=SizeBook(path=definitions.cache / f"sizes-of-{self._replicas}.json"),
            max_waiting=settings.max_waiting * settings.models,
        )
        most_lent = settings.models * (self._replicas + settings.max_waiting)
        most_in_line = settings.models * settings.max_waiting
        self.threads = CapacityLimiter(most_lent + most_in_line + 1)  # the last one is for whom the line has no place
        self._asked: dict[str, int] = {}
        self._hearings: set[Hearing] = set()
        self._described: dict[str, Backend] = {}  # looking one up reads what is installed
        self._lock = threading.Lock()

    @cached_property
    def by_id(self) -> Mapping[str, Listener]:
        """The models, by their ids, in the order of the settings."""
        return {
            spec.id: Listener(
                spec=spec,
                languages=self.roster.checkpoints.get(spec.checkpoint).languages,
                refusal=self.roster.refusal(spec),
            )
            for spec in self.roster.specs
        }

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Other names, and the ids they mean: those of the settings, and each checkpoint's for its first able model."""
        able = [listener for listener in self.by_id.values() if listener.refusal is None]
        by_checkpoint = {listener.spec.checkpoint: listener.id for listener in reversed(able)}
        own = {name: by_checkpoint.get(meant, meant) for name, meant in self.settings.aliases.items()}
        return {**by_checkpoint, **own}

    def named(self, name: str) -> Listener:
        """Give the model that a name means.

        Raises:
            UnknownName: when none is called so, with the nearest that is.
        """
        listener = self.by_id.get(self.aliases.get(name, name))
        if listener is None:
            raise UnknownName("model", name, (*self.by_id, *self.aliases))
        return listener

    def find(self, name: str) -> Listener:
        """Give the model that a name means, if it can be asked.

        Raises:
            UnknownName: when none is called so, with the nearest that is.
            BackendUnavailable: when it cannot run here, saying why.
        """
        listener = self.named(name)
        if listener.refusal:
            raise BackendUnavailable(f"{listener.id} cannot run here: {listener.refusal}")
        return listener

    def not_honoured(self, listener: Listener, decode: DecodeOptions) -> tuple[str, ...]:
        """Give the options that a model's runtime cannot follow, of those asked for."""
        if listener.id not in self._described:
            self._described[listener.id] = self.roster.described(listener.spec)
        return self._described[listener.id].asked(decode).not_honoured()

    @contextmanager
    def attend(self, listener: Listener, audio: Audio, decode: DecodeOptions) -> Iterator[Hearing]:
        """Give a place among those who ask a model, for as long as the context lasts.

        Raises:
            PoolBusy: at once, when as many as may wait for it do.
        """
        with self._lock:
            asked = self._asked.get(listener.id, 0)
            if asked >= self._replicas + self.settings.max_waiting:
                raise PoolBusy(f"{asked} requests wait for {listener.id} already: try again later", retry_after_s=1.0)
            self._asked[listener.id] = asked + 1
        order = Order(model=listener.id, audio=audio, decode=decode)
        hearing = Hearing(order=order, pool=self.pool, wait_s=self.settings.wait_s)
        with self._lock:
            self._hearings.add(hearing)
        try:
            yield hearing
        finally:
            with self._lock:
                self._asked[listener.id] -= 1
                self._hearings.discard(hearing)

    def holding(self) -> Holding:
        """Give what the pool holds now."""
        return self.pool.holding()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Unload what was idle for long, until the context ends; then give up what is still heard, and close all."""
        ended = threading.Event()
        sweeper = threading.Thread(target=self._sweep, args=(ended,), name="modellab-sweeper", daemon=True)
        sweeper.start()
        try:
            yield self
        finally:
            ended.set()
            sweeper.join()
            for hearing in tuple(self._hearings):
                hearing.forgo()
            self.pool.drain(END_S)

    def _sweep(self, ended: threading.Event) -> None:
        while not ended.wait(SWEEP_S):
            self.pool.sweep()

    def _recipe(self, id: str) -> Recipe[Team]:  # noqa: A002
        spec = parse_spec(id)
        keep_alive_s = self.settings.keep_alive_s_of.get(id, self.settings.keep_alive_s)
        return Recipe(
            make=lambda: self._team(spec),
            estimate=Size(ram_bytes=self._replicas * max(self.roster.files_bytes(spec), LEAST_BYTES)),
            keep_alive_s=inf if keep_alive_s < 0 else keep_alive_s,
        )

    def _team(self, spec: ModelSpec) -> Team:
        blueprint = self.roster.blueprint(spec, self._threads)
        own = self.settings

        def worker() -> Worker:
            return Worker(blueprint=blueprint, limit_s=own.transcribe_s, load_limit_s=own.load_s)

        return Team([worker() for _ in range(self._replicas)])


def _specs(definitions: Definitions, served: tuple[str, ...]) -> tuple[ModelSpec, ...]:
    """Give the models that are named, else those of the bench's defaults.

    Raises:
        UnknownName: when one names a backend or a checkpoint that nobody knows.
    """
    if served:
        specs = tuple(map(parse_spec, served))
        matching("backend", [spec.backend for spec in specs], backend_names())
        matching("model", [spec.checkpoint for spec in specs], definitions.checkpoints.names)
        return specs
    defaults = definitions.defaults
    return combinations(
        matching("model", defaults.models, definitions.checkpoints.names),
        matching("backend", defaults.backends, backend_names()),
        defaults.devices,
        defaults.compute_types_of,
    )


def _refuse_strangers(settings: PoolSettings, specs: tuple[ModelSpec, ...]) -> None:
    """Refuse settings of a model that is not offered.

    Raises:
        UnknownName: with the setting, and the nearest model that is.
    """
    ids, checkpoints = [spec.id for spec in specs], [spec.checkpoint for spec in specs]
    for meant in settings.aliases.values():
        if meant not in {*ids, *checkpoints}:
            raise UnknownName("model", meant, (*ids, *checkpoints), "The setting pool.aliases names it.")
    for named in settings.keep_alive_s_of:
        if named not in ids:
            raise UnknownName("model", named, ids, "The setting pool.keep_alive_s_of names it.")
