"""Logs: one form for all, what belongs to a request in each line, and nothing that is nobody's to read."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from modellab.server import logs

KEY = "mlab_0123456789ab_" + "a2b3" * 13


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give where lines go, and leave logging as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).propagate = True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Give the lines of these tests' loggers: a thread that an earlier test left may write, too."""
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in written if str(line["logger"]).partition(".")[0] in {"ours", "theirs", "uvicorn"}]


def test_all_libraries_write_alike(stream: io.StringIO) -> None:
    """A line of structlog's and one of logging's have the same fields, those of the request included."""
    logs.configure("INFO", "json", stream)
    with structlog.contextvars.bound_contextvars(request_id="r1", trace_id="t1"):
        structlog.get_logger("ours").info("heard", duration_s=1.5)
        logging.getLogger("theirs").warning("took %s", "long")
        logging.getLogger("uvicorn.error").info("started")
    ours, theirs, uvicorns = lines(stream)
    assert (ours["event"], ours["logger"], ours["level"], ours["duration_s"]) == ("heard", "ours", "info", 1.5)
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("took long", "theirs", "warning")
    assert uvicorns["event"] == "started"
    assert {line["request_id"] for line in (ours, theirs, uvicorns)} == {"r1"}
    assert {line["trace_id"] for line in (ours, theirs, uvicorns)} == {"t1"}
    assert all(str(line["timestamp"]).endswith("Z") for line in (ours, theirs, uvicorns))


def test_the_level_holds_for_all(stream: io.StringIO) -> None:
    """What is below it is written by nobody."""
    logs.configure("WARNING", "json", stream)
    structlog.get_logger("ours").info("quiet")
    logging.getLogger("theirs").info("quiet")
    structlog.get_logger("ours").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_uvicorn_writes_no_line_of_its_own_for_a_request(stream: io.StringIO) -> None:
    """Its access log holds the raw query: it is silent."""
    logs.configure("INFO", "json", stream)
    logging.getLogger("uvicorn.access").info('%s - "%s"', "1.2.3.4", "GET /?q=secret")
    assert lines(stream) == []


def test_lines_for_people(stream: io.StringIO) -> None:
    """On a console a line is words, not JSON, and masked as well."""
    logs.configure("INFO", "console", stream)
    structlog.get_logger("ours").info("heard", key=KEY)
    assert "heard" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert "a2b3" not in stream.getvalue()


def test_keys_are_masked_wherever_they_stand(stream: io.StringIO) -> None:
    """In a message, a field, a list, a table, an object and an exception: of a key only its id is left."""
    logs.configure("DEBUG", "json", stream)
    log = structlog.get_logger("ours")
    log.info(f"shown {KEY}", key=KEY, inner={"deep": [KEY, {"er": (KEY,)}]}, thing=ValueError(KEY))
    logging.getLogger("theirs").info("got %s", KEY)
    try:
        {}[KEY]
    except KeyError:
        log.exception("failed")
        logging.getLogger("theirs").exception("failed")
    written = stream.getvalue()
    assert "a2b3" not in written
    assert written.count("mlab_0123456789ab_***") >= 8
    assert "KeyError" in written


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Authorization: Bearer sk-abc.def-1", "Authorization: Bearer ***"),
        ('{"Authorization": "bearer tok"}', '{"Authorization": "bearer ***"}'),
        (f"Bearer {KEY}", "Bearer mlab_0123456789ab_***"),
        ("postgresql+psycopg://me:pa55@db/lab", "postgresql+psycopg://me:***@db/lab"),
        ("http://host:8000/path", "http://host:8000/path"),
        ("the bearer of this letter", "the bearer *** this letter"),
    ],
)
def test_tokens_and_passwords_are_masked(said: str, left: str) -> None:
    """What follows `Bearer`, and a password in a URL, are masked; too much rather than too little."""
    assert logs.discreet(None, "info", {"event": said})["event"] == left


def test_fields_that_are_secret_by_name(stream: io.StringIO) -> None:
    """A field that is called a secret is masked, however deep, whatever it holds."""
    event = {"event": "x", "Authorization": "abc", "headers": {"X-API-Key": "abc", "Accept": "*/*"}, "password": 7}
    masked = logs.discreet(None, "info", event)
    assert masked["Authorization"] == masked["password"] == logs.MASK
    assert masked["headers"] == {"X-API-Key": logs.MASK, "Accept": "*/*"}


def test_what_was_said_is_not_logged(stream: io.StringIO) -> None:
    """Transcripts, prompts and names of files are left out, but for somebody who debugs."""
    logs.configure("DEBUG", "json", stream)
    log = structlog.get_logger("ours")
    log.info("heard", text="my secret", prompt="my secret", filename="my secret.wav", model="toy")
    log.debug("heard", text="my words")
    informed, debugged = lines(stream)
    assert "my secret" not in json.dumps(informed)
    assert informed["model"] == "toy"
    assert debugged["text"] == "my words"


def test_facts_stay_what_they_are() -> None:
    """Numbers, truth and absence are not turned into words."""
    facts = {"event": "x", "a": 1, "b": 1.5, "c": True, "d": None}
    assert logs.discreet(None, "info", dict(facts)) == facts


def _fail(words: str) -> None:
    raise ValueError(words)


def test_a_terminal_is_told_nothing(stream: io.StringIO) -> None:
    """On a console what a client sent moves no cursor and begins no line; a traceback keeps its lines."""
    logs.configure("INFO", "console", stream)
    structlog.get_logger("ours").info("request", client="\x1b[31mred\x9b2J", path="a\r\nb\u202e")
    try:
        _fail("\x1b[2J")
    except ValueError:
        structlog.get_logger("ours").exception("broke")
    written = stream.getvalue()
    assert not set("\x1b\x9b\r\u202e") & set(written)
    assert "\\x1b[31mred\\x9b2J" in written
    assert "a\\r\\nb" in written
    assert "\nTraceback" in written
    assert "\nValueError: \\x1b[2J" in written
