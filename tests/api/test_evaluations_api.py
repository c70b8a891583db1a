"""Evaluations over HTTP: asked for, watched, cancelled, and gone on with; real runs of the fake backend."""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi.testclient import TestClient
from patience import PATIENCE_S, until
from small_bench import write_bench
from starlette.types import Message, Receive, Scope, Send

from modellab.server.app import create_app
from modellab.server.jobs import jobs
from modellab.server.jobs.command import environment
from modellab.server.settings import JobSettings, RateSettings, ServerSettings

HOST = "http://localhost"
UTTERANCES = 12
SPARED = "-p no:schemathesis -p no:locust"
UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CLAIMS = """
import pytest

pytestmark = pytest.mark.accuracy


def test_heard(model, corpus, listen):
    assert not listen(model, corpus).failures
"""
IN_TURNS = f"""{CLAIMS}

from pathlib import Path
from time import sleep

from modellab.testing import FakeBackend

TURNS = Path(__file__).parent / "turns"
TRANSCRIBE = FakeBackend.transcribe


def transcribe(self, audios, language=None):
    while not (turns := list(TURNS.iterdir())):
        sleep(0.01)
    turns[0].unlink()
    return TRANSCRIBE(self, audios, language)


FakeBackend.transcribe = transcribe
"""
BUDGETS = '[[budget]]\nmodel = "*"\nset_on = 2026-11-22\nmachine = "test"\nwer = 1.0\n'
CONDITIONS = 'schema = 1\n[condition.noise]\neffect = "noise"\ndescription = "white noise"\nsound = "white"\n'
SOUNDS = ", ".join(f'{{ id = "u{number}", sound = "silence", duration_s = 0.1 }}' for number in range(UTTERANCES))
CORPORA = f"""
schema = 1
[corpus.silence]
reader = "synthesis"
description = "nobody speaks"
license = "Apache-2.0"
sounds = [{SOUNDS}]
"""

Bench = Callable[..., ServerSettings]


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A child may be interrupted, even where these tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def bench(settings: Callable[..., ServerSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Give settings of a server over a bench with one claim, which may be asked as often as a test waits for something.

    Its children leave those plugins out that no evaluation needs, and that take a second to import.
    """
    monkeypatch.setattr(jobs, "environment", lambda: environment() | {"PYTEST_ADDOPTS": SPARED})

    def make(claims: str = CLAIMS, **limits: Any) -> ServerSettings:
        fixtures = write_bench(tmp_path)
        for name, text in (("corpora", CORPORA), ("budgets", BUDGETS), ("conditions", CONDITIONS)):
            (fixtures / f"{name}.toml").write_text(text)
        benchmarks = tmp_path / "benchmarks"
        benchmarks.mkdir(exist_ok=True)
        (benchmarks / "test_claims.py").write_text(claims)
        (benchmarks / "turns").mkdir(exist_ok=True)
        return settings(
            fixtures=fixtures,
            benchmarks=benchmarks,
            jobs=JobSettings(**limits),
            rate=RateSettings(per_minute=100_000),
            drain_s=PATIENCE_S,
        )

    return make


def serving(settings: ServerSettings) -> TestClient:
    """Give a client of a server that is to be started."""
    return TestClient(create_app(settings), base_url=HOST, raise_server_exceptions=False)


def ask(client: TestClient, **order: Any) -> dict[str, Any]:
    """Start an evaluation and give it."""
    answer = client.post("/api/evaluations", json={"models": ["toy"], **order})
    assert answer.status_code == 202, answer.text
    return answer.json()


def events_of(client: TestClient, id: str, after: int | None = None) -> list[dict[str, Any]]:  # noqa: A002
    """Give the events of an evaluation, until the last of them."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    answer = client.get(f"/api/evaluations/{id}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    told = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [{"id": int(event["id"]), "event": event["event"], **json.loads(event["data"])} for event in told]


def heard(settings: ServerSettings, id: str) -> Counter[str]:  # noqa: A002
    """Give how often each utterance stands in the records of an evaluation."""
    path = settings.runs / id / "records.jsonl"
    lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []  # the last may be half written
    return Counter(json.loads(line)["utterance"] for line in lines)


def let(settings: ServerSettings, job: str, turns: int) -> None:
    """Let an evaluation hear so many utterances more, and wait until they stand in its records."""
    before = sum(heard(settings, job).values())
    for number in range(turns):
        (settings.benchmarks / "turns" / f"{before + number}").touch()
    until(lambda: sum(heard(settings, job).values()) == before + turns)


def state_of(client: TestClient, id: str) -> dict[str, Any]:  # noqa: A002
    """Give an evaluation as it is now."""
    return client.get(f"/api/evaluations/{id}").json()


def child_of(client: TestClient) -> psutil.Process:
    """Give the process that an evaluation runs in."""
    return until(lambda: next((each for each in psutil.Process().children() if "pytest" in _words(each)), None))


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it ended, or was not waited for yet
        return []


def test_an_evaluation_from_its_order_to_its_verdict(bench: Bench) -> None:
    """It is queued, runs, tells how far it is, also to who comes back to the stream, and ends with a verdict."""
    settings = bench()
    with serving(settings) as client:
        answer = client.post("/api/evaluations", json={"models": ["toy"], "limit": 5, "label": "first"})
        job = answer.json()
        assert answer.status_code == 202
        assert answer.headers["Location"] == f"/api/evaluations/{job['id']}"
        assert (job["state"], job["verdict"]) == ("queued", None)
        events = events_of(client, job["id"])
        for seen in range(len(events) + 1):
            assert events_of(client, job["id"], after=seen) == events[seen:]
        ended = state_of(client, job["id"])
        log = client.get(f"/api/evaluations/{job['id']}/log", params={"lines": 3})
    states = [event["state"] for event in events if event["event"] == "state"]
    assert states == ["queued", "running", "complete"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["verdict"] == "passed"
    assert events[-2]["event"] == "progress"
    assert (events[-2]["planned_utterances"], events[-2]["recorded_facts"]) == (5, 5)
    assert ended["run"] == json.loads((settings.runs / job["id"] / "run.json").read_text())["id"]
    assert (ended["attempts"], ended["reason"], ended["recorded_facts"]) == (1, None, 5)
    assert ended["started_at"] <= ended["ended_at"]
    assert log.headers["content-type"].startswith("text/plain")
    assert len(log.text.splitlines()) <= 3
    assert "passed" in log.text


def test_a_run_outlives_its_process_and_its_server(bench: Bench) -> None:
    """A process that is killed is begun again, a server that stops leaves the run to the next: each hears the rest."""
    settings = bench(IN_TURNS)
    with serving(settings) as client:
        job = ask(client)
        let(settings, job["id"], 2)
        child_of(client).kill()
        until(lambda: state_of(client, job["id"])["attempts"] == 2)
        let(settings, job["id"], 4)
        child = child_of(client)
    assert not child.is_running()
    assert sum(heard(settings, job["id"]).values()) == 6
    with serving(settings) as client:
        let(settings, job["id"], UTTERANCES - 6)
        events = events_of(client, job["id"])
        ended = state_of(client, job["id"])
    told = [(event["state"], event["attempt"], event["reason"]) for event in events if event["event"] == "state"]
    assert told == [
        ("queued", 0, None),
        ("running", 1, None),
        ("queued", 1, "SIGKILL ended its process; it goes on"),
        ("running", 2, None),
        ("queued", 1, "the server was stopped"),
        ("running", 2, None),
        ("complete", 2, None),
    ]
    assert (ended["attempts"], ended["verdict"]) == (2, "passed")
    assert heard(settings, job["id"]) == Counter({f"u{number}": 1 for number in range(UTTERANCES)})


def test_a_running_evaluation_is_cancelled(bench: Bench) -> None:
    """It ends soon, what it has recorded is kept, and it cannot be cancelled twice."""
    settings = bench(IN_TURNS)
    with serving(settings) as client:
        job = ask(client)
        let(settings, job["id"], 1)
        child = child_of(client)
        answer = client.post(f"/api/evaluations/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["cancel_asked"]) == (202, True)
        assert events_of(client, job["id"])[-1]["state"] == "cancelled"
        again = client.post(f"/api/evaluations/{job['id']}/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "ended")
    assert not child.is_running()
    assert sum(heard(settings, job["id"]).values()) == 1
    assert json.loads((settings.runs / job["id"] / "run.json").read_text())["sessions"][0]["outcome"] == "partial"


FULL = """
import pytest
from modellab.errors import StoreFull

pytestmark = pytest.mark.accuracy


def test_heard(model, corpus, listen):
    listen(model, corpus)
    raise StoreFull("the disk took only part of a line")
"""


def test_an_evaluation_whose_records_found_no_room_has_failed(bench: Bench) -> None:
    """What could not be recorded whole is not complete, whatever its verdict; its run says so too."""
    settings = bench(claims=FULL)
    with serving(settings) as client:
        job = ask(client, limit=1, label="full", tags=["disk"])
        ended = events_of(client, job["id"])[-1]
        last_lines = state_of(client, job["id"])["last_lines"]
    assert (ended["state"], ended["verdict"]) == ("failed", None)
    assert "see that the disk has room" in ended["reason"]
    assert any("StoreFull" in line for line in last_lines)
    assert json.loads((settings.runs / job["id"] / "run.json").read_text())["sessions"][0]["outcome"] == "partial"
    assert json.loads((settings.runs / job["id"] / "labels.json").read_text())["label"] == "full"


@pytest.fixture
def idle(bench: Bench) -> TestClient:
    """Give a client of a server that takes orders and runs none."""
    return serving(bench(max_queued=3))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"models": ["toi"]}, "models: no model 'toi'. Did you mean 'toy'?"),
    ({"models": ["to*"]}, "models: no model"),
    ({"models": ["toy,toy-en"]}, "models: no model"),
    ({"models": ["fake:toi:cpu:float32"]}, "models: no model 'toi'"),
    ({"models": ["fake:toy"]}, "models: no model id"),
    ({"models": ["fake:toy:cpu:float32", "toy-en"]}, "models: an id says all"),
    ({"models": ["fake:toy:cpu:float32"], "devices": ["cpu"]}, "models: an id says all"),
    ({"models": ["fake:toy:cpu:float32", "fake:toy-en:mps:float32"]}, "models: one evaluation"),
    ({"models": ["toy"], "backends": ["vosk"]}, "models: "),
    ({"backends": ["fale"]}, "backends: no backend 'fale'. Did you mean 'fake'?"),
    ({"devices": ["cuda:x"]}, "devices: no device"),
    ({"devices": ["--fixtures"]}, "devices: no device"),
    ({"compute_types": ["int9"]}, "compute_types: no compute type 'int9'. Did you mean 'int8'?"),
    ({"corpora": ["silense"]}, "corpora: no corpus 'silense'. Did you mean 'silence'?"),
    ({"corpora": ["/etc/passwd"]}, "corpora: no corpus"),
    ({"corpora": ["fixtures"]}, "corpora: no corpus"),
    ({"corpora": ["hf:somebody/something"]}, "corpora: no corpus"),
    ({"corpora": ["silence+nois:10dB"]}, "corpora: no condition 'nois'. Did you mean 'noise'?"),
    ({"corpora": ["silence+noise:10"]}, "corpora: condition"),
    ({"corpora": ["silence+noise:10dB,/etc"]}, "corpora: "),
    ({"corpora": ["silence[language=en]"]}, "corpora: write 'silence'"),
    ({"corpora": [" silence"]}, "corpora: "),
    ({"corpora": ["silence", "silence"]}, "corpora: one of them is named twice"),
    ({"corpora": ["]["]}, "corpora: "),
    ({"lane": "gpu"}, "body.lane"),
    ({"limit": 0}, "body.limit"),
    ({"limit": True}, "body.limit"),
    ({"limit": 10**30}, "body.limit"),
    ({"seed": -1}, "body.seed"),
    ({"batch_size": 1.5}, "body.batch_size"),
    ({"rounds": "3"}, "body.rounds"),
    ({"threads": 0}, "body.threads"),
    ({"models": "toy"}, "body.models"),
    ({"models": ["toy"] * 65}, "body.models"),
    ({"label": "a\nb"}, "body.label"),
    ({"tags": ["\0"]}, "body.tags"),
    ({"tags": [" "]}, "body.tags"),
    ({"workers": 4}, "body.workers"),
]


@pytest.mark.parametrize(("order", "told"), REFUSED, ids=lambda value: json.dumps(value)[:40])
def test_what_is_not_known_is_refused(idle: TestClient, *, order: dict[str, Any], told: str) -> None:
    """A 422 names the field and the nearest that there is; nothing is queued."""
    answer = idle.post("/api/evaluations", json=order)
    assert answer.status_code == 422, answer.text
    assert told in answer.json()["detail"]
    assert idle.get("/api/evaluations").json()["evaluations"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"label": "\\ud800"}', b'"toy"'])
def test_what_is_no_order_is_refused(idle: TestClient, body: bytes) -> None:
    """A body that is no object of known fields is a 422."""
    answer = idle.post("/api/evaluations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_body_has_an_end(idle: TestClient) -> None:
    """More than 64 KiB is no order."""
    answer = idle.post("/api/evaluations", json={"tags": ["x" * 60] * 2000})
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_ids_and_conditions_are_understood(idle: TestClient) -> None:
    """Ids are taken apart; a corpus may be under conditions that are defined."""
    job = ask(idle, models=["fake:toy:cpu:float32", "fake:toy-en:cpu:float32"], corpora=["silence+noise:10dB"])
    assert job["order"]["models"] == ["toy", "toy-en"]
    assert (job["order"]["backends"], job["order"]["devices"]) == (["fake"], ["cpu"])
    assert job["order"]["corpora"] == ["silence+noise:10dB"]


def test_a_key_stands_for_one_order(idle: TestClient) -> None:
    """The same key and order are the same evaluation; another order is a 409; no key is another evaluation."""
    first, again, other, bare = (
        idle.post("/api/evaluations", json={"models": [model]}, headers=headers)
        for model, headers in (
            ("toy", {"Idempotency-Key": "once"}),
            ("toy", {"Idempotency-Key": "once"}),
            ("toy-en", {"Idempotency-Key": "once"}),
            ("toy", {}),
        )
    )
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert bare.json()["id"] != first.json()["id"]
    for bad in ("", "x" * 256, b"\xff"):
        answer = idle.post("/api/evaluations", json={"models": ["toy"]}, headers={"Idempotency-Key": bad})
        assert answer.status_code == 422


def test_a_full_queue_takes_no_more(idle: TestClient) -> None:
    """Beyond the bound it is a 503 with Retry-After; one that was cancelled makes room, and a key is still known."""
    key = {"Idempotency-Key": "k"}
    first = idle.post("/api/evaluations", json={"models": ["toy"]}, headers=key).json()
    second = ask(idle)
    ask(idle)
    full = idle.post("/api/evaluations", json={"models": ["toy"]})
    assert (full.status_code, full.json()["code"], full.headers["Retry-After"]) == (503, "queue_full", "60")
    assert idle.post("/api/evaluations", json={"models": ["toy"]}, headers=key).json()["id"] == first["id"]
    assert idle.post(f"/api/evaluations/{second['id']}/cancel").json()["state"] == "cancelled"
    ask(idle)


def test_pages_hold_the_newest_first(idle: TestClient) -> None:
    """Every evaluation is on one page, also when new ones come between; states are told apart."""
    ids = [ask(idle)["id"] for _ in range(3)]
    page = idle.get("/api/evaluations", params={"limit": 2}).json()
    assert [job["id"] for job in page["evaluations"]] == ids[:0:-1]
    idle.post(f"/api/evaluations/{ids[1]}/cancel")
    ask(idle)
    rest = idle.get("/api/evaluations", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([job["id"] for job in rest["evaluations"]], rest["next_cursor"]) == (ids[:1], None)
    cancelled = idle.get("/api/evaluations", params={"state": "cancelled"}).json()["evaluations"]
    assert [job["id"] for job in cancelled] == [ids[1]]
    for params in ({"limit": 0}, {"limit": 201}, {"state": "lost"}):
        assert idle.get("/api/evaluations", params=params).status_code == 422
    assert idle.get("/api/evaluations", params={"cursor": "zzz"}).json()["code"] == "bad_cursor"


@pytest.mark.parametrize("path", ["", "/events", "/log"])
def test_nobody_asked_for_it(idle: TestClient, path: str) -> None:
    """An id that is none is a 422, one of nobody a 404."""
    assert idle.get(f"/api/evaluations/nothing{path}").status_code == 422
    assert idle.get(f"/api/evaluations/{UNKNOWN}{path}").json()["code"] == "not_found"
    assert idle.post(f"/api/evaluations/{UNKNOWN}/cancel").status_code == 404


def test_what_waits_has_printed_nothing(idle: TestClient) -> None:
    """The log of an evaluation that has not begun is empty; a number of lines has its bounds."""
    job = ask(idle)
    answer = idle.get(f"/api/evaluations/{job['id']}/log")
    assert (answer.status_code, answer.text) == (200, "")
    assert idle.get(f"/api/evaluations/{job['id']}/log", params={"lines": 1001}).status_code == 422
    assert idle.get(f"/api/evaluations/{job['id']}/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_stream_shows_that_it_lives_until_the_server_stops(idle: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens there are comments; when the server is told to stop, the stream ends."""
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    job, stopping = ask(idle), idle.app.state.service.stopping
    came: list[bytes] = []

    async def stopped_by_a_ping(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            came.append(message.get("body", b""))
            if b"event: state" in b"".join(came[:-1]) and b": ping" in came[-1]:
                stopping.set()
            await send(message)

        await idle.app(scope, receive, sent)

    answer = TestClient(stopped_by_a_ping, base_url=HOST).get(f"/api/evaluations/{job['id']}/events")
    assert stopping.is_set()
    assert answer.text.count("event: ") == answer.text.count("event: state") == 1
    assert answer.headers["cache-control"] == "no-cache"
    assert events_of(idle, job["id"]) == []


def test_who_may_read_may_not_start(idle: TestClient) -> None:
    """Starting and cancelling need the scope `evaluate`; a key's Idempotency-Keys are its own."""
    job = ask(idle)
    _, reader = idle.app.state.service.keys.create("reader", ["read"])
    plain = [idle.app.state.service.keys.create(name, ["read", "evaluate"])[1] for name in "ab"]
    seeing = {"Authorization": f"Bearer {reader}"}
    assert idle.get(f"/api/evaluations/{job['id']}").status_code == 401
    assert idle.get(f"/api/evaluations/{job['id']}", headers=seeing).status_code == 200
    for path, body in (("", {"models": ["toy"]}), (f"/{job['id']}/cancel", None)):
        assert idle.post(f"/api/evaluations{path}", json=body, headers=seeing).status_code == 403
        assert idle.post(f"/api/evaluations{path}", json=body).status_code == 401
    ids = set()
    for key in plain:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "same"}
        ids.add(idle.post("/api/evaluations", json={"models": ["toy"]}, headers=headers).json()["id"])
    assert len(ids) == 2
