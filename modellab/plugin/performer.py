"""Performer: what a claim asks to have performed, each by its scenario, and written down in the run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

from modellab.backends.spec import ModelSpec
from modellab.errors import ModelLabError
from modellab.measuring.crew import Replica
from modellab.measuring.model import Model
from modellab.measuring.worker import Worker
from modellab.plugin.bench import Bench
from modellab.records.record import ColdStart
from modellab.records.scenario import Growth, Performance, Scenario, Stream
from modellab.reporting.accuracy import judge_utterance
from modellab.reporting.performance import Latency, Point, Served, best, latency, point, served
from modellab.reporting.streaming import Streamed, streamed
from modellab.scenarios.callers import ask
from modellab.scenarios.growth import grow_by_listening, grow_by_reloading
from modellab.scenarios.offline import arrangements, sweep
from modellab.scenarios.performing import Ensemble, Piece, example_of, unperformed, warm_up
from modellab.scenarios.programme import Programme
from modellab.scenarios.server import Server, Target
from modellab.scenarios.streaming import Streaming
from modellab.scoring.score import Score
from modellab.speech.utterance import Corpus, Utterance

Kept = TypeVar("Kept", Performance, Stream, Growth)
Show = Callable[[Sequence[Performance | Stream | Growth]], None]


@dataclass(frozen=True, slots=True)
class Performer:
    """A bench on which scenarios are performed. Every fact is in the run's folder before a figure is given.

    `show` is given the facts of each scenario once its workers are gone, to draw them.
    """

    bench: Bench
    show: Show = lambda _: None

    def single_stream(self, model: Model, corpus: Corpus) -> Latency:
        """Give the latency of one caller, who asks for the next utterance when the last is answered.

        Raises:
            ModelLabError: when the model cannot be loaded.
        """
        with self._ensemble(model, corpus, 1, self.bench.roster.threads) as ensemble:
            performance = self._kept(ask(ensemble, corpus, self._programme.calls))
        self.show([performance])
        found = latency([performance])
        assert found is not None, "calls were asked for"
        return found

    def concurrent(self, model: Model, corpus: Corpus) -> tuple[Point, ...]:
        """Give what several callers meet at one worker with all threads, and at as many workers that share them."""
        return tuple(point(self._kept(performance)) for performance in self._concurrent(model, corpus))

    def offline(self, model: Model, corpus: Corpus) -> tuple[Point | None, tuple[Point, ...]]:
        """Give the best setting, None where each failed, and what came of all that were tried."""
        programme = self._programme
        found = sweep(
            lambda replicas, threads: self._ensemble(model, corpus, replicas, threads),
            self._piece(model, corpus),
            tuple(_lasting(corpus, programme.offline_s)),
            arrangements(self.bench.roster.threads, programme.replicas, programme.batch_sizes),
        )
        performances = [self._kept(performance) for performance in found]
        self.show(performances)
        return best(performances), tuple(map(point, performances))

    def server(self, model: Model, corpus: Corpus) -> Served:
        """Give the highest rate of requests, arriving by chance, at which hardly any waits too long.

        Raises:
            ModelLabError: when the model cannot be loaded, or answers nothing.
        """
        programme = self._programme
        with self._ensemble(model, corpus, 1, self.bench.roster.threads) as ensemble:
            server = Server(
                ensemble=ensemble,
                corpus=corpus,
                target=Target(bound_s=programme.bound_s, requests=programme.requests),
                tolerance=programme.tolerance,
                limit_s=programme.rate_limit_s,
                seed=self.bench.choice.seed,
            )
            performances = [self._kept(performance) for performance in server.search()]
        self.show(performances)
        found = served(performances)
        if found is None:
            raise ModelLabError(f"{model.id} answered nothing of {corpus.name}, so there is no rate to look for")
        return found

    def streaming(self, model: Model, corpus: Corpus) -> Streamed:
        """Give what utterances come to that are heard as fast as they are spoken."""
        streaming = Streaming(
            model=model.id, corpus=corpus.name, session=self.bench.session, step_s=self._programme.step_s
        )
        with closing(Replica(self._worker(model.spec, self.bench.roster.threads))) as replica:
            warm_up(replica, example_of(corpus))
            streams = [self._kept(stream) for stream in streaming.each(replica, corpus)]
        self.show(streams)
        (found,) = streamed(streams, self._offline(model, corpus))
        return found

    def growth(self, model: Model, corpus: Corpus) -> Growth:
        """Give what a worker held after each of many transcriptions."""
        audios = [utterance.hear() for utterance in corpus]
        return self._shown(
            grow_by_listening(
                self._worker(model.spec, self.bench.roster.threads),
                audios,
                model=model.id,
                session=self.bench.session,
                language=corpus.utterances[0].language or None,
                turns=self._programme.turns,
            )
        )

    def reloads(self, model: Model, corpus: Corpus) -> Growth:
        """Give what a worker held after each of many times that its model was unloaded and loaded again."""
        example = example_of(corpus)
        return self._shown(
            grow_by_reloading(
                self._worker(model.spec, self.bench.roster.threads),
                example.audible[0].audio,
                model=model.id,
                session=self.bench.session,
                language=example.language,
                turns=self._programme.reloads,
            )
        )

    def cold_starts(self, model: Model) -> tuple[ColdStart, ColdStart]:
        """Give a start with the weights in the page cache, and one without."""
        corpus = self.bench.corpus_for(model)
        example = example_of(corpus).audible[0].utterance
        self.bench.start_cold(model.spec, example)  # which reads the weights into the page cache
        warm = self.bench.start_cold(model.spec, example)
        return warm, self.bench.start_cold(model.spec, example, cold_cache=True)

    @property
    def _programme(self) -> Programme:
        return self.bench.choice.programme

    def _concurrent(self, model: Model, corpus: Corpus) -> Iterator[Performance]:
        calls, threads = self._programme.concurrent_calls, self.bench.roster.threads
        for callers in self._programme.callers:
            for replicas in sorted({1, min(callers, threads)}):
                setting = {"replicas": replicas, "threads": threads // replicas, "callers": callers}
                try:
                    with self._ensemble(model, corpus, replicas, threads // replicas) as ensemble:
                        yield ask(ensemble, corpus, calls * callers, callers)
                except ModelLabError as error:
                    scenario: Scenario = "concurrent" if callers > 1 else "single-stream"
                    yield unperformed(self._piece(model, corpus), scenario, setting, error)

    def _offline(self, model: Model, corpus: Corpus) -> Mapping[str, Score]:
        """Give the errors in what the model writes with all of an utterance at hand."""
        records = self.bench.hear(model, corpus).records
        return {record.utterance: judge_utterance(record).score for record in records if record.transcript}

    def _ensemble(self, model: Model, corpus: Corpus, replicas: int, threads: int) -> Ensemble:
        return Ensemble(
            piece=self._piece(model, corpus),
            blueprint=self.bench.roster.blueprint(model.spec, threads),
            count=replicas,
            example=example_of(corpus),
        )

    def _worker(self, spec: ModelSpec, threads: int) -> Worker:
        return Worker(blueprint=self.bench.roster.blueprint(spec, threads))

    def _piece(self, model: Model, corpus: Corpus) -> Piece:
        return Piece(model=model.id, corpus=corpus.name, session=self.bench.session)

    def _shown(self, growth: Growth) -> Growth:
        self.show([self._kept(growth)])
        return growth

    def _kept(self, fact: Kept) -> Kept:
        self.bench.store.append(fact)
        return fact


def _lasting(corpus: Corpus, least_s: float) -> Iterator[Utterance]:
    """Give all utterances over and over, until they last so long."""
    lasted_s = 0.0
    for utterance in cycle(corpus):
        yield utterance
        lasted_s += utterance.duration_s
        if lasted_s >= least_s and utterance is corpus.utterances[-1]:
            return
