"""Questions to the records of runs: what they see, and that they change and reach nothing else."""

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from modellab.backends.device import Device
from modellab.cli import main
from modellab.errors import BadQuery
from modellab.records.device import DeviceFacts
from modellab.records.environment import Environment
from modellab.records.failure import Failure
from modellab.records.query import Answer, ask
from modellab.records.record import Arrangement, ColdStart, Record, Trial
from modellab.records.run import Session
from modellab.records.scenario import Call, Footprint, Growth, Partial, Performance, Stream
from modellab.records.store import Store, point_latest
from modellab.records.view import VIEWS
from modellab.speech.transcript import Segment, Transcript, Word

pytest.importorskip("duckdb")

MakeRecord = Callable[..., Record]
EXAMPLES = re.findall(r"```sql\n(.*?)```", (Path(__file__).parents[3] / "docs" / "query.md").read_text("utf-8"), re.S)
FAILURE = Failure(stage="transcribe", kind="RuntimeError", message="it's gone")


@pytest.fixture
def runs(tmp_path: Path, record: MakeRecord, session: Callable[..., Session], environment: Environment) -> Path:
    """Two runs, of which the second is the latest: one with three utterances, one with one and a cold start."""
    one, two = (Store(tmp_path / "runs" / name) for name in ("one", "two"))
    for store in (one, two):
        store.close_session(store.open_session(session(), environment, {}, ()), "complete")
    for fact in (record("a"), record("b", transcript=Transcript(text="")), record("c", failure=FAILURE)):
        one.append(fact)
    two.append(record("a", language="de", facts={"age": "9"}, lane="variation", variation="alone"))
    two.append(ColdStart(model="m", session=1, total_s=2.5, peak_memory_bytes=1 << 40))
    two.append(Arrangement(model="m", corpus="c", session=1, replicas=2, threads=1, trials=(TRIAL,)))
    point_latest(two.folder)
    return tmp_path / "runs"


TRIAL = Trial(replicas=1, threads=2, audio_s=10.0, work_s=2.0)


def rows(answer: Answer) -> list[tuple[Any, ...]]:
    """Give all rows."""
    return list(answer.rows)


def tear(path: Path, cut: bytes) -> None:
    """Add bytes to a file."""
    with path.open("ab") as file:
        file.write(cut)


def test_all_runs_are_asked_at_once(runs: Path) -> None:
    """Each record has a row with its run's folder, and the link to the latest run counts nothing twice."""
    answer = ask(runs, "select run, utterance from records order by all")
    assert answer.columns == ("run", "utterance")
    assert rows(answer) == [("one", "a"), ("one", "b"), ("one", "c"), ("two", "a")]
    assert (answer.more, answer.passed_over, answer.unread) == (0, 0, ())


PERFORMED = {"model", "corpus", "session", "scenario", "setting"}
MORE: dict[type, set[str]] = {
    Record: {"hypothesis", "segments", "heard_language", "server_s"},
    Performance: {"answered", "answered_audio_s"},
    Call: {"place", "latency_s", "late_s", "harness_s", *PERFORMED},
}


@pytest.mark.parametrize(
    ("fact", "view"),
    [
        (Record, "records"),
        (ColdStart, "cold_starts"),
        (Arrangement, "arrangements"),
        (Performance, "performances"),
        (Call, "calls"),
        (Stream, "streams"),
        (Growth, "growths"),
    ],
)
def test_every_field_of_a_fact_can_be_asked(fact: type, view: str) -> None:
    """A view has a column for each field of its facts; a transcript is taken apart, and a call says whose it is."""
    columns = {column.name for known in VIEWS if known.name == view for column in known.columns}
    assert columns == {field.name for field in fields(fact)} - {"kind", "transcript"} | MORE.get(fact, set()) | {"run"}


@pytest.mark.parametrize(
    ("part", "view", "name"),
    [
        (Footprint, "performances", "memory"),
        (Partial, "streams", "partials"),
        (Device, "runs", "devices"),
        (DeviceFacts, "runs", "devices"),
    ],
)
def test_every_field_of_a_part_can_be_asked(part: type, view: str, name: str) -> None:
    """The structure in a column has each field of the values in it."""
    (column,) = (column for known in VIEWS if known.name == view for column in known.columns if column.name == name)
    assert {field.name for field in fields(part)} <= set(re.findall(r"\w+", column.type))


def test_every_value_comes_back(tmp_path: Path, record: MakeRecord) -> None:
    """What was written is what is read, with its type, also where a list is empty or a text holds anything."""
    words = (Word(text='Grüße "', start_s=0.5, end_s=1.0),)
    transcript = Transcript(
        text="a, 'b'\n\u2028",
        segments=(Segment(text="a", start_s=0.0, end_s=1 / 3, words=words),),
        language="de",
        server_s=1 / 7,
    )
    known = record(
        language="de",
        speaker="s",
        transcript=transcript,
        transcribe_s=(0.1, 1e-9),
        batch_size=3,
        reference_words=words,
        facts={"the age": "9"},
    )
    Store(tmp_path / "run").append(known)
    answer = ask(tmp_path, "from records")
    (found,) = (dict(zip(answer.columns, row, strict=True)) for row in answer.rows)
    plain = json.loads(json.dumps(asdict(known)))
    written = plain.pop("transcript")
    del plain["kind"]
    apart = {
        "hypothesis": written["text"],
        "segments": written["segments"],
        "heard_language": "de",
        "server_s": 1 / 7,
        "run": "run",
    }
    assert found == plain | apart


def test_views_have_the_types_they_say(runs: Path) -> None:
    """What --schema prints is what DuckDB has."""
    for view in VIEWS:
        told = {name: kind.replace('"', "") for name, kind, *_ in ask(runs, f"describe {view.name}").rows}
        assert told == {column.name: column.type.replace('"', "") for column in view.columns}


def test_failures_are_structured(runs: Path) -> None:
    """A failure's stage can be asked, and is NULL where there is none."""
    answer = ask(runs, "select utterance, failure.stage, hypothesis from records where run = 'one' order by 1")
    assert rows(answer) == [("a", None, "the hat sat"), ("b", None, ""), ("c", "transcribe", None)]


def test_other_facts_have_views_of_their_own(runs: Path) -> None:
    """Cold starts and arrangements are no records."""
    assert rows(ask(runs, "select run, model, total_s, peak_memory_bytes, failure from cold_starts")) == [
        ("two", "m", 2.5, 1 << 40, None)
    ]
    assert rows(ask(runs, "select corpus, replicas, trials[1].work_s from arrangements")) == [("c", 2, 2.0)]


@pytest.fixture
def played(tmp_path: Path) -> Path:
    """A run of two performances, a stream and a growth of memory."""
    calls = (
        Call(
            utterances=("a", "b"),
            audio_duration_s=6.0,
            due_s=1.0,
            issued_s=1.25,
            begun_s=1.5,
            ended_s=3.0,
            seconds=1.0,
            texts=("one", "it's two"),
        ),
        Call(
            utterances=("c",),
            audio_duration_s=4.0,
            due_s=2.0,
            issued_s=2.0,
            begun_s=2.0,
            ended_s=2.5,
            caller=3,
            worker=1,
            failure=FAILURE,
        ),
    )
    played: dict[str, Any] = {"model": "m", "corpus": "c", "session": 1, "scenario": "server"}
    setting = {"rate_per_s": 0.5, "workers": 2, "by_length": True, "schedule": "chance"}
    store = Store(tmp_path / "runs" / "one")
    memory = (Footprint(loaded_bytes=1, peak_bytes=1 << 40),)
    store.append(
        Performance(
            **played,
            setting=setting,
            calls=calls,
            took_s=3.0,
            cpu_s=2.5,
            memory=memory,
            energy_j=7.5,
            energy_of="package-0",
        )
    )
    store.append(Performance(**played, setting={}, calls=(), took_s=0.0, failure=FAILURE))
    store.append(
        Stream(
            model="m",
            corpus="c",
            session=1,
            utterance="a",
            audio_duration_s=2.0,
            reference="one two",
            method="native",
            step_s=0.5,
            partials=(Partial(at_s=1.0, heard_s=1.0, text="one"), Partial(at_s=2.5, heard_s=2.0, text="one too")),
        )
    )
    store.append(Growth(model="m", session=1, turn="reload", resident_bytes=(1 << 40, 2), loaded_bytes=1))
    return tmp_path / "runs"


def test_performances_can_be_asked(played: Path) -> None:
    """A performance has its setting as texts, counts of its calls, and what was not measured as NULL."""
    statement = """
        select scenario, setting['workers'], setting['rate_per_s'], setting['by_length'], calls, answered,
               answered_audio_s, took_s, cpu_s, memory[1].peak_bytes, energy_j, energy_of, failure.kind
        from performances order by took_s desc
    """
    assert rows(ask(played, statement)) == [
        ("server", "2", "0.5", "true", 2, 1, 6.0, 3.0, 2.5, 1 << 40, 7.5, "package-0", None),
        ("server", None, None, None, 0, 0, None, 0.0, None, None, None, "", "RuntimeError"),
    ]


def test_calls_can_be_asked_one_by_one(played: Path) -> None:
    """Each call has a row, in its place, with what follows from its times, and joins its performance."""
    statement = """
        select place, utterances, audio_duration_s, latency_s, late_s, harness_s, caller, worker, texts,
               calls.failure.stage, took_s
        from calls join performances using (run, model, corpus, session, scenario, setting) order by place
    """
    assert rows(ask(played, statement)) == [
        (1, ["a", "b"], 6.0, 2.0, 0.25, 0.5, 0, 0, ["one", "it's two"], None, 3.0),
        (2, ["c"], 4.0, 0.5, 0.0, None, 3, 1, [], "transcribe", 3.0),
    ]


def test_streams_and_growths_can_be_asked(played: Path) -> None:
    """What was shown last and what was held at the end can be asked."""
    assert rows(ask(played, 'select utterance, method, partials[-1]."text", partials[1].at_s from streams')) == [
        ("a", "native", "one too", 1.0)
    ]
    assert rows(ask(played, "select turn, resident_bytes, loaded_bytes, unloaded_bytes from growths")) == [
        ("reload", [1 << 40, 2], 1, None)
    ]


def test_devices_can_be_asked(tmp_path: Path, session: Callable[..., Session], environment: Environment) -> None:
    """What a run's models ran on, how it was set, and which sensors were silent."""
    device = Device(name="cuda", kind="cuda", hardware="H", memory_bytes=1 << 40, capability="9.0")
    facts = DeviceFacts(device=device, clock_mhz=1200, power_limit_w=350.5, persistence=False)
    seen = replace(environment, devices=(facts,), unreadable={"energy of processor": "it's gone"})
    Store(tmp_path / "one").open_session(session(), seen, {}, ())
    Store(tmp_path / "two").open_session(session(), environment, {}, ())
    statement = """
        select devices[1].device.hardware, devices[1].device.memory_bytes, devices[1].clock_mhz,
               devices[1].power_limit_w, devices[1].persistence, devices[1].governor, unreadable['energy of processor']
        from runs order by run
    """
    assert rows(ask(tmp_path, statement)) == [("H", 1 << 40, 1200, 350.5, False, None, "it's gone"), (None,) * 7]


def test_runs_say_where_they_were_made(runs: Path) -> None:
    """Each run has a row with its environment, which can be joined to its records."""
    statement = """
        select run, outcome, sessions, cores, packages['numpy'], git_dirty, count(utterance)
        from runs left join records using (run) group by all order by 1
    """
    assert rows(ask(runs, statement)) == [
        ("one", "complete", 1, 2, "2.0", True, 3),
        ("two", "complete", 1, 2, "2.0", True, 1),
    ]


def test_torn_and_odd_lines_are_passed_over_and_counted(runs: Path) -> None:
    """Lines that hold no fact fail nothing and are told; the rest is read, and what is not known is not asked."""
    path = runs / "one" / "records.jsonl"
    tear(path, b'{"model":"m","ki\n42\n{}\n')
    tear(path, b'{"kind":"utterance","utterance":"d","mood":"calm","facts":{}}\n{"kind":"opinion"}\n')
    tear(path, '{"kind":"utterance","utterance":"ü'.encode()[:-1])
    answer = ask(runs, "select utterance, cached from records where run = 'one' order by 1")
    assert rows(answer) == [("a", False), ("b", False), ("c", False), ("d", False)]
    assert answer.passed_over == 4


def test_an_empty_file_and_an_empty_run_have_no_records(tmp_path: Path, record: MakeRecord) -> None:
    """A run without a line has no rows, whether its file is empty or missing."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "records.jsonl").touch()
    assert rows(ask(tmp_path, "select count(*) from records")) == [(0,)]
    (tmp_path / "empty" / "records.jsonl").rename(tmp_path / "empty" / "run.json")
    answer = ask(tmp_path, "select count(*) from records")
    assert rows(answer) == [(0,)]
    assert "run.json" in answer.unread[0]


def test_a_folder_may_have_any_name(tmp_path: Path, record: MakeRecord) -> None:
    """Quotes and what looks like a pattern in a folder's name are part of its name."""
    name = "it's [1] *"
    Store(tmp_path / name).append(record("a"))
    Store(tmp_path / "it's 1 b").append(record("b"))
    assert rows(ask(tmp_path, "select run, utterance from records order by 2")) == [(name, "a"), ("it's 1 b", "b")]


def test_where_there_are_no_runs_the_folder_is_named(tmp_path: Path) -> None:
    """A folder without runs is refused by path."""
    with pytest.raises(BadQuery, match=r"nowhere.*--runs"):
        ask(tmp_path / "nowhere", "select 1")


@pytest.mark.parametrize(
    "statement",
    ["select 1; select 2", "", "drop view records", "set threads = 1", "copy records to 'x'", "pragma version",
     "attach 'x'", "create table t as select 1", "explain analyze copy (select 1) to 'x'", "call pragma_version()"],
)  # fmt: skip
def test_one_query_is_allowed_and_nothing_else(runs: Path, statement: str) -> None:
    """Whatever is not one query is refused, saying what is allowed."""
    with pytest.raises(BadQuery, match="SELECT"):
        ask(runs, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "with x as (copy (select 1) to '{file}') select 1",
        "select * from (with x as (copy (select 1) to '{file}') select 1)",
        "select 1) x, (copy (select 1) to '{file}'",
        "select 1 -- \n) union (with x as (copy (select 1) to '{file}') select 1",
    ],
)
@pytest.mark.parametrize("target", ["records", "new"])
def test_a_query_writes_nothing(runs: Path, statement: str, target: str) -> None:
    """A query cannot write a file, nor write over the records, in whatever it is wrapped."""
    file = runs / "one" / ("records.jsonl" if target == "records" else "new.csv")
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(BadQuery):
        rows(ask(runs, statement.format(file=file)))
    assert (file.read_bytes() if file.exists() else None) == before


@pytest.mark.parametrize(
    "source",
    ["read_text('{0}/secret.txt')", "read_csv('{0}/secret.txt')", "'{0}/secret.txt'", "glob('{0}/*')",
     "read_text('{0}/runs/one/../../secret.txt')", "read_text('{0}/runs/one/run.json')"],
)  # fmt: skip
def test_a_query_reads_nothing_else(runs: Path, source: str) -> None:
    """A query cannot open a file that is no run's records."""
    (runs.parent / "secret.txt").write_text("secret")
    with pytest.raises(BadQuery, match=r"Permission Error|does not exist"):
        rows(ask(runs, f"from {source.format(runs.parent)}"))


def test_a_query_sees_no_variables_of_ours(runs: Path) -> None:
    """A name that is no view is unknown, also where a variable of the program has it."""
    for name in ("stores", "database", "VIEWS"):
        with pytest.raises(BadQuery, match=name):
            ask(runs, f"from {name}")


def test_what_is_wrong_is_said_in_the_words_of_the_database(runs: Path) -> None:
    """A column that does not exist is named, with what might be meant."""
    with pytest.raises(BadQuery, match=r"(?s)hypotesis.*hypothesis"):
        ask(runs, "select hypotesis from records")


def test_a_query_that_fails_on_the_way_is_refused_too(runs: Path) -> None:
    """An error that only some row meets is one of ours, whether rows are limited or not."""
    for limit in (None, 5):
        with pytest.raises(BadQuery, match="Conversion"):
            rows(ask(runs, "select utterance::integer from records", limit=limit))


@pytest.mark.parametrize("statement", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_are_answered(runs: Path, statement: str) -> None:
    """Every example of the documentation is a question that has an answer."""
    assert ask(runs, statement).columns


def test_words_in_silence_can_be_counted(runs: Path, record: MakeRecord) -> None:
    """The example that counts words a minute where nobody speaks counts them."""
    Store(runs / "two").append(
        record("s", reference=" ", corpus="hush", transcript=Transcript(text=" you are  here\n"))
    )
    (example,) = (statement for statement in EXAMPLES if "words_a_minute" in statement)
    assert [row[1:] for row in ask(runs, example).rows] == [("hush", 90.0)]


def test_memory_is_limited(runs: Path) -> None:
    """A query that needs more memory than allowed ends with that, and does not spill to the disk."""
    with pytest.raises(BadQuery, match="Out of Memory"):
        rows(ask(runs, "select a.range from range(100000000) a order by hash(a.range)", limit=1))


@pytest.mark.parametrize(("limit", "given", "more"), [(None, 4, 0), (3, 3, 1), (4, 4, 0), (5, 4, 0)])
def test_rows_are_limited_and_the_rest_counted(runs: Path, limit: int | None, given: int, more: int) -> None:
    """No more rows are given than asked for, and how many more there are is known."""
    answer = ask(runs, "from records", limit=limit)
    assert (len(rows(answer)), answer.more) == (given, more)


@pytest.mark.parametrize("statement", ["select 1;", "select 1 -- end", "/* a */ select 1 ;  ", "select ';' where 1=1;"])
def test_a_statement_may_end_as_it_likes(runs: Path, statement: str) -> None:
    """A semicolon or a comment at the end of a statement is no second one."""
    assert len(rows(ask(runs, statement))) == 1


def test_the_order_of_rows_is_kept(runs: Path) -> None:
    """Rows come in the order that was asked for."""
    found = rows(ask(runs, "select range from range(5000) order by range desc", limit=4000))
    assert found == [(number,) for number in range(4999, 999, -1)]


def test_without_duckdb_what_helps_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DuckDB is missing, the error says what to install."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(BadQuery, match=r"pip install 'modellab\[query\]'"):
        ask(runs, "select 1")


def test_the_command_prints_a_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table shows what is missing as NULL, and says beside it what was left out."""
    statement = "select utterance, hypothesis from records where run = 'one' order by 1 desc"
    tear(runs / "one" / "records.jsonl", b"{")
    assert main(["query", statement, "--runs", str(runs), "--limit", "2"]) == 0
    told = capsys.readouterr()
    assert [line.split() for line in told.out.splitlines()] == [["utterance", "hypothesis"], ["c", "NULL"], ["b"]]
    assert "1 more rows" in told.err
    assert "1 lines hold no fact" in told.err


def test_the_command_prints_json_and_csv(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON and as CSV all rows are printed, with nested values as JSON, and columns of one name told apart."""
    statement = "select utterance, failure, transcribe_s, utterance from records where failure is not null"
    failure = asdict(FAILURE)
    assert main(["query", statement, "--runs", str(runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "utterance": "c", "failure": failure, "transcribe_s": [], "utterance_1": "c",
    }  # fmt: skip
    assert main(["query", statement, "--runs", str(runs), "--csv"]) == 0
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["utterance", "failure", "transcribe_s", "utterance_1"]
    assert (row[0], json.loads(row[1]), row[2]) == ("c", failure, "[]")
    assert main(["query", "from range(200)", "--runs", str(runs), "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 201


def test_the_command_reads_a_statement_from_standard_input(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash in place of the statement stands for standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 41 + 1 as answer"))
    assert main(["query", "-", "--runs", str(runs), "--json"]) == 0
    assert capsys.readouterr().out == '{"answer": 42}\n'


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """--schema names every view and column, and needs no run; without a question there is an error."""
    assert main(["query", "--schema"]) == 0
    told = capsys.readouterr().out
    for view in VIEWS:
        assert f"{view.name}: " in told
        assert all(column.name in told for column in view.columns)
    assert main(["query"]) == 1
    assert "--schema" in capsys.readouterr().err
