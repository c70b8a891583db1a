"""Fixtures: the words in which claims are written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NoReturn

import pytest

from modellab.errors import MeasurementRefused
from modellab.measuring.model import Model
from modellab.measuring.variation import INVARIANCE, Variation, moot
from modellab.measuring.variation import variation as variation_of
from modellab.plugin.attachments import Attachments, label
from modellab.plugin.bench import Bench
from modellab.plugin.heard import Heard, Timed
from modellab.plugin.performer import Performer
from modellab.records.record import ColdStart
from modellab.reporting.parity import in_full_precision
from modellab.reporting.quantisation import full_precision
from modellab.speech.utterance import Corpus, Utterance
from modellab.verdicts.budget import Budget, Verdict
from modellab.verdicts.budget import judge as verdict_of

JUDGED_BY = "judged_by"
NO_BUDGET, NO_CLAIM = "no budget", "no claim"

Listen = Callable[[Model, Corpus], Heard]
Vary = Callable[[Model, Corpus, Variation | str], Heard]
TimeSpeech = Callable[[Model, Corpus], Timed]
StartCold = Callable[[Model], ColdStart]
Limit = Callable[..., float]
Judge = Callable[..., None]


def measures(session: pytest.Session) -> bool:
    """Whether any collected test will measure something."""
    verbs = {"listen", "vary", "time_speech", "start_cold", "perform"}
    return not session.config.option.collectonly and any(
        verbs & set(getattr(item, "fixturenames", ())) for item in session.items
    )


def fixtures_of(bench: Bench) -> object:  # noqa: C901 - a list of fixtures, not a branching
    """Give a plugin whose fixtures are parametrised by what was chosen."""
    model_ids = [spec.id for spec in bench.choice.specs]
    attached: set[tuple[str, str]] = set()
    silent = [selection.name for selection in bench.choice.nonspeech_corpora]
    same_weights = sorted({spec.checkpoint for spec in bench.choice.specs})

    class Fixtures:
        """The fixtures of one session."""

        def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
            """Leave out the claims that nobody set a limit for, and label the others for Allure."""
            idle = [] if config.option.unbudgeted else [item for item in items if not _has_limit(bench, item)]
            if idle:
                config.hook.pytest_deselected(items=idle)
                items[:] = [item for item in items if item not in set(idle)]
            label(items)

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            """Make the run's folder where a worker will measure, so that the main process knows."""
            if hasattr(session.config, "workerinput") and measures(session):
                bench.store.folder.mkdir(parents=True, exist_ok=True)

        def pytest_sessionfinish(self) -> None:
            """End what is still loaded."""
            bench.roster.close()

        @pytest.fixture(scope="session", params=model_ids)
        @classmethod
        def model(cls, request: pytest.FixtureRequest) -> Iterator[Model]:
            """A chosen model, loaded when first heard and closed when its last test is done."""
            model = _runnable(bench, request.param)
            yield model
            model.close()

        @pytest.fixture(scope="session", params=[selection.name for selection in bench.choice.corpora])
        @classmethod
        def corpus(cls, request: pytest.FixtureRequest) -> Corpus:
            """A chosen corpus."""
            return bench.corpus(request.param)

        @pytest.fixture(scope="session", params=[selection.name for selection in bench.choice.timed_corpora])
        @classmethod
        def timed_corpus(cls, request: pytest.FixtureRequest) -> Corpus:
            """A corpus chosen for the timing lane."""
            return bench.corpus(request.param)

        @pytest.fixture(scope="session", params=silent)
        @classmethod
        def nonspeech(cls, request: pytest.FixtureRequest) -> Corpus:
            """A corpus in which, at least at times, nobody speaks."""
            corpus = bench.corpus(request.param)
            if all(utterance.reference.strip() for utterance in corpus):
                _claim_nothing(f"somebody speaks in every utterance of {corpus.name}")
            return corpus

        @pytest.fixture(scope="session")
        @classmethod
        def clean(cls, corpus: Corpus) -> Corpus:
            """The chosen corpus without the conditions that it is heard under."""
            if not corpus.clean:
                _claim_nothing(f"{corpus.name} is under no condition")
            return bench.corpus(corpus.clean)

        @pytest.fixture(scope="session", params=[variation.name for variation in INVARIANCE])
        @classmethod
        def variation(cls, request: pytest.FixtureRequest) -> Variation:
            """Another way to hear the same, which should change no word."""
            return variation_of(request.param)

        @pytest.fixture(scope="session", params=same_weights)
        @classmethod
        def runtimes(cls, request: pytest.FixtureRequest) -> Iterator[tuple[Model, ...]]:
            """All chosen models of a checkpoint in full precision that can run here: the same weights on each."""
            able = [s for s in bench.roster.runnable if s.checkpoint == request.param and in_full_precision(s)]
            models = tuple(bench.roster.model(spec.id) for spec in able)
            if len(models) < 2:  # noqa: PLR2004 - it takes two to differ
                _skip(f"{request.param} runs here on {len(models)} runtime in full precision, so there is no pair")
            yield models
            for model in models:
                model.close()

        @pytest.fixture
        def full(self, model: Model) -> Iterator[Model]:
            """The same checkpoint, runtime and device in the fullest precision that was chosen and runs here."""
            found = full_precision(model.spec, bench.roster.runnable)
            if found is None:
                _claim_nothing(f"{model.id} is the fullest of its compute types that was chosen, or has no fuller one")
            fullest = bench.roster.model(found.id)
            yield fullest
            fullest.close()

        @pytest.fixture
        def listen(self, request: pytest.FixtureRequest) -> Listen:
            """Give what a model writes for a corpus; each pair is heard once a run."""

            def listen(model: Model, corpus: Corpus) -> Heard:
                _skip_mismatch(bench, model, corpus)
                heard = bench.hear(model, corpus)
                if (model.id, corpus.name) not in attached:  # several claims rest on one hearing
                    attached.add((model.id, corpus.name))
                    Attachments(request.node).accuracy(heard, corpus)
                return heard

            return listen

        @pytest.fixture
        def vary(self) -> Vary:
            """Give what a model writes for a corpus when it is heard in another way, by a variation or its name."""

            def vary(model: Model, corpus: Corpus, changed: Variation | str) -> Heard:
                _skip_mismatch(bench, model, corpus)
                way = variation_of(changed) if isinstance(changed, str) else changed
                if (nothing := moot(way, model, corpus)) is not None:
                    _claim_nothing(nothing)
                return bench.vary(model, corpus, way)

            return vary

        @pytest.fixture
        def time_speech(self, request: pytest.FixtureRequest, benchmark: Any) -> TimeSpeech:  # noqa: ANN401
            """Give the time that a model takes for each utterance of a corpus, alone on the machine."""
            _refuse_company(request.config, benchmark)

            def time_speech(model: Model, corpus: Corpus) -> Timed:
                _skip_mismatch(bench, model, corpus)
                timed = bench.time(model, corpus, lambda hear, rounds: _pedantic(benchmark, hear, rounds))
                benchmark.extra_info |= {"rtf_median": timed.rtf.median, "rtf_samples": timed.rtf.samples}
                Attachments(request.node).timing(timed, corpus)
                return timed

            return time_speech

        @pytest.fixture
        def start_cold(self, request: pytest.FixtureRequest) -> StartCold:
            """Give what a fresh process of a model needs before its first transcript."""
            _refuse_company(request.config)

            def start_cold(model: Model) -> ColdStart:
                corpus = bench.corpus_for(model)
                _skip_mismatch(bench, model, corpus)
                longest = max(corpus, key=lambda utterance: utterance.duration_s)
                return bench.start_cold(model.spec, longest)

            return start_cold

        @pytest.fixture
        def perform(self, request: pytest.FixtureRequest) -> Performer:
            """Give what performs scenarios, in processes of their own and alone on the machine."""
            _refuse_company(request.config)
            return Performer(bench, Attachments(request.node).performed)

        @pytest.fixture
        def budget(self) -> Limit:
            """Give a limit by its name; where none is set nothing is claimed, so the test is skipped, not passed."""

            def budget(claim: str, model: Model, corpus: Corpus | None = None) -> float:
                return _limit(bench, claim, model.id, corpus.name if corpus else "*")

            return budget

        @pytest.fixture
        def judge(self) -> Judge:
            """Hold several figures of one measurement against their limits; where none is set, nothing is claimed."""

            def judge(model: Model, corpus: Corpus, **figures: float | None) -> None:
                _judge(bench, model.id, corpus.name, figures)

            return judge

    return Fixtures()


def _runnable(bench: Bench, model_id: str) -> Model:
    model = bench.roster.model(model_id)
    refusal = bench.roster.refusal(model.spec)
    if refusal:
        _skip(refusal)
    return model


def _has_limit(bench: Bench, item: pytest.Item) -> bool:
    """Whether there is a budget for anything a test is marked to be judged by; one without that mark needs none."""
    mark, call = item.get_closest_marker(JUDGED_BY), getattr(item, "callspec", None)
    if mark is None or call is None:
        return True
    named = ("corpus", "timed_corpus", "nonspeech")
    corpus = next((call.params[name] for name in named if name in call.params), "*")
    if not isinstance(corpus, str):  # pytest's word for a list of nothing
        return False
    own = bench.budgets.of(call.params["model"], corpus)
    return any(getattr(own, claim) is not None for claim in mark.args)


def _limit(bench: Bench, claim: str, model: str, corpus: str) -> float:
    known = [field.name for field in fields(Budget)]
    if claim not in known:
        raise MeasurementRefused(f"no claim {claim!r}; a budget may limit {', '.join(known)}")
    limit: float | None = getattr(bench.budgets.of(model, corpus), claim)
    if limit is None:
        _skip(f"{NO_BUDGET}: {claim} of {model} on {corpus} is reported, not judged; set it in budgets.toml")
    return limit


def _judge(bench: Bench, model: str, corpus: str, figures: Mapping[str, float | None]) -> None:
    own = bench.budgets.of(model, corpus)
    limits = {claim: getattr(own, claim) for claim in figures if getattr(own, claim) is not None}
    if not limits:
        _skip(f"{NO_BUDGET}: {', '.join(figures)} of {model} on {corpus} are reported, not judged")
    verdicts = {claim: verdict_of(figures[claim], limit) for claim, limit in limits.items()}
    wrong = [f"{c} is {figures[c]}, of {limits[c]}" for c, verdict in verdicts.items() if verdict is not Verdict.PASS]
    assert not wrong, f"over budget, or not measured: {'; '.join(wrong)}"


def _claim_nothing(reason: str) -> NoReturn:
    """Skip a claim that says nothing of what was chosen, which is no gap in what was measured."""
    _skip(f"{NO_CLAIM}: {reason}")


def _skip_mismatch(bench: Bench, model: Model, corpus: Corpus) -> None:
    reason = bench.mismatch(model, corpus)
    if reason:
        _skip(reason)


def _skip(reason: str) -> NoReturn:
    raise pytest.skip.Exception(reason)


def _refuse_company(config: pytest.Config, benchmark: Any = None) -> None:  # noqa: ANN401
    """Refuse to time anything while other tests run on this machine."""
    if hasattr(config, "workerinput"):
        raise MeasurementRefused("timing beside other workers means nothing: run it with `pytest -m timing -n 0`")
    if benchmark is not None and benchmark.disabled:
        raise MeasurementRefused("timing with --benchmark-disable measures nothing: leave that option out")


def _pedantic(benchmark: Any, hear: Callable[[Utterance], None], rounds: Iterator[Utterance]) -> None:  # noqa: ANN401
    """Let pytest-benchmark call every round, so that its table shows them; our clock stands inside."""
    turns = list(rounds)
    if turns:
        waiting = iter(turns)
        benchmark.pedantic(hear, setup=lambda: ((next(waiting),), {}), rounds=len(turns))
