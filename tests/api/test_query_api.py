"""SQL over HTTP: what runs hold can be asked, and nothing else, and not for long."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from shelf import MODEL, record, shelve

from modellab.records.query import Answer
from modellab.server.library import questions
from modellab.server.library.questions import Questions

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range % 7 = b.range % 3"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of two runs."""
    for name in ("one", "two"):
        shelve(tmp_path / "runs", name, [record("u1"), record("u2", None), record("u3")])
    return tmp_path / "runs"


Ask = Callable[..., Any]


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Ask, and give the answer of HTTP."""
    return lambda sql, **more: client.post("/api/query", json={"sql": sql, **more})


def test_a_question_is_answered(ask: Ask, runs: Path) -> None:
    """A SELECT over the views gives columns and rows; beyond the limit it says how many are left."""
    body = ask("SELECT run, count(*) AS n FROM records WHERE model = '" + MODEL + "' GROUP BY run ORDER BY run").json()
    assert body == {
        "columns": ["run", "n"],
        "rows": [["one", 3], ["two", 3]],
        "more": 0,
        "passed_over": 0,
        "unread": [],
    }
    assert ask("SELECT utterance FROM records", limit=4).json()["more"] == 2
    assert ask("SELECT id, outcome FROM runs", limit=1).json()["rows"][0][1] == "complete"


def test_a_question_about_some_runs(client: TestClient, ask: Ask, runs: Path) -> None:
    """Only the runs that are named are read; one that nobody knows is a 404."""
    client.app.state.service.library.refresh()
    named = [run["id"] for run in client.get("/api/runs").json()["runs"] if run["folder"] == "two"]
    counted = "SELECT run, count(*) FROM records GROUP BY run"
    assert ask(counted, runs=named).json()["rows"] == [["two", 3]]
    assert ask(counted, runs=["01ARZ3NDEKTSV4RRFFQ69G5FAV"]).status_code == 404
    assert ask(counted, runs=["../two"]).status_code == 422


def test_values_that_json_lacks(ask: Ask, runs: Path) -> None:
    """What is no number is absent; times, decimals and bytes are text; lists and maps are what they are."""
    row = (
        "'nan'::DOUBLE, 'inf'::DOUBLE, DATE '2026-01-02', 1.50::DECIMAL(9,2), [1, NULL], MAP {'a': 'nan'::DOUBLE}, TRUE"
    )
    assert ask(f"SELECT {row}").json()["rows"] == [[None, None, "2026-01-02", "1.50", [1, None], {"a": None}, True]]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM runs", "SELECT 1; SELECT 2", "COPY runs TO 'x.csv'", "ATTACH 'x.db'", "SELEC", "FROM nothing",
        "SELECT * FROM read_text('/etc/passwd')", "SET memory_limit = '9GB'", "INSTALL httpfs", "PRAGMA database_list",
        "SELECT * FROM glob('/*')", "CREATE TABLE x (y INT)", "",
    ],
)  # fmt: skip
def test_what_may_not_be_asked(ask: Ask, runs: Path, sql: str) -> None:
    """Nothing is changed, and nothing but records is read."""
    answer = ask(sql)
    assert answer.status_code == (400 if sql else 422)
    assert answer.json()["code"] == ("bad_query" if sql else "invalid")
    assert "root:" not in answer.text


def test_bad_questions(client: TestClient, runs: Path) -> None:
    """A limit out of bounds, a statement of megabytes, or an unknown field is refused."""
    bodies: list[Any] = [
        {}, [], {"sql": 1}, {"sql": "SELECT 1", "limit": 0}, {"sql": "SELECT 1", "limit": 1001},
        {"sql": "x" * 20_001}, {"sql": "SELECT 1", "runs": "/etc"},
    ]  # fmt: skip
    for body in bodies:
        answer = client.post("/api/query", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), body


def test_no_runs(ask: Ask) -> None:
    """Where there are no runs there is nothing to ask."""
    answer = ask("SELECT 1")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_query")


def test_a_question_that_takes_too_long(ask: Ask, app: FastAPI, runs: Path) -> None:
    """It is ended, and the next one is answered."""
    app.state.service.library.questions = Questions(runs, timeout_s=0.3)
    answer = ask(ENDLESS)
    assert (answer.status_code, answer.json()["code"]) == (422, "query_timeout")
    app.state.service.library.questions = Questions(runs)
    assert ask("SELECT 1").json()["rows"] == [[1]]


def test_too_many_questions(ask: Ask, runs: Path, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are answered at once; a third is asked to come again, and finds a place once one is done."""
    library, entered = app.state.service.library, Event()
    for _ in range(questions.MOST_AT_ONCE):
        library.questions._places.acquire()
    answer = ask("SELECT 1")
    assert (answer.status_code, answer.json()["code"]) == (503, "query_busy")
    assert int(answer.headers["Retry-After"]) >= 1
    library.questions._places.release()
    assert ask("SELECT 1").status_code == 200

    def broken(*_: object, **__: object) -> Answer:
        entered.set()
        raise ZeroDivisionError

    monkeypatch.setattr(questions, "ask", broken)
    assert ask("SELECT 1").status_code == 500
    assert entered.is_set()
    monkeypatch.undo()
    assert ask("SELECT 1").status_code == 200, "a place is given back whatever happens"


def test_an_answer_of_megabytes(ask: Ask, runs: Path) -> None:
    """Of rows that are too large together the first are told, and how many are left."""
    answer = ask("SELECT repeat('x', 1000000) FROM range(20)", limit=1000)
    assert (len(answer.json()["rows"]), answer.json()["more"]) == (8, 12)
    assert len(answer.content) < questions.MOST_BYTES + 10_000


def test_what_can_be_asked(client: TestClient) -> None:
    """The views are listed with what their columns mean."""
    views = {view["name"]: view for view in client.get("/api/query/views").json()["views"]}
    assert {"records", "runs"} <= set(views)
    assert {"name", "type", "meaning"} == set(views["runs"]["columns"][0])
