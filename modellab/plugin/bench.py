"""Bench: what a session of pytest measures with. It knows the models, the corpora, the budgets and the run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from modellab.backends.base import Backend, JsonValue
from modellab.backends.device import device_class
from modellab.backends.identity import identity
from modellab.backends.registry import backend_class, misfit, refusal, runtime_version, weights_for
from modellab.backends.spec import ModelSpec, parse_spec
from modellab.checkpoints.layouts import disk_bytes, weights_sha256
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.conditions.registry import ConditionRegistry
from modellab.corpora.registry import CorpusRegistry
from modellab.corpora.selection import Selection
from modellab.environments.home import Home, Homes
from modellab.errors import UnknownName
from modellab.measuring.accuracy import Loadable, Place, hear
from modellab.measuring.arranging import WORTHWHILE_S, Arrangements, Arranger, candidates
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.cold_start import start_cold
from modellab.measuring.crew import Crew
from modellab.measuring.latency import LatencyTrial
from modellab.measuring.model import Listener, Model
from modellab.measuring.variation import Variation, Varied
from modellab.measuring.worker import Worker
from modellab.plugin.choice import Choice
from modellab.plugin.heard import Heard, Timed
from modellab.pool.capacity import SHARE, Capacity
from modellab.pool.lodger import Lodger
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.pool.size_book import SizeBook
from modellab.records.environment import usable_cores
from modellab.records.record import Arrangement, ColdStart, Record
from modellab.records.store import Store
from modellab.records.transcripts import FILE as TRANSCRIPTS
from modellab.records.transcripts import TranscriptCache
from modellab.speech.utterance import Corpus, Utterance
from modellab.verdicts.budget import Budgets

SIZES = "sizes.json"  # of models in the pool, in the cache
LEAST_BYTES = 256 << 20  # that a runtime is taken to need beside its weights, as long as nobody has seen it loaded


@dataclass(kw_only=True)
class Bench:
    """One process's share of a session: the main process has one, and each xdist worker its own."""

    choice: Choice
    homes: Homes
    checkpoints: Registry
    corpora: CorpusRegistry
    conditions: ConditionRegistry
    budgets: Budgets
    cache: Path
    store: Store
    session: int
    workers: int
    _read: dict[str, Corpus] = field(default_factory=dict, init=False)

    @cached_property
    def threads(self) -> int:
        """Threads a model may use: as told, else the cores shared out among the workers that have a model."""
        return self.choice.threads or max(1, usable_cores() // min(self.workers, max(1, len(self.choice.specs))))

    @cached_property
    def selections(self) -> Mapping[str, Selection]:
        """The corpora that were chosen, by the name that stands in a test's id."""
        choice = self.choice
        every = (*choice.corpora, *choice.timed_corpora, *choice.nonspeech_corpora)
        clean = (replace(selection, conditions=()) for selection in choice.corpora)
        return {selection.name: selection for selection in (*every, *clean)}

    def corpus(self, name: str) -> Corpus:
        """Give a chosen corpus, or any that is defined, sampled and under conditions as chosen; it is read once."""
        if name not in self._read:
            selection = self.selections.get(name, Selection(source=name))
            whole = self.corpora.read(selection, self.cache)
            limit = self.choice.limit
            clean = whole if limit is None else whole.sample(limit, self.choice.seed)
            self._read[name] = clean.under(self.conditions.effects(selection.conditions, whole), self.choice.seed)
        return self._read[name]

    def model(self, id: str) -> Model:  # noqa: A002
        """Give a chosen model, not yet loaded.

        Raises:
            UnknownName: when it was not chosen.
        """
        by_id = {spec.id: spec for spec in self.choice.specs}
        if id not in by_id:
            raise UnknownName("chosen model", id, by_id)
        spec = by_id[id]
        return Model(spec, self.checkpoints.get(spec.checkpoint).languages, lambda: self.listener(spec))

    def backend(self, spec: ModelSpec) -> Backend:
        """Give a model's backend, its weights fetched and in its layout, not yet loaded."""
        checkpoint = self.checkpoints.get(spec.checkpoint)
        return self._built(spec, weights_for(spec.backend, spec.compute_type, checkpoint, self.cache))

    def listener(self, spec: ModelSpec) -> Listener:
        """Give what listens as a model: its backend, or where it has a home of its own, a worker there in the pool."""
        return self.backend(spec) if self.home(spec) is None else Lodger(pool=self.pool, key=spec.id)

    @cached_property
    def pool(self) -> Pool[Worker]:
        """The models that have a home of their own, as many as there is room for beside those of other processes."""
        capacity = Capacity.of_machine(share=SHARE / self.workers)
        return Pool(self._recipe, capacity, sizes=SizeBook(path=self.cache / SIZES))

    def close(self) -> None:
        """End the processes of the pool, where one was needed."""
        if "pool" in self.__dict__:
            self.pool.drain()

    def home(self, spec: ModelSpec) -> Home | None:
        """Give the environment that a model runs in; None for this one.

        Raises:
            UnknownName: when nobody defines the environment that is named.
        """
        return self.homes.of(spec.backend, self.checkpoints.get(spec.checkpoint).environment)

    def runtime_version(self, spec: ModelSpec) -> str | None:
        """Give the version of a model's runtime, where it runs; None where it is not installed there."""
        home = self.home(spec)
        return home.versions.get(backend_class(spec.backend).package.lower()) if home else runtime_version(spec.backend)

    def options(self, spec: ModelSpec) -> dict[str, JsonValue]:
        """Give the options of a model's backend as its records have them, without fetching its weights."""
        described = self._built(spec, None)
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
        return self._built(spec, None).not_honoured()

    def _built(self, spec: ModelSpec, weights: Weights | None) -> Backend:
        return backend_class(spec.backend)(
            weights=weights,
            device=spec.device,
            compute_type=spec.compute_type,
            threads=self.threads,
            decode=self.choice.decode,
            **self._own_options(spec),
        )

    def _own_options(self, spec: ModelSpec) -> dict[str, JsonValue]:
        """Give the options that only this backend has; what a checkpoint states goes before the bench's."""
        return {**self.choice.options.get(spec.backend, {}), **self.checkpoints.get(spec.checkpoint).options}

    def _varied(self, spec: ModelSpec, changed: Variation) -> Listener:
        """Give a model with other options of listening or another number of threads."""
        usual = self.backend(spec)
        threads = (1 if self.threads > 1 else 2) if changed.other_threads else self.threads
        other = replace(usual, threads=threads, decode=replace(usual.decode, **changed.decode))
        return other if self.home(spec) is None else Worker(blueprint=self._on_paper(spec, other))

    def refusal(self, spec: ModelSpec) -> str | None:
        """Say why a model cannot run on this machine, or is none; None where it can."""
        checkpoint, home = self.checkpoints.get(spec.checkpoint), self.home(spec)
        able = home.refusal if home else refusal
        return misfit(spec.backend, checkpoint, self.choice.options.get(spec.backend)) or able(
            spec.backend, spec.device, spec.compute_type
        )

    def corpus_for(self, model: Model) -> Corpus:
        """Give the first chosen corpus that a model can be judged on, else the first of all."""
        chosen = [self.corpus(name) for name in self.selections]
        return next((corpus for corpus in chosen if not self.mismatch(model, corpus)), chosen[0])

    def mismatch(self, model: Model, corpus: Corpus) -> str | None:
        """Say why a model cannot be judged on a corpus; None where it can."""
        if model.speaks(corpus.languages):
            return None
        spoken = ", ".join(corpus.languages)
        return f"{model.spec.checkpoint} knows {', '.join(model.languages)}; {corpus.name} is in {spoken}"

    def hear(self, model: Model, corpus: Corpus) -> Heard:
        """Give what a model writes for a corpus, hearing what this run has no record of yet.

        Each model hears each corpus once a run, whichever process comes first; the others wait and read its records.
        """
        place = Place(model=model.id, corpus=corpus.name, lane="accuracy", session=self.session)
        with self._transcripts(model.spec) as transcripts:
            return self._heard(model, corpus, place, self.choice.batch_size, transcripts)

    def vary(self, model: Model, corpus: Corpus, changed: Variation) -> Heard:
        """Give what a model writes for a corpus when it is heard in another way; nothing comes out of the cache."""
        place = Place(
            model=model.id, corpus=corpus.name, lane="variation", session=self.session, variation=changed.name
        )
        with closing(Varied(model, changed, lambda: self._varied(model.spec, changed))) as varied:
            return self._heard(varied, corpus, place, changed.batch_size or self.choice.batch_size, None)

    def _heard(
        self, model: Loadable, corpus: Corpus, place: Place, batch_size: int, transcripts: TranscriptCache | None
    ) -> Heard:
        with self.store.lock("@".join(filter(None, (place.model, place.corpus, place.variation)))):
            known = self._known(place, corpus)
            waiting = [utterance for utterance in corpus if utterance.id not in known]
            for fact in self._listen(model, waiting, place, batch_size, transcripts):
                self.store.append(fact)
                if isinstance(fact, Record):
                    known[fact.utterance] = fact
        return Heard(model=place.model, corpus=corpus.name, records=tuple(known[u.id] for u in corpus))

    def _listen(
        self,
        model: Loadable,
        waiting: Sequence[Utterance],
        place: Place,
        batch_size: int,
        transcripts: TranscriptCache | None,
    ) -> Iterator[Record | Arrangement]:
        """Hear in this process, or by a crew where one may be quicker: on several free cores, much speech."""
        audio_s = sum(utterance.duration_s for utterance in waiting)
        if isinstance(model, Model) and audio_s >= WORTHWHILE_S and not self.choice.threads:
            options = self._options_of_crew(model.spec)
            if len(options) > 1:
                key = f"{model.id} on {self.threads} cores of {device_class(model.spec.device)}"
                hire = self._hire(model.spec)
                arranger = Arranger(hire=hire, options=options, known=Arrangements(self.cache), key=key)
                yield from arranger.hear(waiting, place, batch_size, transcripts)
                return
        yield from hear(model, waiting, place, batch_size, cache=transcripts)

    def _options_of_crew(self, spec: ModelSpec) -> tuple[tuple[int, int], ...]:
        checkpoint = self.checkpoints.get(spec.checkpoint)
        if spec.device != "cpu" or checkpoint.elsewhere:
            return ()
        return candidates(self.threads, disk_bytes(checkpoint, self.cache))

    def _hire(self, spec: ModelSpec) -> Callable[[int, int], Crew]:
        return lambda replicas, threads: Crew(self.blueprint(spec, threads), replicas)

    def blueprint(self, spec: ModelSpec, threads: int) -> Blueprint:
        """Give a model on paper, its weights fetched, for processes of their own with so many threads each."""
        return self._on_paper(spec, replace(self.backend(spec), threads=threads))

    def _on_paper(self, spec: ModelSpec, backend: Backend) -> Blueprint:
        home = self.home(spec)
        return Blueprint.of(spec.backend, backend, home.python if home else None)

    def _recipe(self, id: str) -> Recipe[Worker]:  # noqa: A002
        spec = parse_spec(id)
        files_bytes = disk_bytes(self.checkpoints.get(spec.checkpoint), self.cache)
        return Recipe(
            make=lambda: Worker(blueprint=self.blueprint(spec, self.threads)),
            estimate=Size(ram_bytes=max(files_bytes, LEAST_BYTES)),
        )

    @contextmanager
    def _transcripts(self, spec: ModelSpec) -> Iterator[TranscriptCache | None]:
        """Open what equal models wrote before; None where that was turned off, or nobody knows what is equal."""
        home, made = self.home(spec), backend_class(spec.backend)
        versions = home.versions if home else None
        of = identity(made, spec.device, self.options(spec), versions) if self.choice.cache else None
        if of is None:
            yield None
            return
        with closing(TranscriptCache(self.cache / TRANSCRIPTS, of)) as transcripts:
            yield transcripts

    def time(
        self, model: Model, corpus: Corpus, repeat: Callable[[Callable[[Utterance], None], Iterator[Utterance]], None]
    ) -> Timed:
        """Give the time that a model takes for each utterance; `repeat` calls what it is given for every round.

        What was measured before an interruption is kept.
        """
        place = Place(model=model.id, corpus=corpus.name, lane="timing", session=self.session)
        try:
            trial = LatencyTrial(backend=model.backend, corpus=corpus, place=place)
        except Exception as error:  # noqa: BLE001 - a failure is a record
            return self._timed(model, corpus, [place.failed(utterance, "load", error) for utterance in corpus])
        try:
            trial.warm_up()
            repeat(trial.hear, trial.rounds(self.choice.rounds))
        finally:
            timed = self._timed(model, corpus, trial.records())
        return timed

    def _timed(self, model: Model, corpus: Corpus, records: Iterable[Record]) -> Timed:
        written = tuple(records)
        for record in written:
            self.store.append(record)
        return Timed(model=model.id, corpus=corpus.name, records=written)

    def start_cold(self, spec: ModelSpec, utterance: Utterance, *, cold_cache: bool = False) -> ColdStart:
        """Give what a fresh process of a model needs before its first transcript, also without cached weights."""
        home = self.home(spec)
        start = start_cold(
            spec.backend,
            self.backend(spec),
            utterance,
            model=spec.id,
            session=self.session,
            cold_cache=cold_cache,
            python=home.python if home else None,
        )
        self.store.append(start)
        return start

    def record_crash(self, model: str, corpus: str, message: str) -> None:
        """Write a failure for every utterance that a process which died had not recorded."""
        place = Place(model=model, corpus=corpus, lane="accuracy", session=self.session)
        read = self.corpus(corpus)
        known = self._known(place, read)
        for utterance in read:
            if utterance.id not in known:
                self.store.append(place.failed(utterance, "crash", WorkerCrash(message)))

    def read_corpora(self) -> tuple[Corpus, ...]:
        """Give the corpora that have been read so far."""
        return tuple(self._read.values())

    def _known(self, place: Place, corpus: Corpus) -> dict[str, Record]:
        """Give the records that this run has, the last of each utterance; what failed in another session is retried."""
        where = (place.model, corpus.name, place.lane, place.variation)
        return {
            record.utterance: record
            for record in self.store.records()
            if (record.model, record.corpus, record.lane, record.variation) == where
            and (record.failure is None or record.session == self.session)
        }


class WorkerCrash(RuntimeError):
    """A process that hosted a model died."""
