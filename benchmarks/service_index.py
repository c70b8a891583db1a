"""What browsing many runs costs: making the index, keeping it in step, and a page of the list through a real server.

The runs are written by the store, as a bench writes them, into a temporary folder. The pages are asked for one after
another over one kept connection, of a `modellab serve` in a process of its own, warm, under orders and filters in turn.
The baseline is what a page would cost without an index: to read and sort every run for each request.

    python benchmarks/service_index.py [--runs N] [--requests N] [--folder PATH]
"""

import argparse
import http.client
import json
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from modellab.machine.clock import MONOTONIC, timed
from modellab.records.environment import observe
from modellab.records.record import Record
from modellab.records.run import CorpusFacts, ModelFacts, Session
from modellab.records.store import Store
from modellab.scoring.quantile import percentile
from modellab.server.database import Database
from modellab.server.definitions import Definitions
from modellab.server.library.library import Library
from modellab.server.process import ServerProcess
from modellab.server.settings import ServerSettings
from modellab.speech.transcript import Transcript

FIXTURES = Path(__file__).parents[1] / "fixtures"
RUNS, REQUESTS = 10_000, 400
GOAL_PAGE_MS, GOAL_REBUILD_S, GOAL_REFRESH_S = 50.0, 30.0, 1.0
BASELINE_REQUESTS = 2
READY_S = 120.0
PAGES = (
    "/api/runs",
    "/api/runs?sort=-utterances&limit=200",
    "/api/runs?sort=size_bytes&outcome=complete",
    "/api/runs?model=fake:toy-3:cpu:float32",
    "/api/runs?corpus=corpus-2&sort=created_at",
    "/api/runs?q=run-00",
)
_MODELS, _CORPORA = 9, 5


def write_runs(folder: Path, count: int) -> None:
    """Write runs of one record each."""
    environment = observe(FIXTURES.parent)
    for number in range(count):
        store, model, corpus = Store(folder / f"run-{number:06}"), f"fake:toy-{number % _MODELS}:cpu:float32", "corpus-"
        corpus += str(number % _CORPORA)
        session = Session(
            number=0,
            argv=("pytest", "benchmarks"),
            started_at="2026-01-01T00:00:00+00:00",
            workers=1,
            seed=number,
            limit=None,
            models={model: ModelFacts(backend="fake", runtime_version="1", options={"threads": 1})},
            planned_utterances=number % 700,
        )
        facts = {corpus: CorpusFacts(revision="0", utterances=1, duration_s=2.0, languages=("en",))}
        opened = store.open_session(session, environment, facts, ())
        store.append(
            Record(
                model=model,
                corpus=corpus,
                utterance="u",
                audio_duration_s=2.0,
                reference="the cat sat",
                lane="accuracy",
                session=opened,
                language="en",
                transcript=Transcript(text="the hat sat"),
            )
        )
        store.close_session(opened, "complete" if number % 10 else "partial")
        store.close()


def index(folder: Path) -> tuple[float, float]:
    """Make the index of the runs, then look whether it is still right; give the seconds of both."""
    settings = ServerSettings(_env_file=None, runs=folder / "runs", data=folder / "data", fixtures=FIXTURES)
    database = Database.open(settings.database.get_secret_value())
    library = Library.of(settings, Definitions.read(FIXTURES, folder / "cache"), database)
    _, rebuild_s = timed(library.rebuild)
    refresh_s = min(timed(library.refresh)[1] for _ in range(3))
    database.close()
    return rebuild_s, refresh_s


def server(folder: Path) -> ServerProcess:
    """Give a server over the runs, which turns nobody away for asking too often."""
    settings = {"FIXTURES": str(FIXTURES), "RATE__PER_MINUTE": "10000000", "LOG_LEVEL": "ERROR"}
    return ServerProcess(folder=folder, settings=settings)


def wait_for(url: str) -> None:
    """Wait until a server has gone through all runs."""
    until_s = MONOTONIC() + READY_S
    while MONOTONIC() < until_s:
        if json.loads(get(connect(url), PAGES[0]))["complete"]:
            return
    raise TimeoutError(f"the server was not ready within {READY_S:.0f} s")


def connect(url: str) -> http.client.HTTPConnection:
    """Give a connection to a server."""
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)


def get(connection: http.client.HTTPConnection, path: str, **headers: str) -> bytes:
    """Ask for a path, and give the answer's body."""
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in {200, 304}:
        raise ValueError(f"{path}: {answer.status} {body[:200]!r}")
    return body


def pages(url: str, requests: int) -> tuple[list[float], list[float]]:
    """Ask for pages in turn and follow their cursors, then for one that is known; give the milliseconds of each."""
    connection = connect(url)
    for path in PAGES:
        get(connection, path)
    taken_ms: list[float] = []
    cursors: dict[str, str] = {}
    for number in range(requests):
        path = PAGES[number % len(PAGES)]
        asked = path + cursors.get(path, "")
        body, seconds = timed(lambda asked=asked: get(connection, asked))
        taken_ms.append(seconds * 1e3)
        cursor = json.loads(body)["next_cursor"]
        cursors[path] = f"{'&' if '?' in path else '?'}cursor={cursor}" if cursor else ""
    connection.request("GET", PAGES[0])
    answer = connection.getresponse()
    tag = answer.headers["ETag"]
    answer.read()
    known_ms = [
        timed(lambda: get(connection, PAGES[0], **{"If-None-Match": tag}))[1] * 1e3 for _ in range(requests // 4)
    ]
    connection.close()
    return taken_ms, known_ms


def without_index(folder: Path) -> int:
    """Give a page as one would without an index: read every run, sort, and take the first fifty."""
    stores = [Store(Path(entry.path)) for entry in os.scandir(folder) if entry.is_dir()]
    runs = sorted((store.run() for store in stores), key=lambda run: run.created_at, reverse=True)
    return len(json.dumps([(run.id, run.created_at, run.partial) for run in runs[:50]]))


def measure(folder: Path, runs: int, requests: int) -> int:
    """Measure and print; give 0 where the goals are met."""
    if not (folder / "runs").is_dir():
        _, made_s = timed(lambda: write_runs(folder / "runs", runs))
        say(f"runs:     {runs} written in {made_s:.1f} s")
    rebuild_s, refresh_s = index(folder)
    say(f"rebuild:  {rebuild_s:.1f} s, {runs / rebuild_s:.0f} runs a second")
    say(f"refresh:  {refresh_s * 1e3:.0f} ms where nothing has changed")
    with server(folder) as running:
        wait_for(running.url)
        taken_ms, known_ms = pages(running.url, requests)
    p50, p95 = (percentile(taken_ms, fraction) or max(taken_ms) for fraction in (0.5, 0.95))
    say(
        f"page:     p50 {p50:.1f} ms, p95 {p95:.1f} ms, slowest {max(taken_ms):.1f} ms of {len(taken_ms)} warm requests"
    )
    say(f"known:    p50 {percentile(known_ms, 0.5) or max(known_ms):.1f} ms where the client has the page (304)")
    plain_s = min(timed(lambda: without_index(folder / "runs"))[1] for _ in range(BASELINE_REQUESTS))
    say(f"baseline: {plain_s * 1e3:.0f} ms a page without an index, {plain_s * 1e3 / p50:.0f} times as long")
    say(f"goal:     p95 below {GOAL_PAGE_MS:.0f} ms, rebuild below {GOAL_REBUILD_S:.0f} s, refresh below 1 s")
    return 0 if p95 < GOAL_PAGE_MS and rebuild_s < GOAL_REBUILD_S and refresh_s < GOAL_REFRESH_S else 1


def say(text: str) -> None:
    """Print a line at once: the next may take a minute."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure and print; give 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--folder", type=Path, help="where the runs are, or are written; temporary by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="modellab-index-") as temporary:
        return measure(options.folder or Path(temporary), options.runs, options.requests)


if __name__ == "__main__":
    sys.exit(main())
