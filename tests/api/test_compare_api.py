"""Comparisons over HTTP: what changed between runs is what `modellab compare` says of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from shelf import CORPUS, ENVIRONMENT, MODEL, OTHER, corpus_facts, record, shelve

from modellab.records.record import Record
from modellab.records.run import Run
from modellab.records.store import Store
from modellab.reporting.compare import compare_runs

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def put(app: FastAPI, tmp_path: Path) -> Callable[..., Run]:
    """A maker of runs that are in the index."""

    def make(name: str, *facts: Record, **of: Any) -> Run:
        run = shelve(tmp_path / "runs", name, facts, **of)
        app.state.service.library.refresh()
        return run

    return make


def compared(client: TestClient, *runs: Run, **wanted: Any) -> dict[str, Any]:
    """Give the comparison of runs."""
    answer = client.get("/api/compare", params={"run": [run.id for run in runs], **wanted})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def spoken(*, better: int, speakers: int | None = None, model: str = MODEL, count: int = 12) -> list[Record]:
    """Give records of which the first `better` are without an error."""
    return [
        record(
            f"u{number:02}",
            "the cat sat" if number < better else "a hat sat",
            model=model,
            speaker=None if speakers is None else f"s{number % speakers}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("speakers", [None, 3])
def test_a_comparison_is_that_of_the_command(
    client: TestClient, put: Callable[..., Run], tmp_path: Path, speakers: int | None
) -> None:
    """Rates, interval, counts and the utterances behind them equal those of `modellab compare`."""
    old = [*spoken(better=4, speakers=speakers), record("u04", "the cat sat"), record("only-before")]
    new = [*spoken(better=9, speakers=speakers)[1:], record("u11", None), record("only-after")]
    before, after = put("before", *old), put("after", *new)
    (expected,), _ = compare_runs(*((run, Store(tmp_path / "runs" / name).records()) for run, name in (
        (before, "before"), (after, "after"))))  # fmt: skip
    (pair,) = compared(client, before, after, worst=20)["pairs"]
    told = expected.difference
    assert told is not None
    assert (pair["compared"], pair["only_before"], pair["only_after"], pair["changed"]) == (
        expected.compared, expected.only_before, expected.only_after, len(expected.changed),
    )  # fmt: skip
    assert pair["difference"] == {
        "before": told.before, "after": told.after, "change": told.change, "low": told.low, "high": told.high,
        "level": told.level, "clusters": told.clusters, "unit": told.unit, "settled": told.settled,
    }  # fmt: skip
    assert [tuple(each.values()) for each in pair["worst"]] == [
        (each.utterance, each.reference, each.before, each.after, each.errors_before, each.errors_after)
        for each in expected.changed
    ]
    assert pair["changed"] > 0
    assert len(compared(client, before, after, worst=1)["pairs"][0]["worst"]) == 1


def test_only_what_differs_is_told(client: TestClient, put: Callable[..., Run]) -> None:
    """Of options and machines that is told which is not alike, and what one of them does not state is absent."""
    before = put("before", *spoken(better=3), beam_size=1, decode={"temperature": 0.0, "language": "en"})
    machine = replace(ENVIRONMENT, cores=8, packages={"numpy": "2.1"})
    after = put("after", *spoken(better=3), beam_size=5, decode={"temperature": 0.0}, environment=machine)
    body = compared(client, before, after)
    assert body["pairs"][0]["options"] == [
        {"name": "options.beam_size", "before": 1, "after": 5},
        {"name": "options.decode.language", "before": "en", "after": None},
    ]
    assert body["machine"] == [
        {"name": "cores", "values": [2, 8]},
        {"name": "packages.numpy", "values": ["2.0", "2.1"]},
    ]
    assert body["pairs"][0]["difference"]["change"] == 0


def test_speed_is_compared(client: TestClient, put: Callable[..., Run]) -> None:
    """The medians of the real-time factor stand beside each other; what was not timed is absent."""
    timed = [record(f"t{n}", lane="timing", transcribe_s=(0.5,)) for n in range(3)]
    slower = [record(f"t{n}", lane="timing", transcribe_s=(1.0,)) for n in range(3)]
    before, after = put("before", *spoken(better=3), *timed), put("after", *spoken(better=3), *slower)
    (pair,) = compared(client, before, after)["pairs"]
    assert pair["rtf"] == {"before": 0.25, "after": 0.5, "ratio": 2.0}
    untimed = put("untimed", *spoken(better=3))
    (pair,) = compared(client, before, untimed)["pairs"]
    assert pair["rtf"] == {"before": 0.25, "after": None, "ratio": None}


def test_more_runs_and_a_baseline(client: TestClient, put: Callable[..., Run]) -> None:
    """Every other run is compared with the baseline, which is the first where none is named."""
    runs = [put(f"r{number}", *spoken(better=number)) for number in range(4)]
    body = compared(client, *runs)
    assert body["baseline"] == runs[0].id
    assert [pair["run"] for pair in body["pairs"]] == [run.id for run in runs[1:]]
    body = compared(client, *runs, baseline=runs[2].id)
    assert [pair["run"] for pair in body["pairs"]] == [runs[0].id, runs[1].id, runs[3].id]
    assert [run["folder"] for run in body["runs"]] == ["r0", "r1", "r2", "r3"]


def test_models_against_each_other(client: TestClient, put: Callable[..., Run]) -> None:
    """Models of two runs, or of one, are compared with each other where that is asked for."""
    whole = [*spoken(better=3), *spoken(better=9, model=OTHER)]
    both = put("both", *whole, models=[MODEL, OTHER])
    one = put("one", *spoken(better=6, model=OTHER), models=[OTHER])
    same = compared(client, both, one)
    assert [(pair["before"], pair["after"]) for pair in same["pairs"]] == [(OTHER, OTHER)]
    assert same["not_compared"] == [
        {"run": one.id, "corpus": CORPUS, "model": MODEL, "reason": "only the baseline has this model on this corpus"}
    ]
    every = compared(client, both, one, models="every")
    assert [(pair["before"], pair["after"]) for pair in every["pairs"]] == [(MODEL, OTHER), (OTHER, OTHER)]
    assert every["not_compared"] == []
    within = compared(client, both, both, models="every")
    ((before, after),) = [(pair["before"], pair["after"]) for pair in within["pairs"]]
    assert {before, after} == {MODEL, OTHER}
    named = compared(client, both, one, model=OTHER)
    assert (len(named["pairs"]), named["not_compared"]) == (1, [])
    assert compared(client, both, one, corpus="none")["pairs"] == []


def test_other_speech_is_not_compared(client: TestClient, put: Callable[..., Run]) -> None:
    """A corpus at another revision is left out with its reason, and so is one that only one run heard."""
    before = put("before", *spoken(better=3), record("x", corpus="more"))
    after = put("after", *spoken(better=3), corpora={CORPUS: corpus_facts(revision="r2")})
    body = compared(client, before, after)
    assert body["pairs"] == []
    reasons = {each["corpus"]: each["reason"] for each in body["not_compared"]}
    assert "revision r1" in reasons[CORPUS]
    assert reasons["more"] == "only the baseline has this model on this corpus"


def test_too_many_pairs(client: TestClient, put: Callable[..., Run]) -> None:
    """More pairs than can be compared at once are refused, with what to name."""
    models = [f"fake:toy{n}:cpu:float32" for n in range(9)]
    run = put("one", *(record(model=model) for model in models), models=models)
    other = put("two", *(record(model=model) for model in models), models=models)
    answer = client.get("/api/compare", params={"run": [run.id, other.id], "models": "every"})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_pairs")
    assert len(compared(client, run, other)["pairs"]) == 9


def test_bad_comparisons(client: TestClient, put: Callable[..., Run]) -> None:
    """One run, nine, one that nobody knows, or a baseline that takes no part: each is refused."""
    run = put("one", record())
    other = put("two", record())
    bad = {
        "": 422,
        f"run={run.id}": 422,
        "&".join([f"run={run.id}"] * 9): 422,
        f"run={run.id}&run=x": 422,
        f"run={run.id}&run={other.id}&models=some": 422,
        f"run={run.id}&run={other.id}&worst=21": 422,
        f"run={run.id}&run={other.id}&baseline={NOBODY}": 422,
        f"run={run.id}&run={NOBODY}": 404,
    }
    for query, status in bad.items():
        assert client.get(f"/api/compare?{query}").status_code == status, query
