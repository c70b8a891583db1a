"""View: what SQL can ask of records: a name, what one row of it is, and its columns with their types and meanings."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a view has for each of its rows; `source` is where a line of the records has it."""

    name: str
    type: str
    meaning: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What can be asked: a name after `from`, what one row is, and its columns. `kind` is that of its facts.

    Where `each` names a list, one item of it is a row: `item`, at `place` counted from 1.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    kind: str = ""
    each: str = ""


_WORDS = 'STRUCT("text" VARCHAR, start_s DOUBLE, end_s DOUBLE)[]'
_SEGMENTS = f'STRUCT("text" VARCHAR, start_s DOUBLE, end_s DOUBLE, words {_WORDS})[]'
_FAILURE = "STRUCT(stage VARCHAR, kind VARCHAR, message VARCHAR)"
_CALLS = (
    "STRUCT(utterances VARCHAR[], audio_duration_s DOUBLE, due_s DOUBLE, issued_s DOUBLE, begun_s DOUBLE, "
    f"ended_s DOUBLE, seconds DOUBLE, caller INTEGER, worker INTEGER, texts VARCHAR[], failure {_FAILURE})[]"
)
_FOOTPRINTS = "STRUCT(loaded_bytes BIGINT, peak_bytes BIGINT, ended_bytes BIGINT, gpu_bytes BIGINT)[]"
_PARTIALS = 'STRUCT(at_s DOUBLE, heard_s DOUBLE, "text" VARCHAR, agreed INTEGER)[]'
_DEVICE = (
    'STRUCT("name" VARCHAR, kind VARCHAR, hardware VARCHAR, memory_bytes BIGINT, capability VARCHAR, uuid VARCHAR)'
)
_DEVICES = (
    f"STRUCT(device {_DEVICE}, driver VARCHAR, clock_mhz INTEGER, clock_limit_mhz INTEGER, memory_clock_mhz INTEGER, "
    "memory_clock_limit_mhz INTEGER, power_limit_w DOUBLE, persistence BOOLEAN, governor VARCHAR)[]"
)

# What a line may hold, of any kind of fact. The types are fixed: what few lines or odd ones hold changes none.
LINE: Mapping[str, str] = {
    "kind": "VARCHAR",
    "schema": "INTEGER",
    "model": "VARCHAR",
    "session": "INTEGER",
    "failure": _FAILURE,
    "corpus": "VARCHAR",
    "utterance": "VARCHAR",
    "audio_duration_s": "DOUBLE",
    "reference": "VARCHAR",
    "lane": "VARCHAR",
    "language": "VARCHAR",
    "speaker": "VARCHAR",
    "transcript": f'STRUCT("text" VARCHAR, segments {_SEGMENTS}, "language" VARCHAR, server_s DOUBLE)',
    "transcribe_s": "DOUBLE[]",
    "batch_size": "INTEGER",
    "reference_words": _WORDS,
    "facts": "MAP(VARCHAR, VARCHAR)",
    "variation": "VARCHAR",
    "cached": "BOOLEAN",
    "process_s": "DOUBLE",
    "import_s": "DOUBLE",
    "load_s": "DOUBLE",
    "first_call_s": "DOUBLE",
    "total_s": "DOUBLE",
    "steady_call_s": "DOUBLE",
    "cached_share": "DOUBLE",
    "peak_memory_bytes": "BIGINT",
    "replicas": "INTEGER",
    "threads": "INTEGER",
    "trials": "STRUCT(replicas INTEGER, threads INTEGER, audio_s DOUBLE, work_s DOUBLE)[]",
    "scenario": "VARCHAR",
    "setting": "MAP(VARCHAR, VARCHAR)",
    "calls": _CALLS,
    "took_s": "DOUBLE",
    "cpu_s": "DOUBLE",
    "memory": _FOOTPRINTS,
    "energy_j": "DOUBLE",
    "energy_of": "VARCHAR",
    "method": "VARCHAR",
    "step_s": "DOUBLE",
    "partials": _PARTIALS,
    "turn": "VARCHAR",
    "resident_bytes": "BIGINT[]",
    "loaded_bytes": "BIGINT",
    "unloaded_bytes": "BIGINT",
}


def _written(name: str, meaning: str) -> Column:
    return Column(name=name, type=LINE[name], meaning=meaning, source=f'"{name}"')


def _of_item(name: str, type: str, meaning: str) -> Column:  # noqa: A002
    return Column(name=name, type=type, meaning=meaning, source=f'item."{name}"')


_RUN = Column(name="run", type="VARCHAR", meaning="the run's folder under runs/", source="run")
_MODEL = _written("model", "backend:checkpoint:device:precision")
_SESSION = _written("session", "which call of pytest in the run, from 1")
_FAILED = _written("failure", "stage, kind and message; NULL where it did not fail")
_SCHEMA = _written("schema", "the version of the line's form")
_CORPUS = _written("corpus", "the corpus's name")
_PERFORMED = (
    _RUN,
    _MODEL,
    _CORPUS,
    _SESSION,
    _written("scenario", "single-stream, concurrent, offline or server"),
    _written("setting", "what was chosen, as texts: setting['replicas']"),
)

VIEWS: tuple[View, ...] = (
    View(
        name="records",
        kind="utterance",
        row="one model and one utterance, as written down; of several of one utterance the last counts in a report",
        columns=(
            _RUN,
            _MODEL,
            _CORPUS,
            _written("utterance", "the utterance's id in the corpus"),
            _written("lane", "accuracy, timing or variation"),
            Column(
                name="variation",
                type="VARCHAR",
                meaning="what was done in another way; '' in the other lanes",
                source="coalesce(variation, '')",
            ),
            _SESSION,
            _written("language", "of the utterance, '' where unknown"),
            _written("speaker", "NULL where unknown"),
            _written("audio_duration_s", "seconds of audio"),
            _written("reference", "what was said; '' where nobody speaks"),
            Column(
                name="hypothesis",
                type="VARCHAR",
                meaning="what the model wrote; NULL where it failed",
                source='transcript."text"',
            ),
            Column(
                name="segments",
                type=_SEGMENTS,
                meaning="what it wrote by stretches, with times and words",
                source="transcript.segments",
            ),
            Column(
                name="heard_language",
                type="VARCHAR",
                meaning="what the model was told or detected",
                source='transcript."language"',
            ),
            _written("transcribe_s", "seconds of work, one figure a round"),
            Column(
                name="server_s",
                type="DOUBLE",
                meaning="seconds that a server says it worked, in the last round; NULL where none says so",
                source="transcript.server_s",
            ),
            _written("batch_size", "how many utterances shared these seconds"),
            Column(
                name="cached",
                type="BOOLEAN",
                meaning="written by an equal model in an earlier run",
                source="coalesce(cached, false)",
            ),
            _FAILED,
            _written("reference_words", "the reference's words with their times"),
            _written("facts", "what else the corpus says: facts['name']"),
            _SCHEMA,
        ),
    ),
    View(
        name="cold_starts",
        kind="cold_start",
        row="one start of a model in a fresh process",
        columns=(
            _RUN,
            _MODEL,
            _SESSION,
            _written("process_s", "seconds from the start of the process to its first own line"),
            _written("import_s", "seconds to import the runtime"),
            _written("load_s", "seconds to read the weights"),
            _written("first_call_s", "seconds for the first utterance"),
            _written("total_s", "seconds from the start of the process to its first transcript"),
            _written("steady_call_s", "seconds for the same utterance once warm"),
            _written("cached_share", "share of the weights that lay in the page cache before"),
            _written("peak_memory_bytes", "the most memory it held"),
            _FAILED,
            _SCHEMA,
        ),
    ),
    View(
        name="arrangements",
        kind="arrangement",
        row="how many replicas of a model heard a corpus, and with how many threads each",
        columns=(
            _RUN,
            _MODEL,
            _CORPUS,
            _SESSION,
            _written("replicas", "how many heard it side by side"),
            _written("threads", "of each replica"),
            _written("trials", "what was tried on the way: seconds of audio, and of work on them"),
            _SCHEMA,
        ),
    ),
    View(
        name="performances",
        kind="performance",
        row="one scenario under one setting, played once",
        columns=(
            *_PERFORMED,
            _written("took_s", "seconds from the first call's being due to the last answer"),
            Column(name="calls", type="BIGINT", meaning="how many there were; see calls", source="len(calls)"),
            Column(
                name="answered",
                type="BIGINT",
                meaning="how many of them have an answer",
                source="len([call for call in calls if call.failure is null])",
            ),
            Column(
                name="answered_audio_s",
                type="DOUBLE",
                meaning="seconds of audio in these",
                source="list_sum([call.audio_duration_s for call in calls if call.failure is null])",
            ),
            _written("cpu_s", "processor seconds of all workers; NULL where not known"),
            _written("memory", "of each worker: loaded, at its peak, at the end"),
            _written("energy_j", "joules that the machine's meters counted; NULL where there are none"),
            _written("energy_of", "what these meters are of"),
            _FAILED,
            _SCHEMA,
        ),
    ),
    View(
        name="calls",
        kind="performance",
        each="calls",
        row="one request of a performance; times are seconds from the performance's start",
        columns=(
            *_PERFORMED,
            Column(name="place", type="BIGINT", meaning="which call of its performance, from 1", source="place"),
            _of_item("utterances", "VARCHAR[]", "what was asked for"),
            _of_item("audio_duration_s", "DOUBLE", "seconds of audio in all of them"),
            _of_item("due_s", "DOUBLE", "when the schedule has it"),
            _of_item("issued_s", "DOUBLE", "when the generator sent it"),
            _of_item("begun_s", "DOUBLE", "when a worker took it"),
            _of_item("ended_s", "DOUBLE", "when its answer, or its failure, was there"),
            _of_item("seconds", "DOUBLE", "how long it took by the worker's clock; NULL where it failed"),
            Column(
                name="latency_s",
                type="DOUBLE",
                meaning="from when it was due to its answer",
                source="item.ended_s - item.due_s",
            ),
            Column(
                name="late_s",
                type="DOUBLE",
                meaning="by which the generator missed the schedule",
                source="item.issued_s - item.due_s",
            ),
            Column(
                name="harness_s",
                type="DOUBLE",
                meaning="from when a worker took it to its answer, less the worker's own time",
                source="item.ended_s - item.begun_s - item.seconds",
            ),
            _of_item("caller", "INTEGER", "who asked, from 0"),
            _of_item("worker", "INTEGER", "who answered, from 0"),
            _of_item("texts", "VARCHAR[]", "what was written"),
            _of_item("failure", _FAILURE, "stage, kind and message; NULL where it did not fail"),
        ),
    ),
    View(
        name="streams",
        kind="stream",
        row="one utterance that came as fast as it was spoken",
        columns=(
            _RUN,
            _MODEL,
            _CORPUS,
            _written("utterance", "the utterance's id in the corpus"),
            _SESSION,
            _written("language", "of the utterance, '' where unknown"),
            _written("speaker", "NULL where unknown"),
            _written("audio_duration_s", "seconds of audio"),
            _written("reference", "what was said"),
            _written("method", "native or local-agreement-2"),
            _written("step_s", "the least audio between two partials, in seconds"),
            _written("partials", "what was shown, oldest first; partials[-1] is final"),
            _FAILED,
            _written("facts", "what else the corpus says: facts['name']"),
            _SCHEMA,
        ),
    ),
    View(
        name="growths",
        kind="growth",
        row="the memory of one process after each of many equal turns, in bytes",
        columns=(
            _RUN,
            _MODEL,
            _SESSION,
            _written("turn", "what was done over and over: transcribe or reload"),
            _written("resident_bytes", "what it held after each turn"),
            _written("loaded_bytes", "before the first"),
            _written("unloaded_bytes", "after the model was closed; NULL where it was not"),
            _FAILED,
            _SCHEMA,
        ),
    ),
    View(
        name="runs",
        row="one run: where and with what it was made",
        columns=(
            _RUN,
            Column(name="id", type="VARCHAR", meaning="as it stands in run.json and in reports"),
            Column(name="created_at", type="VARCHAR", meaning="ISO 8601 in UTC"),
            Column(name="outcome", type="VARCHAR", meaning="complete, or partial where something planned was not done"),
            Column(name="sessions", type="INTEGER", meaning="how many calls of pytest"),
            Column(name="python", type="VARCHAR", meaning="the interpreter's version"),
            Column(name="platform", type="VARCHAR", meaning="the operating system"),
            Column(name="machine", type="VARCHAR", meaning="the processor's architecture"),
            Column(name="processor", type="VARCHAR", meaning="the processor's name"),
            Column(name="cores", type="INTEGER", meaning="cores it might use"),
            Column(name="memory_bytes", type="BIGINT", meaning="memory of the machine"),
            Column(name="packages", type="MAP(VARCHAR, VARCHAR)", meaning="versions: packages['numpy']"),
            Column(name="git_commit", type="VARCHAR", meaning="NULL outside a checkout"),
            Column(name="git_dirty", type="BOOLEAN", meaning="whether the checkout was changed"),
            Column(name="devices", type=_DEVICES, meaning="what models ran on, and how it was set"),
            Column(name="unreadable", type="MAP(VARCHAR, VARCHAR)", meaning="sensors that were not read, and why"),
        ),
    ),
)
