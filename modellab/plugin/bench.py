"""Bench: what a session of pytest measures with. It knows the models, the corpora, the budgets and the run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from modellab.backends.device import device_class
from modellab.backends.spec import ModelSpec
from modellab.conditions.registry import ConditionRegistry
from modellab.corpora.registry import CorpusRegistry
from modellab.corpora.selection import Selection
from modellab.measuring.accuracy import Loadable, Place, hear
from modellab.measuring.arranging import WORTHWHILE_S, Arrangements, Arranger, candidates
from modellab.measuring.cold_start import start_cold
from modellab.measuring.crew import Crew
from modellab.measuring.latency import LatencyTrial
from modellab.measuring.model import Model
from modellab.measuring.variation import Variation, Varied
from modellab.plugin.choice import Choice
from modellab.plugin.heard import Heard, Timed
from modellab.records.record import Arrangement, ColdStart, Record
from modellab.records.store import Store
from modellab.records.transcripts import FILE as TRANSCRIPTS
from modellab.records.transcripts import TranscriptCache
from modellab.roster import Roster
from modellab.speech.utterance import Corpus, Utterance
from modellab.verdicts.budget import Budgets


@dataclass(kw_only=True)
class Bench:
    """One process's share of a session: the main process has one, and each xdist worker its own."""

    choice: Choice
    roster: Roster
    corpora: CorpusRegistry
    conditions: ConditionRegistry
    budgets: Budgets
    cache: Path
    store: Store
    session: int
    _read: dict[str, Corpus] = field(default_factory=dict, init=False)

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
        with closing(Varied(model, changed, lambda: self.roster.varied(model.spec, changed))) as varied:
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
                key = f"{model.id} on {self.roster.threads} cores of {device_class(model.spec.device)}"
                hire = self._hire(model.spec)
                arranger = Arranger(hire=hire, options=options, known=Arrangements(self.cache), key=key)
                yield from arranger.hear(waiting, place, batch_size, transcripts)
                return
        yield from hear(model, waiting, place, batch_size, cache=transcripts)

    def _options_of_crew(self, spec: ModelSpec) -> tuple[tuple[int, int], ...]:
        if spec.device != "cpu" or self.roster.checkpoints.get(spec.checkpoint).elsewhere:
            return ()
        return candidates(self.roster.threads, self.roster.files_bytes(spec))

    def _hire(self, spec: ModelSpec) -> Callable[[int, int], Crew]:
        return lambda replicas, threads: Crew(self.roster.blueprint(spec, threads), replicas)

    @contextmanager
    def _transcripts(self, spec: ModelSpec) -> Iterator[TranscriptCache | None]:
        """Open what equal models wrote before; None where that was turned off, or nobody knows what is equal."""
        of = self.roster.identity(spec) if self.choice.cache else None
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
        home = self.roster.home(spec)
        start = start_cold(
            spec.backend,
            self.roster.backend(spec),
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
