"""Keeper: in the main process, opens the run, tells it what was skipped or crashed, and closes it."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from modellab.errors import ModelLabError, StoreFull
from modellab.plugin.bench import Bench
from modellab.plugin.facts import corpus_facts, inventory, model_facts, refuse_other_run
from modellab.plugin.fixtures import NO_BUDGET, NO_CLAIM, measures
from modellab.plugin.progress import Progress
from modellab.plugin.scheduler import ModelScheduling, model_in
from modellab.records.environment import observe
from modellab.records.run import Outcome, Session, Skipped
from modellab.records.store import RUNS, now, point_latest

_WHERE = ("--run-dir", "--resume", "--alluredir", "--basetemp")
_FULL = f"{StoreFull.__module__}.{StoreFull.__qualname__}: "  # as pytest begins the message of one


class Keeper:
    """Keeps the run of one session. It writes nothing unless a test measures something."""

    def __init__(self, config: pytest.Config, bench: Bench) -> None:
        self._config = config
        self._bench = bench
        self._open = self._lost = False
        self._skipped: dict[Skipped, None] = {}
        self._progress: Progress | None = None
        self._crashes: list[tuple[str, str]] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests of one model together, in the order of the models; the rest keeps its order."""
        models = [spec.id for spec in self._bench.choice.specs]
        rank = {model: place for place, model in enumerate(models)}
        items.sort(key=lambda item: rank.get(model_in(item.nodeid, models) or "", len(models)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Open the run where this process runs the tests itself."""
        if measures(session):
            self._begin([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Open the run where workers run the tests; a worker that will measure has made its folder."""
        if self._bench.store.folder.is_dir():
            self._begin(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist's, untyped
        """Tell a worker which run and session it writes to."""
        node.workerinput["modellab"] = {"run": str(self._bench.store.folder), "session": self._bench.session}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - xdist's, untyped
        """Deal tests out by model, unless another way was asked for."""
        if config.getoption("dist") != "load":
            return None
        return ModelScheduling(config, log, [spec.id for spec in self._bench.choice.specs])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what was skipped, and why, and whether a record was lost to a full disk."""
        crash = getattr(report.longrepr, "reprcrash", None)
        self._lost = self._lost or (crash is not None and _FULL in crash.message)
        model, corpus = self._pair(report.nodeid)
        if report.skipped and model and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if not reason.startswith((NO_BUDGET, NO_CLAIM)):
                self._skipped[Skipped(model=model, corpus=corpus, reason=reason)] = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Turn the death of a worker into failure records."""
        model, corpus = self._pair(crashitem)
        if model and corpus:
            self._bench.record_crash(model, corpus, str(report.longrepr))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the run, saying whether all that was planned was done."""
        if self._progress:
            self._progress.stop()
        if self._open:
            cut = exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
            stopped = bool(session.shouldstop or session.shouldfail)
            self._close("partial" if cut or stopped or self._lost else "complete")
        self._bench.store.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the records are."""
        if self._open:
            terminalreporter.write_line(f"modellab: records in {self._bench.store.records_path}")

    def _begin(self, nodeids: Iterable[str]) -> None:
        if self._open:
            return
        pairs = sorted({pair for nodeid in nodeids if all(pair := self._pair(nodeid))})
        try:
            planned = self._planned(pairs)
            self._open_run(planned)
        except ModelLabError as error:
            raise pytest.UsageError(str(error)) from error
        self._open = True
        self._progress = Progress(self._bench.store, planned, self._say)
        self._progress.start()

    def _planned(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Give the number of utterances that will be heard, leaving out what will be skipped."""
        bench = self._bench
        models = {spec.id: bench.roster.model(spec.id) for spec in bench.roster.runnable}
        corpora = [(models[model], bench.corpus(corpus)) for model, corpus in pairs if model in models]
        return sum(len(corpus) for model, corpus in corpora if not bench.mismatch(model, corpus))

    def _open_run(self, planned: int) -> None:
        bench = self._bench
        for name in bench.selections:
            bench.corpus(name)
        argv = tuple(self._config.invocation_params.args)
        resumes: tuple[int, ...] = ()
        if bench.store.run_path.exists():
            run = bench.store.run()
            refuse_other_run(bench, run)
            resumes = tuple(s.number for s in run.unfinished if _call(s.argv) == _call(argv))
        session = Session(
            number=bench.session,
            argv=argv,
            started_at=now(),
            workers=bench.roster.workers,
            seed=bench.choice.seed,
            limit=bench.choice.limit,
            models=model_facts(bench),
            planned_utterances=planned,
            resumes=resumes,
        )
        found = inventory(bench)
        environment = observe(self._config.rootpath, found.devices, found.unreadable)
        bench.store.open_session(session, environment, corpus_facts(bench), bench.budgets.tables())
        if bench.store.folder.parent.resolve() == (self._config.rootpath / RUNS).resolve():
            point_latest(bench.store.folder)

    def _close(self, outcome: Outcome) -> None:
        try:
            self._bench.store.close_session(self._bench.session, outcome, tuple(self._skipped))
        except (ModelLabError, OSError) as error:
            self._say(f"modellab: the run could not be closed: {error}")

    def _say(self, line: str) -> None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)

    def _pair(self, nodeid: str) -> tuple[str, str]:
        """Give the model and the corpus that a test's id names, empty where it names none."""
        model = model_in(nodeid, [spec.id for spec in self._bench.choice.specs]) or ""
        rest = nodeid.rpartition("::")[2].partition("[")[2].removesuffix("]")
        corpus = rest.removeprefix(model).removeprefix("-") if model else ""
        return model, corpus if corpus in self._bench.selections else ""


def _call(argv: Sequence[str]) -> list[str]:
    """Give the words of a call without those that only say where it writes."""
    words, kept = iter(argv), []
    for word in words:
        if word in _WHERE:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in _WHERE)):
            kept.append(word)
    return kept
