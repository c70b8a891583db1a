"""Runs over HTTP: listed page by page, told, labelled, heard and read."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import soundfile
from fastapi import FastAPI
from fastapi.testclient import TestClient
from patience import PATIENCE_S, until
from shelf import CORPUS, ENVIRONMENT, FAILURE, MODEL, OTHER, corpus_facts, record, shelve, speak

from modellab.records.record import ColdStart
from modellab.records.store import Store, point_latest
from modellab.server.app import create_app
from modellab.server.library import readings as readings_module
from modellab.server.library.cursor import write_cursor
from modellab.server.library.library import Library
from modellab.server.settings import ServerSettings

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
HEARD = (record("u1"), record("u2", "the cat sat"), record("u3", None))


@pytest.fixture
def app(settings: Callable[..., ServerSettings]) -> FastAPI:
    """An application that may be asked more often than a client would, and looks at the folder when it is told to."""
    return create_app(settings(rate={"per_minute": 10_000}, refresh_s=3600))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of the runs, which is not there yet."""
    return tmp_path / "runs"


@pytest.fixture
def library(app: FastAPI) -> Library:
    """The library of the application."""
    found: Library = app.state.service.library
    return found


@pytest.fixture
def client(app: FastAPI, library: Library) -> Iterator[TestClient]:
    """A client of the started application, which has looked at the folder once."""
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        until(lambda: library.complete)
        yield client


@pytest.fixture
def listed(client: TestClient, library: Library) -> Callable[..., dict[str, Any]]:
    """Give what the list says, once the folder was looked at."""

    def ask(**wanted: Any) -> dict[str, Any]:
        library.refresh()
        answer = client.get("/api/runs", params=wanted)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return ask


def names(page: dict[str, Any]) -> list[str]:
    """Give the folders of a page."""
    return [run["folder"] for run in page["runs"]]


def test_a_folder_without_runs(listed: Callable[..., Any]) -> None:
    """Where there is no folder of runs there are none, which is no error."""
    page = listed()
    assert (page["runs"], page["total"], page["next_cursor"], page["complete"]) == ([], 0, None, True)


def test_a_run_is_listed_with_its_facts(listed: Callable[..., Any], runs: Path) -> None:
    """The list tells of a run what its folder says, by the id in run.json and not by the folder's name."""
    run = shelve(runs, "first", HEARD, created_at="2026-03-01T12:00:00+02:00")
    (told,) = listed()["runs"]
    assert told["size_bytes"] > told["records_bytes"] == Store(runs / "first").records_path.stat().st_size
    del told["size_bytes"], told["records_bytes"]
    assert told == {
        "id": run.id, "folder": "first", "created_at": "2026-03-01T10:00:00+00:00", "state": "complete",
        "models": [MODEL], "corpora": [CORPUS], "languages": ["en"], "utterances": 3, "pinned": False,
        "label": "", "tags": [],
    }  # fmt: skip


def test_the_folder_is_the_truth(listed: Callable[..., Any], runs: Path) -> None:
    """What is new, what has changed and what is gone is seen; links, hidden and other folders are no runs."""
    shelve(runs, "one", outcome=None)
    (runs / "other").mkdir()
    (runs / ".hidden").mkdir()
    point_latest(runs / "one")
    page = listed()
    assert (names(page), page["runs"][0]["state"], page["unread"]) == (["one"], "running", [])
    Store(runs / "one").close_session(1, "partial")
    shelve(runs, "two")
    assert {run["folder"]: run["state"] for run in listed()["runs"]} == {"one": "partial", "two": "complete"}
    for path in sorted((runs / "one").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (runs / "one").rmdir()
    assert names(listed()) == ["two"]


def test_what_cannot_be_read_is_told(listed: Callable[..., Any], runs: Path, tmp_path: Path) -> None:
    """A broken run breaks nothing: it stands apart with its reason, which names no place of this machine."""
    shelve(runs, "good")
    for name, written in (("cut", '{"id": "01'), ("later", ""), ("alien", '{"id": 3}')):
        (runs / name).mkdir()
        (runs / name / "run.json").write_text(written)
    (runs / "only-records").mkdir()
    (runs / "only-records" / "records.jsonl").write_text("")
    shelve(runs, "no-ulid")
    Store(runs / "no-ulid")._write(replace(Store(runs / "no-ulid").run(), id="../../etc"))
    nameless = runs / os.fsdecode(b"\xff")
    nameless.mkdir()
    (nameless / "run.json").write_text("{}")
    shelve(runs, "labelled")
    (runs / "labelled" / "labels.json").write_text('{"pinned": "perhaps"')
    page = listed()
    assert names(page) == ["good"]
    unread = {each["folder"]: each["reason"] for each in page["unread"]}
    assert page["unread_total"] == len(unread) == 7
    assert set(unread) == {"cut", "later", "alien", "only-records", "no-ulid", "\ufffd", "labelled"}
    assert "ULID" in unread["no-ulid"]
    assert "no run.json" in unread["only-records"]
    assert str(tmp_path) not in json.dumps(page)
    shelve(tmp_path, "another")
    (runs / "cut" / "run.json").write_bytes((tmp_path / "another" / "run.json").read_bytes())
    assert "cut" not in {each["folder"] for each in listed()["unread"]}, "it was mended"


def test_two_folders_of_one_run(listed: Callable[..., Any], runs: Path) -> None:
    """Of two folders with one id the first by name is taken, whichever came first, and the other is told."""
    run = shelve(runs, "b")
    assert names(listed()) == ["b"]
    (runs / "a").mkdir()
    (runs / "a" / "run.json").write_bytes((runs / "b" / "run.json").read_bytes())
    page = listed()
    assert names(page) == ["a"]
    assert page["unread"] == [{"folder": "b", "reason": f"it has the id {run.id} of a, which comes first"}]
    (runs / "a" / "run.json").unlink()
    (runs / "a").rmdir()
    page = listed()
    assert (names(page), page["unread"]) == (["b"], [])


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "utterances", "-size_bytes", "records_bytes"])
def test_pages_hold_every_run_once(listed: Callable[..., Any], runs: Path, sort: str) -> None:
    """Following the cursor gives each run once and in order, though runs come in between; ties fall by id."""
    for number in range(7):
        shelve(runs, f"r{number}", HEARD[: number % 3], planned=number // 2, created_at=f"2026-01-0{number // 2 + 1}")
    seen: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = listed(limit=2, sort=sort, **cursor)
        seen += page["runs"]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        shelve(runs, f"late{len(seen)}", planned=-1 if sort == "utterances" else 10**6, created_at="2026-01-01")
    first = [run for run in seen if run["folder"].startswith("r")]
    assert len({run["id"] for run in seen}) == len(seen)
    assert len(first) == 7
    key = sort.removeprefix("-")
    assert [run[key] for run in seen] == sorted((run[key] for run in seen), reverse=sort.startswith("-"))


def test_runs_are_chosen(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """Filters hold together; words are found in names, whatever their case and whatever they mean to SQL."""
    first = shelve(runs, "Alpha_100%", models=[MODEL], corpora={CORPUS: corpus_facts()})
    shelve(runs, "beta", models=[MODEL, OTHER], corpora={"noise": corpus_facts()}, outcome="partial")
    client.patch(f"/api/runs/{listed()['runs'][0]['id']}", json={"pinned": True, "tags": ["keep"]})
    labelled = next(run["folder"] for run in listed()["runs"] if run["pinned"])
    assert names(listed(tag="keep")) == names(listed(pinned=True)) == [labelled]
    assert names(listed(model=OTHER)) == names(listed(corpus="noise")) == names(listed(outcome="partial")) == ["beta"]
    assert len(names(listed(model=MODEL))) == 2
    assert names(listed(model=MODEL, corpus=CORPUS, outcome="partial")) == []
    assert names(listed(q="ALPHA")) == names(listed(q="_100%")) == names(listed(q=first.id.lower())) == ["Alpha_100%"]
    assert names(listed(q="a%a")) == []
    assert names(listed(q="' or 1=1 --")) == []


def test_bad_questions_to_the_list(client: TestClient) -> None:
    """What is no limit, order or name is refused by name."""
    refused(
        client,
        "/api/runs",
        "limit=0 limit=201 limit=x sort=name outcome=lost pinned=2 cursor= q=%00 model= tag=%0a",
    )


def refused(client: TestClient, path: str, queries: str) -> None:
    """See that each of some queries is refused, and that the parameter at fault is named."""
    for query in queries.split():
        answer = client.get(f"{path}{'&' if '?' in path else '?'}{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), query
        assert query.partition("=")[0] in answer.json()["detail"]


def test_forged_cursors(client: TestClient) -> None:
    """A cursor that this server did not give for this order is refused, whatever stands in it."""
    forged = [
        "x", "%ff", "bnVsbA", write_cursor("-created_at", ()), write_cursor("-created_at", (None, "x")),
        write_cursor("created_at", ("2026", NOBODY)), write_cursor("-created_at", ("2026", NOBODY, "more")),
        write_cursor("-created_at", ("a\0", NOBODY)), write_cursor("-created_at", ({}, NOBODY)), "WyJ" * 900,
    ]  # fmt: skip
    for cursor in forged:
        answer = client.get("/api/runs", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), cursor
    for number in (2**63, -(2**70), "9" * 30, 1.5):
        cursor = write_cursor("utterances", (number, "x"))
        answer = client.get("/api/runs", params={"sort": "utterances", "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), number


def test_a_client_that_has_the_page(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """What has not changed is not sent again; what has is, and another question is another page."""
    shelve(runs, "one")
    listed()
    tag = client.get("/api/runs").headers["ETag"]
    known = client.get("/api/runs", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
    assert client.get("/api/runs?limit=1", headers={"If-None-Match": tag}).status_code == 200
    shelve(runs, "two")
    listed()
    assert client.get("/api/runs", headers={"If-None-Match": tag}).status_code == 200


def test_a_run_is_told(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """A run tells its sessions and machine, and for each model and corpus errors, speed and failures."""
    timed = [record(f"t{n}", lane="timing", transcribe_s=(0.5, 1.0)) for n in range(3)]
    started = ColdStart(model=MODEL, session=1, total_s=2.5, peak_memory_bytes=1 << 20)
    run = shelve(runs, "one", (*HEARD, *timed, started), beams=float("nan"))
    listed()
    told = client.get(f"/api/runs/{run.id}").json()
    assert told["sessions"][0]["argv"] == ["pytest", "benchmarks"]
    assert told["environment"]["processor"] == "Some CPU"
    assert told["model_facts"][MODEL]["options"] == {"threads": 1, "beams": None}, "JSON has no NaN"
    assert told["corpus_facts"][CORPUS]["revision"] == "r1"
    (result,) = told["summary"]["results"]
    assert result["error_rate"] == pytest.approx(4 / 9)
    assert result["interval"]["low"] <= result["error_rate"] <= result["interval"]["high"]
    assert (result["hearing"]["heard"], result["hearing"]["failed"]) == (2, 1)
    assert result["speed"]["rtf_median"] == pytest.approx(0.375)
    assert result["speed"]["rtfx"] == pytest.approx(1 / 0.375)
    assert result["start"]["total_s"] == 2.5
    assert told["summary"]["failures"] == [
        {"model": MODEL, "corpus": CORPUS, "utterance": "u3", "lane": "accuracy", "stage": "transcribe",
         "kind": FAILURE.kind, "message": FAILURE.message}
    ]  # fmt: skip
    assert (told["summary_pending"], told["summary_error"]) == (False, None)


def test_a_run_under_way(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """A run whose records grow, and whose last line is half written, is told as far as it is."""
    run = shelve(runs, "one", HEARD[:1], outcome=None)
    path = Store(runs / "one").records_path
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    listed()
    told = client.get(f"/api/runs/{run.id}").json()
    assert told["summary"]["torn_lines"] == 1
    assert told["summary"]["results"][0]["hearing"]["utterances"] == 1
    path.write_bytes(whole * 2 + whole.replace(b"u1", b"u2"))
    listed()
    told = client.get(f"/api/runs/{run.id}").json()
    assert (told["summary"]["torn_lines"], told["summary"]["results"][0]["hearing"]["utterances"]) == (0, 2)


def test_a_run_whose_records_are_none(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """Where a record cannot be understood the run is told without a summary; its utterances are refused."""
    run = shelve(runs, "one")
    Store(runs / "one").records_path.write_text('{"kind": "tea"}\n')
    listed()
    told = client.get(f"/api/runs/{run.id}").json()
    assert (told["summary"], told["summary_pending"]) == (None, False)
    assert "records.jsonl:1" in told["summary_error"]
    assert str(runs) not in told["summary_error"]
    refused = client.get(f"/api/runs/{run.id}/utterances")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_record")


def test_nobody_knows_the_run(client: TestClient) -> None:
    """Every path of a run that there is not answers 404, and of what is no id 422."""
    utterance = "corpus=a&utterance=b"
    for path in ("", "/utterances", f"/utterances/audio?{utterance}", f"/utterances/peaks?{utterance}", "/artefacts",
                 "/artefacts/run.json"):  # fmt: skip
        answer = client.get(f"/api/runs/{NOBODY}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        for bad in (NOBODY.lower(), NOBODY[1:], "I" * 26):
            answer = client.get(f"/api/runs/{bad}{path}")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), path
        assert client.get(f"/api/runs/..%2f..%2fetc{path}").status_code in {404, 422}


def test_a_run_that_is_gone_or_leads_elsewhere(
    listed: Callable[..., Any], client: TestClient, runs: Path, tmp_path: Path
) -> None:
    """A folder that became a link out of the root since it was indexed is not followed."""
    run = shelve(runs, "one", HEARD)
    listed()
    (runs / "one").rename(tmp_path / "elsewhere")
    assert client.get(f"/api/runs/{run.id}/artefacts").status_code == 404
    (runs / "one").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert client.get(f"/api/runs/{run.id}/artefacts").status_code == 404
    assert client.get(f"/api/runs/{run.id}/utterances").status_code == 404
    assert names(listed()) == []


def test_a_run_that_is_known_is_not_sent_again(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """The tag of a run holds until its records or labels change."""
    run = shelve(runs, "one", HEARD)
    listed()
    tag = client.get(f"/api/runs/{run.id}").headers["ETag"]
    assert client.get(f"/api/runs/{run.id}", headers={"If-None-Match": tag}).status_code == 304
    client.patch(f"/api/runs/{run.id}", json={"pinned": True})
    fresh = client.get(f"/api/runs/{run.id}", headers={"If-None-Match": tag})
    assert (fresh.status_code, fresh.json()["pinned"]) == (200, True)


class Gate:
    """Reads runs when it is let."""

    def __init__(self) -> None:
        self.open, self.reads = Event(), 0

    def __call__(self, *of: Any) -> readings_module.Reading:
        """Read one."""
        self.reads += 1
        assert self.open.wait(PATIENCE_S)
        return readings_module.read_run(*of)


def test_a_run_that_takes_long(settings: Callable[..., ServerSettings], runs: Path) -> None:
    """While records are read the run is told without them; who asks again has them, and they were read once."""
    run, gate = shelve(runs, "one", HEARD), Gate()
    app = create_app(settings())
    library: Library = app.state.service.library
    library.readings = readings_module.Readings(wait_s=0.01, read=gate)
    library.refresh()
    with TestClient(app, base_url="http://localhost") as client:
        first = client.get(f"/api/runs/{run.id}")
        assert (first.json()["summary"], first.json()["summary_pending"]) == (None, True)
        waiting = client.get(f"/api/runs/{run.id}/utterances")
        assert (waiting.status_code, waiting.json()["code"]) == (503, "being_read")
        assert int(waiting.headers["Retry-After"]) >= 1
        gate.open.set()
        library.readings._wait_s = PATIENCE_S
        again = client.get(f"/api/runs/{run.id}", headers={"If-None-Match": first.headers["ETag"]})
        assert again.json()["summary_pending"] is False
        assert client.get(f"/api/runs/{run.id}/utterances").json()["total"] == 3
    assert gate.reads == 1


def test_labels(listed: Callable[..., Any], client: TestClient, runs: Path, library: Library) -> None:
    """A run is pinned and tagged; each is left as it is where it is not named, and a rebuilt index has both."""
    run = shelve(runs, "one")
    listed()
    told = client.patch(f"/api/runs/{run.id}", json={"pinned": True, "tags": ["b", "a b", "b"]})
    assert (told.json()["pinned"], told.json()["tags"]) == (True, ["a b", "b"])
    assert client.patch(f"/api/runs/{run.id}", json={"tags": []}).json()["pinned"] is True
    assert client.patch(f"/api/runs/{run.id}", json={}).json()["tags"] == []
    library.rebuild()
    assert listed(pinned=True)["total"] == 1
    assert sorted(path.name for path in (runs / "one").iterdir()) == [".locks", "labels.json", "run.json"]


def test_labels_only_as_they_were_read(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """With If-Match a change by somebody else is not overwritten; growing records are none."""
    run = shelve(runs, "one", HEARD[:1], outcome=None)
    listed()
    path, tag = f"/api/runs/{run.id}", client.get(f"/api/runs/{run.id}").headers["ETag"]
    Store(runs / "one").append(HEARD[1])
    listed()
    changed = client.patch(path, json={"pinned": True}, headers={"If-Match": tag})
    assert changed.status_code == 200
    late = client.patch(path, json={"tags": ["x"]}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "changed")
    for match in ("*", changed.headers["ETag"], f'"other", {changed.headers["ETag"]}'):
        assert client.patch(path, json={"pinned": False}, headers={"If-Match": match}).status_code == 200
        client.patch(path, json={"pinned": True})


def test_bad_labels(client: TestClient) -> None:
    """What is no label is refused before anybody looks for the run."""
    bodies: list[Any] = [
        {"pinned": "perhaps"}, {"tags": [""]}, {"tags": ["x" * 65]}, {"tags": ["a\nb"]}, {"tags": [" a"]},
        {"tags": [f"t{n}" for n in range(33)]}, {"name": "x"}, [], {"tags": ["\0"]},
    ]  # fmt: skip
    for body in bodies:
        answer = client.patch(f"/api/runs/{NOBODY}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), body
    assert client.patch(f"/api/runs/{NOBODY}", json={"pinned": True}).status_code == 404


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [(errno.EROFS, 409, "read_only"), (errno.EACCES, 409, "read_only"), (errno.ENOSPC, 507, "disk_full")],
)
def test_labels_that_cannot_be_written(
    listed: Callable[..., Any],
    client: TestClient,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    number: int,
    status: int,
    code: str,
) -> None:
    """In a folder that is read-only, or on a full disk, nothing is changed, and browsing goes on."""
    run = shelve(runs, "one", HEARD)
    listed()

    def refuse(path: Path, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        answer = client.patch(f"/api/runs/{run.id}", json={"pinned": True})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not (runs / "one" / "labels.json").exists()
    assert client.get(f"/api/runs/{run.id}").json()["pinned"] is False


def test_labels_that_cannot_be_read_are_not_overwritten(
    listed: Callable[..., Any], client: TestClient, runs: Path
) -> None:
    """A run that may be pinned is not taken for one that is not."""
    run = shelve(runs, "one")
    listed()
    (runs / "one" / "labels.json").write_text("{")
    answer = client.patch(f"/api/runs/{run.id}", json={"tags": ["x"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_record")
    assert str(runs) not in answer.text
    assert (runs / "one" / "labels.json").read_text() == "{"


@pytest.fixture
def heard(listed: Callable[..., Any], runs: Path) -> str:
    """The id of a run with two models and three utterances, one of which was heard twice."""
    facts = [
        *HEARD,
        record("u1", "the cat sat"),
        record("u4", "", reference="", audio_duration_s=9.0),
        *(record(f"u{n}", "a cat", model=OTHER, audio_duration_s=n, speaker="s") for n in range(1, 4)),
        record("u1", "x", lane="timing", transcribe_s=(0.2, 0.4)),
    ]
    run = shelve(runs, "one", facts, models=[MODEL, OTHER])
    listed()
    return run.id


def test_utterances_are_told(client: TestClient, heard: str) -> None:
    """An utterance is told as it was said and written, with its errors one by one; the last hearing counts."""
    page = client.get(f"/api/runs/{heard}/utterances", params={"model": OTHER}).json()
    assert (page["total"], page["next_cursor"]) == (3, None)
    one = page["utterances"][0]
    assert (one["utterance"], one["reference"], one["hypothesis"]) == ("u1", "the cat sat", "a cat")
    assert one["error_rate"] == pytest.approx(2 / 3)
    assert one["alignment"] == [
        {"operation": "substitute", "reference": ["the"], "hypothesis": ["a"]},
        {"operation": "equal", "reference": ["cat"], "hypothesis": ["cat"]},
        {"operation": "delete", "reference": ["sat"], "hypothesis": []},
    ]
    assert (one["score"]["substitutions"], one["score"]["deletions"], one["score"]["errors"]) == (1, 1, 2)
    own = client.get(f"/api/runs/{heard}/utterances", params={"model": MODEL}).json()
    assert [(each["utterance"], each["error_rate"]) for each in own["utterances"]] == [
        ("u1", 0.0), ("u2", 0.0), ("u3", 1.0), ("u4", None),
    ]  # fmt: skip


def test_utterances_are_chosen(client: TestClient, heard: str) -> None:
    """By failure, by lane and by corpus; what nobody has gives none."""
    path = f"/api/runs/{heard}/utterances"
    (failed,) = client.get(path, params={"failed": True}).json()["utterances"]
    assert (failed["utterance"], failed["hypothesis"], failed["failure"]["kind"]) == ("u3", None, "RuntimeError")
    assert client.get(path, params={"failed": False}).json()["total"] == 6
    (timed,) = client.get(path, params={"lane": "timing"}).json()["utterances"]
    assert (timed["transcribe_s"], timed["work_s"]) == ([0.2, 0.4], pytest.approx(0.3))
    assert client.get(path, params={"corpus": "none"}).json() == {"utterances": [], "total": 0, "next_cursor": None}
    assert client.get(path, params={"lane": "variation"}).json()["total"] == 0


def test_pages_of_utterances(client: TestClient, heard: str) -> None:
    """Pages of one hold each utterance once, in the same order as a page of all; what has no rate comes last."""
    for sort in ("id", "-id", "wer", "-wer", "errors", "-errors", "duration", "-duration"):
        follow(client, f"/api/runs/{heard}/utterances", sort)


def follow(client: TestClient, path: str, sort: str) -> None:
    """See that pages of one under an order come to the same as one of all."""
    cursor: dict[str, str] = {}
    seen: list[dict[str, Any]] = []
    whole = client.get(path, params={"sort": sort}).json()["utterances"]
    for _ in range(len(whole)):
        page = client.get(path, params={"sort": sort, "limit": 1, **cursor}).json()
        seen += page["utterances"]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == whole
    assert cursor == {"cursor": None}
    assert len(whole) == 7
    falling = sort.startswith("-")
    values = {
        "id": [each["utterance"] for each in whole],
        "wer": [each["error_rate"] for each in whole],
        "errors": [each["score"]["errors"] for each in whole],
        "duration": [each["audio_duration_s"] for each in whole],
    }[sort.removeprefix("-")]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=falling)
    assert values[: len(known)] == known


def test_bad_questions_to_utterances(client: TestClient, heard: str) -> None:
    """What is no limit, order, lane, name or cursor is refused."""
    path = f"/api/runs/{heard}/utterances"
    refused(client, path, "limit=0 limit=999 sort=speed lane=fast failed=7 model=%07 corpus=")
    places: list[Any] = [(1, "a"), 7, (1, "a", "b", "c", None), ("x", "a", "b", "c", "d")]
    for cursor in ("?", write_cursor("wer", (1, "a", "b", "c", "d")), *(write_cursor("id", each) for each in places)):
        answer = client.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), cursor


def test_records_that_change_while_they_are_read(client: TestClient, heard: str, runs: Path) -> None:
    """Where the file of records is another by the time a page is read, that is said, and nothing is made up."""
    client.get(f"/api/runs/{heard}/utterances")
    Store(runs / "one").records_path.write_text("x" * 5000)
    answer = client.get(f"/api/runs/{heard}/utterances")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_record")
    assert "changed while it was read" in answer.json()["detail"]


@pytest.fixture
def audible(listed: Callable[..., Any], runs: Path, tmp_path: Path) -> str:
    """The path of an utterance whose corpus is on this disk."""
    run = shelve(runs, "heard", corpora={CORPUS: speak(tmp_path / "speech")})
    listed()
    return f"/api/runs/{run.id}/utterances/audio?corpus={CORPUS}&utterance=a/u1"


def test_audio_is_heard(client: TestClient, audible: str, tmp_path: Path) -> None:
    """The audio of an utterance is a wav file of 16 kHz, found again by what the run says of its corpus."""
    answer = client.get(audible)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "audio/wav")
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    (tmp_path / "x.wav").write_bytes(answer.content)
    samples, rate_hz = soundfile.read(tmp_path / "x.wav")
    assert (rate_hz, len(samples)) == (16_000, 16_000)
    assert abs(samples).max() == pytest.approx(0.5, abs=1e-3)


PARTS = {
    "bytes=0-99": slice(0, 100),
    "bytes=100-": slice(100, None),
    "bytes=-44": slice(-44, None),
    "bytes=0-999999999": slice(0, None),
    "bytes=5-5": slice(5, 6),
    "bytes=-999999999": slice(0, None),
}


def test_audio_in_parts(client: TestClient, audible: str) -> None:
    """A part that is asked for is given, and says which of how many bytes it is."""
    whole = client.get(audible).content
    for asked, stretch in PARTS.items():
        part = client.get(audible, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, whole[stretch]), asked
        first = stretch.start % len(whole)
        assert part.headers["Content-Range"] == f"bytes {first}-{first + len(part.content) - 1}/{len(whole)}"
        assert int(part.headers["Content-Length"]) == len(part.content)


def test_ranges_that_are_none(client: TestClient, audible: str) -> None:
    """What is no single stretch is answered with all bytes, as HTTP allows; an empty one is refused."""
    for asked in ("bytes=0-1,4-5", "lines=0-1", "bytes=-", "bytes=9-3", "bytes=a-b", "nonsense"):
        assert client.get(audible, headers={"Range": asked}).status_code == 200, asked
    for asked in ("bytes=99999999-", "bytes=-0"):
        answer = client.get(audible, headers={"Range": asked})
        assert (answer.status_code, answer.json()["code"]) == (416, "bad_range"), asked
        assert answer.headers["Content-Range"] == f"bytes */{len(client.get(audible).content)}"


def test_audio_that_is_known(client: TestClient, audible: str) -> None:
    """Audio is tagged by what it is: known it is not sent again, and another version in place of a part is whole."""
    tag = client.get(audible).headers["ETag"]
    assert client.get(audible, headers={"If-None-Match": tag}).status_code == 304
    part = {"Range": "bytes=0-9"}
    assert client.get(audible, headers={**part, "If-Range": tag}).status_code == 206
    assert client.get(audible, headers={**part, "If-Range": '"old"'}).status_code == 200
    other = client.get(audible.replace("u1", "u0"))
    assert other.headers["ETag"] != tag


def test_peaks(client: TestClient, audible: str) -> None:
    """The wave of an utterance is as many pairs of least and greatest as were asked for."""
    told = client.get(audible.replace("/audio", "/peaks"), params={"count": 10} | _query(audible)).json()
    assert (len(told["peaks"]), told["duration_s"], told["sample_rate_hz"]) == (10, 1.0, 16_000)
    assert all(-0.51 < low <= 0 <= high < 0.51 for low, high in told["peaks"])
    assert len(client.get(audible.replace("/audio", "/peaks")).json()["peaks"]) == 800
    refused(client, audible.replace("/audio", "/peaks"), "count=0 count=5000 count=x")


def _query(path: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in path.partition("?")[2].split("&"))


def test_audio_that_is_not_here(
    listed: Callable[..., Any], client: TestClient, audible: str, runs: Path, tmp_path: Path
) -> None:
    """No such corpus or utterance, another revision, or a corpus that is elsewhere: each is 404 with its reason."""
    facts = speak(tmp_path / "speech")
    changed = shelve(runs, "changed", corpora={CORPUS: replace(facts, revision="old")})
    gone = shelve(runs, "gone", corpora={CORPUS: replace(facts, selection=str(tmp_path / "nowhere.jsonl"))})
    hub = shelve(runs, "hub", corpora={CORPUS: replace(facts, selection="hf:a:b:c")})
    listed()
    query = audible.partition("?")[2]
    asked = {
        audible.replace("u1", "u9"): "could not be read",
        audible.replace(CORPUS, "other"): "no corpus 'other'",
        f"/api/runs/{changed.id}/utterances/audio?{query}": "was revision old in the run and is another now",
        f"/api/runs/{gone.id}/utterances/audio?{query}": "could not be read",
        f"/api/runs/{hub.id}/utterances/peaks?{query}": "could not be read",
    }
    for path, reason in asked.items():
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "audio_unavailable")
        assert reason in answer.json()["detail"]
        assert str(tmp_path) not in answer.text
    assert client.get(audible).status_code == 200, "one utterance that is not there silences no other"


def test_the_files_of_a_run(listed: Callable[..., Any], client: TestClient, runs: Path, tmp_path: Path) -> None:
    """What is for reading is listed with its kind and size; links, hidden files and other kinds are not there."""
    run = shelve(runs, "one", HEARD)
    folder = runs / "one"
    (folder / "report.html").write_text("<script>alert(1)</script>")
    (folder / "plots").mkdir()
    (folder / "plots" / "rtf.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.txt").write_text("secret")
    for name in (".hidden.txt", "weights.bin", "a b.txt", "x.txt\n"):
        (folder / name).write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    listed()
    path = f"/api/runs/{run.id}/artefacts"
    told = {each["name"]: each for each in client.get(path).json()["artefacts"]}
    assert set(told) == {"run.json", "records.jsonl", "report.html", "rtf.png"}
    assert told["report.html"] == {"name": "report.html", "media_type": "text/html; charset=utf-8", "size_bytes": 25}
    page = client.get(f"{path}/report.html")
    assert page.text == "<script>alert(1)</script>"
    assert page.headers["Content-Security-Policy"] == "sandbox"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Content-Disposition"] == 'inline; filename="report.html"'
    assert client.get(f"{path}/rtf.png").content == b"\x89PNG"
    assert client.get(f"{path}/run.json").json()["id"] == run.id
    part = client.get(f"{path}/records.jsonl", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, b'{"model":"')
    tag = part.headers["ETag"]
    assert client.get(f"{path}/records.jsonl", headers={"If-None-Match": tag}).status_code == 304
    assert client.get(f"{path}/records.jsonl", headers={"Range": "bytes=9999999-"}).status_code == 416
    for name in ("link.txt", "weights.bin", "nothing.md", "run.jsonx"):
        answer = client.get(f"{path}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for name in (".hidden.txt", "a%20b.txt", "%2e%2e%2fone%2frun.json", "plots%2frtf.png", "x.txt%0a", "x" * 300):
        answer = client.get(f"{path}/{name}")
        assert answer.status_code in {404, 422}
        assert "secret" not in answer.text


def test_a_folder_of_plots_that_leads_elsewhere(
    listed: Callable[..., Any], client: TestClient, runs: Path, tmp_path: Path
) -> None:
    """A link in place of the folder of plots is not followed."""
    run = shelve(runs, "one")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "a.txt").write_text("secret")
    (runs / "one" / "plots").symlink_to(tmp_path / "secrets", target_is_directory=True)
    listed()
    assert client.get(f"/api/runs/{run.id}/artefacts/a.txt").status_code == 404


def test_records_that_grow_while_they_are_sent(
    listed: Callable[..., Any], client: TestClient, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file that grows as it is sent, as much is sent as was promised."""
    run = shelve(runs, "one", HEARD)
    listed()
    from modellab.server.library.artefacts import Artefact

    path = Store(runs / "one").records_path
    size, opened = path.stat().st_size, Artefact.open

    def open_grown(artefact: Artefact) -> Any:
        Store(runs / "one").append(HEARD[0])
        return opened(artefact)

    monkeypatch.setattr(Artefact, "open", open_grown)
    answer = client.get(f"/api/runs/{run.id}/artefacts/records.jsonl")
    assert (answer.status_code, len(answer.content)) == (200, size)
    assert path.stat().st_size > size


def test_the_list_while_runs_are_written(listed: Callable[..., Any], client: TestClient, runs: Path) -> None:
    """Runs that are written, labelled and listed at once are all there in the end, and no request fails."""

    def write(number: int) -> None:
        run = shelve(runs, f"r{number}", HEARD)
        listed()
        assert client.patch(f"/api/runs/{run.id}", json={"tags": [f"t{number}"]}).status_code == 200

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(8)))
    page = listed()
    assert (page["total"], page["unread"]) == (8, [])
    assert {tag for run in page["runs"] for tag in run["tags"]} == {f"t{n}" for n in range(8)}


def test_the_machine_of_a_run_is_told_without_guesses(
    listed: Callable[..., Any], client: TestClient, runs: Path
) -> None:
    """What nobody could tell of a machine is absent, and no zero."""
    run = shelve(runs, "one", environment=replace(ENVIRONMENT, git_commit=None, git_dirty=None))
    listed()
    told = client.get(f"/api/runs/{run.id}").json()
    assert (told["environment"]["git_commit"], told["environment"]["git_dirty"]) == (None, None)
    assert told["summary"]["results"] == []
