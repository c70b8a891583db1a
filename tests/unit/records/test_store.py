"""The store: lines that are whole or passed over, and sessions that open and close."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modellab.backends.device import Device
from modellab.errors import BadRecord, StoreFull
from modellab.records.device import DeviceFacts
from modellab.records.environment import Environment
from modellab.records.failure import Failure
from modellab.records.record import ColdStart, Record
from modellab.records.run import CorpusFacts, Run, Session, Skipped
from modellab.records.store import Store, Torn, new_run_folder, point_latest
from modellab.speech.transcript import Segment, Transcript, Word

MakeRecord = Callable[..., Record]
MakeSession = Callable[..., Session]
CORPUS = CorpusFacts(revision="feed", utterances=5, duration_s=9.5, languages=("de", "en"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The store of a run that has no folder yet."""
    return Store(tmp_path / "runs" / "one")


def tear(store: Store, cut: bytes = b'{"model":"fake:none:cpu:float32","corp') -> None:
    """Leave what a process leaves that dies in the middle of a line."""
    with store.records_path.open("ab") as file:
        file.write(cut)


def heard(store: Store) -> list[str]:
    """Give the ids of the utterances in the store."""
    return [record.utterance for record in store.records()]


def test_every_field_comes_back(store: Store, record: MakeRecord) -> None:
    """Facts with every field filled, or with none that may be left out, are read as they were written, in order."""
    words = (Word(text="Grüße", start_s=0.1, end_s=0.5), Word(text=" 世界\u2028", start_s=0.5, end_s=1.0))
    transcript = Transcript(
        text='Grüße, "世界"\n\u2028', segments=(Segment(text="x", start_s=0.1, end_s=1.0, words=words),), language="de"
    )
    facts = [
        record(
            "a",
            lane="timing",
            session=3,
            language="de",
            speaker="s1",
            transcript=transcript,
            transcribe_s=(0.1, 1 / 3, 1e-9),
            batch_size=4,
        ),
        record("b", failure=Failure(stage="read", kind="BadAudio", message="line one\nline two")),
        record("c", transcript=Transcript(text="")),
        ColdStart(
            model="m", session=1, import_s=0.1, load_s=0.2, first_call_s=1 / 3, total_s=2.5, peak_memory_bytes=1 << 40
        ),
        ColdStart(model="m", session=2, failure=Failure(stage="load", kind="exit -9", message="killed")),
    ]
    for fact in facts:
        store.append(fact)
    assert list(store.facts()) == facts
    assert list(store.records()) == facts[:3]
    assert list(store.cold_starts()) == facts[3:]
    assert (store.count_lines(), store.torn_lines()) == (5, 0)


def test_nothing_derived_is_written(store: Store, record: MakeRecord) -> None:
    """A line holds the fields of the fact and no others."""
    store.append(record())
    (line,) = store.records_path.read_text().splitlines()
    assert set(json.loads(line)) == {name for name in Record.__slots__ if not name.startswith("_")}


def test_a_store_without_a_folder_is_empty(store: Store) -> None:
    """Where nothing was written there are no facts, and reading makes no folder."""
    assert (list(store.facts()), store.count_lines(), store.torn_lines()) == ([], 0, 0)
    assert not store.folder.exists()


def test_a_closed_store_goes_on(store: Store, record: MakeRecord) -> None:
    """A store may be closed twice, and written to again."""
    store.append(record("a"))
    store.close()
    store.close()
    store.append(record("b"))
    assert heard(store) == ["a", "b"]


def test_processes_that_write_at_once_lose_and_tear_nothing(store: Store) -> None:
    """Lines of several processes that append at the same time, short or long, all come back whole."""
    script = """
import sys
from pathlib import Path
from modellab.records.record import Record
from modellab.records.store import Store
from modellab.speech.transcript import Transcript

store, writer = Store(Path(sys.argv[1])), sys.argv[2]
sys.stdin.readline()
for number in range(200):
    text = writer * (1 + number * 80)
    store.append(Record(model="m", corpus="c", utterance=f"{writer}-{number}", audio_duration_s=1.0, reference=text,
                        lane="accuracy", session=1, transcript=Transcript(text=text)))
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(store.folder), str(n)], stdin=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.close()
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    assert sorted(heard(store)) == sorted(f"{w}-{n}" for w in range(4) for n in range(200))
    assert store.torn_lines() == 0


@pytest.mark.parametrize("who", ["the same process", "a new process"])
def test_a_torn_line_is_passed_over(store: Store, record: MakeRecord, who: str) -> None:
    """A line cut short is passed over and counted, and what is appended after it starts a line of its own."""
    store.append(record("a"))
    tear(store)
    assert heard(store) == ["a"]
    assert store.torn_lines() == 1
    after = store if who == "the same process" else Store(store.folder)
    after.append(record("b"))
    after.append(record("c"))
    assert heard(store) == ["a", "b", "c"]
    assert (store.torn_lines(), store.count_lines()) == (1, 4)


def test_torn_lines_are_told_where_they_stand(store: Store, record: MakeRecord) -> None:
    """One pass over the lines gives the facts and which lines were torn, by number."""
    store.append(record("a"))
    tear(store)
    store.append(record("b"))
    tear(store)
    assert list(store.lines()) == [record("a"), Torn(number=2), record("b"), Torn(number=4)]


def test_a_line_torn_within_a_letter_is_passed_over(store: Store, record: MakeRecord) -> None:
    """A line cut within the bytes of one letter is passed over as any other."""
    store.append(record("a"))
    tear(store, '{"model":"ü'.encode()[:-1])
    store.append(record("b"))
    assert heard(store) == ["a", "b"]
    assert store.torn_lines() == 1


def test_an_empty_line_is_nothing(store: Store, record: MakeRecord) -> None:
    """An empty line between facts is no fact, and nothing was torn."""
    store.append(record("a"))
    tear(store, b"\n")
    store.append(record("b"))
    assert heard(store) == ["a", "b"]
    assert store.torn_lines() == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mood": "calm"}, "mood: Unexpected keyword"),
        ({"schema": 4}, "schema 4; this version reads schema 3 and older"),
        ({"kind": "opinion"}, "opinion"),
        ({"session": "first"}, "session: Input should be a valid integer"),
        ({"transcript": None}, "either a transcript or a failure"),
        ({"audio_duration_s": float("nan")}, "must be finite"),
        ({"transcript": {"text": "x", "segments": [{"text": "x", "start_s": float("nan"), "end_s": 1}]}}, "finite"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_line_that_is_no_record_is_refused(
    store: Store, record: MakeRecord, change: dict[str, object], reason: str
) -> None:
    """A whole line of JSON that is no fact of this version is refused by file, line and field."""
    store.append(record("a"))
    line = json.loads(store.records_path.read_text())
    tear(store, json.dumps(line | change).encode() + b"\n")
    with pytest.raises(BadRecord, match=rf"{re.escape(str(store.records_path))}:2: .*{reason}"):
        list(store.facts())


@pytest.mark.parametrize("line", [b"42\n", b"[]\n", b"null\n", b"{}\n"])
def test_json_that_is_no_object_of_ours_is_refused(store: Store, record: MakeRecord, line: bytes) -> None:
    """A whole line of other JSON is refused by file and line."""
    store.append(record("a"))
    tear(store, line)
    with pytest.raises(BadRecord, match=r"records\.jsonl:2: "):
        list(store.facts())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_is_named_with_what_helps(tmp_path: Path, record: MakeRecord) -> None:
    """Where the disk takes nothing, the error names the file, the reason and how to go on."""
    (tmp_path / "records.jsonl").symlink_to("/dev/full")
    with pytest.raises(StoreFull, match="No space left on device") as caught:
        Store(tmp_path).append(record())
    assert str(tmp_path / "records.jsonl") in str(caught.value)
    assert f"--run-dir {tmp_path}" in str(caught.value)


def test_a_disk_that_fills_up_keeps_what_it_has(store: Store, record: MakeRecord) -> None:
    """Where the disk takes part of a line, that is an error; earlier lines stay, and a later process goes on."""
    script = """
import resource, sys
from pathlib import Path
from modellab.errors import StoreFull
from modellab.records.record import Record
from modellab.records.store import Store
from modellab.speech.transcript import Transcript

resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
store = Store(Path(sys.argv[1]))
for number in range(100):
    record = Record(model="m", corpus="c", utterance=f"u{number}", audio_duration_s=1.0, reference="r" * 500,
                    lane="accuracy", session=1, transcript=Transcript(text=""))
    try:
        store.append(record)
    except StoreFull as error:
        print(number, str(error))
        try:
            store.append(record)
        except StoreFull:
            print("still full")
        break
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.folder)], capture_output=True, text=True, check=True, timeout=60
    )
    number, _, message = done.stdout.partition(" ")
    assert 0 < int(number) < 100
    assert str(store.records_path) in message
    assert f"--run-dir {store.folder}" in message
    assert "still full" in message
    kept = [f"u{n}" for n in range(int(number))]
    assert store.records_path.stat().st_size == 4000
    assert heard(store) == kept
    assert store.torn_lines() == 1
    store.append(record("after"))
    assert heard(store) == [*kept, "after"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, record: MakeRecord) -> None:
    """Where a run's folder cannot be made, the error names the file and not only the reason."""
    (tmp_path / "runs").write_text("a file is in the way")
    with pytest.raises(StoreFull, match=r"runs.one.records\.jsonl"):
        Store(tmp_path / "runs" / "one").append(record())


def test_sessions_open_and_close(store: Store, session: MakeSession, environment: Environment) -> None:
    """The first session makes the run, the second joins it; each has a number, an outcome and what it left out."""
    budgets = ({"model": "*", "wer": 0.1},)
    assert store.open_session(session(), environment, {"a": CORPUS}, budgets) == 1
    opened = store.run()
    assert opened.environment == environment
    assert (opened.sessions[0].outcome, opened.sessions[0].ended_at, opened.partial) == ("running", None, True)
    assert opened.budgets == budgets

    skipped = (Skipped(model="m", corpus="", reason="no GPU"),)
    store.close_session(1, "complete", skipped)
    closed = store.run()
    assert closed.id == opened.id
    assert (closed.sessions[0].outcome, closed.sessions[0].skipped, closed.partial) == ("complete", skipped, False)
    assert closed.sessions[0].ended_at is not None

    other = replace(environment, cores=64)
    assert store.open_session(session(argv=("pytest", "-m", "timing")), other, {"b": CORPUS}, ()) == 2
    joined = store.run()
    assert (joined.id, joined.created_at, joined.environment) == (opened.id, opened.created_at, environment)
    assert set(joined.corpora) == {"a", "b"}
    assert [s.number for s in joined.sessions] == [1, 2]
    assert joined.sessions[0] == closed.sessions[0]
    assert joined.partial


@pytest.mark.parametrize(
    ("outcomes", "partial"),
    [((), False), (("complete",), False), (("complete", "partial"), True), (("running",), True), (("partial",), True)],
)
def test_a_run_is_partial_until_every_session_is_complete(
    session: MakeSession, environment: Environment, outcomes: tuple[str, ...], partial: bool
) -> None:
    """A run of which a session still runs, or ended early, is partial."""
    sessions = tuple(session(outcome=outcome) for outcome in outcomes)
    run = Run(id="r", created_at="2026-01-01", environment=environment, sessions=sessions)
    assert run.partial is partial


def test_every_field_of_a_run_comes_back(store: Store, session: MakeSession, environment: Environment) -> None:
    """A run is read as it was written: environment, corpora, sessions, their models and options."""
    given = session(limit=3, skipped=(Skipped(model="m", corpus="c", reason="why"),))
    store.open_session(given, environment, {"a": CORPUS}, ({"model": "*", "set_on": "2026-01-01"},))
    run = store.run()
    assert run.sessions == (replace(given, number=1),)
    assert run.corpora == {"a": CORPUS}


def test_nothing_is_left_beside_the_run(store: Store, session: MakeSession, environment: Environment) -> None:
    """Writing a run leaves `run.json` and the locks, and no half-written file."""
    store.open_session(session(), environment, {}, ())
    store.close_session(1, "partial")
    assert sorted(path.name for path in store.folder.iterdir()) == [".locks", "run.json"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 5}, "schema 5; this version reads schema 4 and older"),
        ({"mood": 1}, "mood: Unexpected keyword"),
        ({"id": None}, "id: "),
    ],
)
def test_a_run_that_cannot_be_read_is_refused(
    store: Store, session: MakeSession, environment: Environment, change: dict[str, object], reason: str
) -> None:
    """A description that says something it may not is refused by file and field."""
    store.open_session(session(), environment, {}, ())
    store.run_path.write_text(json.dumps(json.loads(store.run_path.read_text()) | change))
    with pytest.raises(BadRecord, match=rf"{re.escape(str(store.run_path))}: .*{reason}"):
        store.run()


def test_a_folder_without_a_run_is_refused(store: Store) -> None:
    """A folder that holds no run is refused by path."""
    with pytest.raises(BadRecord, match=re.escape(str(store.folder))):
        store.run()


def test_a_run_cut_short_is_refused(store: Store, session: MakeSession, environment: Environment) -> None:
    """A description that is not whole is refused by path."""
    store.open_session(session(), environment, {}, ())
    store.run_path.write_text(store.run_path.read_text()[:50])
    with pytest.raises(BadRecord, match=re.escape(str(store.run_path))):
        store.run()


def test_latest_points_at_the_last_run(tmp_path: Path) -> None:
    """`latest` is a relative link to the run it was pointed at last."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path / name)
    assert (tmp_path / "latest").readlink() == Path("two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_run_folders_are_new_and_sort_by_time(tmp_path: Path) -> None:
    """Each run has a folder of its own under the runs."""
    folders = {new_run_folder(tmp_path) for _ in range(100)}
    assert len(folders) == 100
    assert {folder.parent for folder in folders} == {tmp_path}


def test_a_lock_is_for_one_at_a_time(store: Store) -> None:
    """A lock of a run is not had twice by two processes, and another name is another lock."""
    script = """
import sys
from pathlib import Path
from filelock import Timeout
from modellab.records.store import Store
try:
    Store(Path(sys.argv[1])).lock("a/b").acquire(timeout=0)
except Timeout:
    print("held")
"""
    with store.lock("a/b"), store.lock("other"):
        again = subprocess.run(
            [sys.executable, "-c", script, str(store.folder)], capture_output=True, text=True, check=True
        )
    assert again.stdout.strip() == "held"


def test_a_run_of_the_first_schema_is_read(store: Store) -> None:
    """A run written before there were conditions, variations and a cache is read, each of these absent."""
    store.folder.mkdir(parents=True, exist_ok=True)
    store.records_path.write_text(
        '{"model":"fake:tiny:cpu:float32","corpus":"c","utterance":"u1","audio_duration_s":2.5,"reference":"one two",'
        '"lane":"accuracy","session":1,"language":"en","speaker":"s","transcript":{"text":"one too","segments":'
        '[{"text":"one too","start_s":0.0,"end_s":2.5,"words":[]}],"language":"en"},"transcribe_s":[0.5],'
        '"batch_size":1,"failure":null,"kind":"utterance","schema":1}\n'
        '{"model":"fake:tiny:cpu:float32","session":1,"import_s":0.5,"load_s":0.25,"first_call_s":1.0,"total_s":2.0,'
        '"peak_memory_bytes":1000,"failure":null,"kind":"cold_start","schema":1}\n'
    )
    store.run_path.write_text(
        '{"id":"01K0000000000000000000000A","created_at":"2026-11-23T00:00:00+00:00","environment":{"python":"3.11.7",'
        '"platform":"Linux","machine":"x86_64","processor":"p","cores":2,"memory_bytes":1000,"packages":{},'
        '"git_commit":null,"git_dirty":null},"corpora":{"c":{"revision":"r","utterances":1,"duration_s":2.5,'
        '"languages":["en"]}},"sessions":[],"budgets":[],"schema":1}'
    )
    (record,), (start,), run = store.records(), store.cold_starts(), store.run()
    assert (record.transcript.text, record.variation, record.cached, record.facts) == ("one too", "", False, {})
    assert start.total_s == 2.0
    assert (run.corpora["c"].clean, run.corpora["c"].conditions) == ("", ())


def test_a_run_of_the_second_schema_is_read(store: Store) -> None:
    """A run written before devices were described is read, with none of them; a session of now adds its own."""
    store.folder.mkdir(parents=True, exist_ok=True)
    store.run_path.write_text(
        '{"id":"01K0000000000000000000000A","created_at":"2026-11-23T00:00:00+00:00","environment":{"python":"3.11.7",'
        '"platform":"Linux","machine":"x86_64","processor":"p","cores":2,"memory_bytes":1000,"packages":{},'
        '"git_commit":null,"git_dirty":null},"corpora":{"c":{"revision":"r","utterances":1,"duration_s":2.5,'
        '"languages":["en"],"clean":"d","conditions":[],"selection":"c[limit=1]"}},"sessions":[],"budgets":[],'
        '"schema":2}'
    )
    run = store.run()
    assert (run.schema, run.environment.devices, run.environment.unreadable) == (2, (), {})
    assert run.corpora["c"].selection == "c[limit=1]"


def test_a_run_knows_the_devices_of_all_its_sessions(
    store: Store, session: MakeSession, environment: Environment
) -> None:
    """A later session adds the devices it saw first; one that is known stays as it was, and the rest of the machine."""
    cpu, gpu = (DeviceFacts(device=Device(name=name, kind=name)) for name in ("cpu", "cuda"))
    gpu = replace(gpu, clock_mhz=1200, power_limit_w=350.5, persistence=True, driver="580.1")
    store.open_session(session(), replace(environment, devices=(cpu,), unreadable={"a": "1"}), {}, ())
    changed = replace(environment, devices=(replace(cpu, governor="x"), gpu), unreadable={"a": "2", "b": "3"}, cores=64)
    store.open_session(session(), changed, {}, ())
    assert store.run().environment == replace(environment, devices=(cpu, gpu), unreadable={"a": "1", "b": "3"})
