"""Bench: what a session of pytest measures with. It knows the models, the corpora, the budgets and the run."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from modellab.backends.base import Backend
from modellab.backends.registry import backend_class, refusal
from modellab.backends.spec import ModelSpec
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import CorpusRegistry
from modellab.corpora.selection import Selection
from modellab.errors import UnknownName
from modellab.measuring.accuracy import Place, hear
from modellab.measuring.cold_start import start_cold
from modellab.measuring.latency import LatencyTrial
from modellab.measuring.model import Model
from modellab.plugin.choice import Choice
from modellab.plugin.heard import Heard, Timed
from modellab.records.environment import usable_cores
from modellab.records.record import ColdStart, Lane, Record
from modellab.records.store import Store
from modellab.speech.utterance import Corpus, Utterance
from modellab.verdicts.budget import Budgets

ANY_LANGUAGE = ("*",)
NO_WEIGHTS = "none"


@dataclass(kw_only=True)
class Bench:
    """One process's share of a session: the main process has one, and each xdist worker its own."""

    choice: Choice
    checkpoints: Registry
    corpora: CorpusRegistry
    budgets: Budgets
    cache: Path
    store: Store
    session: int
    workers: int
    _read: dict[str, Corpus] = field(default_factory=dict, init=False)

    @cached_property
    def threads(self) -> int:
        """Threads a model may use: as told, else the cores shared out among the workers."""
        return self.choice.threads or max(1, usable_cores() // self.workers)

    @cached_property
    def selections(self) -> Mapping[str, Selection]:
        """The corpora that were chosen, by the name that stands in a test's id."""
        return {selection.name: selection for selection in (*self.choice.corpora, *self.choice.timed_corpora)}

    def corpus(self, name: str) -> Corpus:
        """Give a chosen corpus, or any that is defined, sampled as the options say; it is read once."""
        if name not in self._read:
            selection = self.selections.get(name, Selection(source=name))
            whole = self.corpora.read(selection, self.cache)
            limit = self.choice.limit
            self._read[name] = whole if limit is None else whole.sample(limit, self.choice.seed)
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
        return Model(spec, self.checkpoints.get(spec.checkpoint).languages, lambda: self.backend(spec))

    def backend(self, spec: ModelSpec) -> Backend:
        """Give a model's backend, its weights fetched and in its layout, not yet loaded."""
        made = backend_class(spec.backend)
        checkpoint = self.checkpoints.get(spec.checkpoint)
        weights = None if made.layout == NO_WEIGHTS else prepare(checkpoint, made.layout, self.cache)
        return made(
            weights=weights,
            device=spec.device,
            compute_type=spec.compute_type,
            threads=self.threads,
            decode=self.choice.decode,
        )

    def refusal(self, spec: ModelSpec) -> str | None:
        """Say why a model cannot run on this machine; None where it can."""
        return refusal(spec.backend, spec.device, spec.compute_type)

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
        with self.store.lock(f"{model.id}@{corpus.name}"):
            known = self._known(model.id, corpus, "accuracy")
            waiting = [utterance for utterance in corpus if utterance.id not in known]
            for record in hear(model, waiting, place, self.choice.batch_size) if waiting else ():
                self.store.append(record)
                known[record.utterance] = record
        return Heard(model=model.id, corpus=corpus.name, records=tuple(known[u.id] for u in corpus))

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

    def start_cold(self, spec: ModelSpec, utterance: Utterance) -> ColdStart:
        """Give what a fresh process of a model needs before its first transcript."""
        start = start_cold(spec.backend, self.backend(spec), utterance, model=spec.id, session=self.session)
        self.store.append(start)
        return start

    def record_crash(self, model: str, corpus: str, message: str) -> None:
        """Write a failure for every utterance that a process which died had not recorded."""
        place = Place(model=model, corpus=corpus, lane="accuracy", session=self.session)
        read = self.corpus(corpus)
        known = self._known(model, read, "accuracy")
        for utterance in read:
            if utterance.id not in known:
                self.store.append(place.failed(utterance, "crash", WorkerCrash(message)))

    def read_corpora(self) -> tuple[Corpus, ...]:
        """Give the corpora that have been read so far."""
        return tuple(self._read.values())

    def _known(self, model: str, corpus: Corpus, lane: Lane) -> dict[str, Record]:
        """Give the records that this run has, the last of each utterance; what failed in another session is retried."""
        return {
            record.utterance: record
            for record in self.store.records()
            if (record.model, record.corpus, record.lane) == (model, corpus.name, lane)
            and (record.failure is None or record.session == self.session)
        }


class WorkerCrash(RuntimeError):
    """A process that hosted a model died."""
