"""The remote backend, against a server that the test starts: what is sent, what is taken, and all that goes wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile
from urllib3 import HTTPResponse

from modellab.backends.base import DecodeOptions
from modellab.backends.identity import identity
from modellab.backends.registry import backend_class, refusal
from modellab.backends.remote import Remote
from modellab.errors import BackendUnavailable, BadDefinition, BadTranscript, RemoteFailed
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.protocol import read_transcript, write_transcript
from modellab.sources.patience import Patience
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Transcript

VARIABLE, KEY = "MODELLAB_TEST_KEY", "sk-Quite-Secret-1"
VERBOSE = {
    "text": " one two. three ",
    "language": "english",
    "segments": [{"text": " one two.", "start": 0.0, "end": 0.6}, {"text": " three", "start": 0.6, "end": 1.0}],
    "words": [
        {"word": "one", "start": 0.0, "end": 0.3},
        {"word": "two", "start": 0.3, "end": 0.6},
        {"word": "three", "start": 0.6, "end": 1.0},
    ],
}


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    fields: list[tuple[str, str]]
    file: bytes

    @property
    def samples(self) -> np.ndarray:
        """The audio that was sent."""
        heard, rate_hz = soundfile.read(BytesIO(self.file), dtype="float32")
        assert rate_hz == SAMPLE_RATE_HZ
        return heard


@dataclass
class Speech:
    """A server: `answer` makes each answer, `asked` holds what came, `most` how many came at a time."""

    url: str
    answer: Callable[[Asked, BaseHTTPRequestHandler], None] | None = None
    asked: list[Asked] = field(default_factory=list)
    now: int = 0
    most: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def says(self, *answers: Any) -> None:
        """Give these answers in turn, the last of them for ever: an object, or what `sent` takes."""

        def answer(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
            said = answers[min(len(self.asked), len(answers)) - 1]
            sent(handler, *said) if isinstance(said, tuple) else sent(handler, 200, said)

        self.answer = answer


def sent(handler: BaseHTTPRequestHandler, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
    """Send an answer: an object as JSON, text as it is."""
    body = (said if isinstance(said, str) else json.dumps(said)).encode()
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def read(handler: BaseHTTPRequestHandler) -> Asked:
    """Give what a request holds."""
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    parts = message_from_bytes(b"Content-Type: " + handler.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    fields, file = [], b""
    for part in parts.get_payload():
        content = part.get_payload(decode=True)
        if part.get_filename():
            file = content
        else:
            fields.append((part.get_param("name", header="content-disposition"), content.decode()))
    return Asked(handler.path, dict(handler.headers), fields, file)


@pytest.fixture
def speech() -> Iterator[Speech]:
    """A server on this machine that answers as it is told."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sent(self, 404, "no such page")

        def do_POST(self) -> None:
            asked = read(self)
            with lock:
                made.asked.append(asked)
                made.now += 1
                made.most = max(made.most, made.now)
            assert made.answer is not None
            made.answer(asked, self)
            with lock:
                made.now -= 1

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Speech(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def remote(speech: Speech, **options: Any) -> Remote:
    """Give a remote that does not try again, unless told to."""
    return Remote(**{"base_url": speech.url, "model": "whisper-1", "retries": 0, **options})


def audio(level: float = 0.5, duration_s: float = 1.0) -> Audio:
    """Give audio of one level."""
    return Audio(samples=np.full(round(duration_s * SAMPLE_RATE_HZ), level, np.float32))


def until(done: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until something is so; a busy machine may take its time for it."""
    deadline = time.monotonic() + within_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)


def heard(backend: Remote, language: str | None = None) -> Transcript:
    """Give what a server makes of one second of audio."""
    with backend:
        (only,) = backend.transcribe([audio()], language)
    return only


@pytest.mark.parametrize("upload", ["wav", "flac"])
def test_the_audio_and_the_question_arrive(speech: Speech, upload: str) -> None:
    """The samples arrive in 16 bits, with the model, one temperature, the prompt and the language, and no key."""
    speech.says({"text": " hello world "})
    decode = DecodeOptions(prompt="Dashwood", temperatures=(0.2, 0.4))
    assert heard(remote(speech, upload=upload, decode=decode), "de") == Transcript(text="hello world", language="de")
    (asked,) = speech.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert "Authorization" not in asked.headers
    assert dict(asked.fields) == {
        "model": "whisper-1",
        "temperature": "0.2",
        "response_format": "json",
        "prompt": "Dashwood",
        "language": "de",
    }
    np.testing.assert_allclose(asked.samples, audio().samples, atol=1 / 32_000)


def test_words_and_segments_are_taken(speech: Speech) -> None:
    """Words that stand beside the segments come to lie in them, and a language by name becomes its code."""
    speech.says(VERBOSE)
    written = heard(remote(speech, decode=DecodeOptions(timestamps="word")))
    assert ("response_format", "verbose_json") in speech.asked[0].fields
    assert [v for k, v in speech.asked[0].fields if k == "timestamp_granularities[]"] == ["segment", "word"]
    assert (written.text, written.language) == ("one two. three", "en")
    assert [[word.text for word in segment.words] for segment in written.segments] == [["one", "two"], ["three"]]
    assert (written.segments[1].start_s, written.segments[1].end_s) == (0.6, 1.0)


def test_words_alone_are_one_segment(speech: Speech) -> None:
    """A server that lists words and no segments gives one segment, from the first word to the last."""
    speech.says({name: value for name, value in VERBOSE.items() if name != "segments"})
    (only,) = heard(remote(speech, decode=DecodeOptions(timestamps="word"))).segments
    assert (only.text, only.start_s, only.end_s, len(only.words)) == ("one two three", 0.0, 1.0, 3)


def test_words_within_segments_stay(speech: Speech) -> None:
    """A server that lists a segment's words in it, and none beside them, is understood too."""
    inner = {**VERBOSE["segments"][0], "words": VERBOSE["words"][:2]}
    speech.says({"text": "one two.", "segments": [inner], "words": None})
    (only,) = heard(remote(speech, decode=DecodeOptions(timestamps="word"))).segments
    assert [word.text for word in only.words] == ["one", "two"]


def test_a_translation_is_asked_for_elsewhere(speech: Speech) -> None:
    """A translation has its own path, which takes neither a language nor granularities; that is said."""
    speech.says({"text": "hello", "language": "german"})
    backend = remote(speech, decode=DecodeOptions(task="translate", language="de", timestamps="word"))
    assert heard(backend).language == "de"
    assert speech.asked[0].path == "/v1/audio/translations"
    assert {name for name, _ in speech.asked[0].fields} == {"model", "temperature", "response_format"}
    assert backend.not_honoured() == ("language", "timestamps")


def test_what_the_api_has_no_word_for_is_named() -> None:
    """Beams, speech detection, earlier text, lengths and more than one temperature are not honoured."""
    decode = DecodeOptions(
        beam_size=5, vad=True, condition_on_previous_text=True, max_new_tokens=8, temperatures=(0.0, 0.2)
    )
    backend = Remote(base_url="http://localhost/v1", model="m", decode=decode)
    assert backend.not_honoured() == (
        "beam_size", "condition_on_previous_text", "max_new_tokens", "temperatures", "vad",
    )  # fmt: skip
    assert replace(backend, decode=DecodeOptions(temperatures=(0.3,), prompt="x")).not_honoured() == ()


def test_answers_keep_the_order_and_requests_their_bound(speech: Speech) -> None:
    """Transcripts come in the order of the audios though the first is answered last, and no more ask than allowed."""

    def answer(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        level = round(float(asked.samples[0]) * 10)
        if level == 0:
            until(lambda: len(speech.asked) == 8)
        sent(handler, 200, {"text": str(level)})

    speech.answer = answer
    with remote(speech, concurrency=3) as backend:
        written = backend.transcribe([audio(level / 10, 0.1) for level in range(8)])
    assert [transcript.text for transcript in written] == list("01234567")
    assert 2 <= speech.most <= 3


@pytest.mark.parametrize(
    ("headers", "server_s"),
    [
        ({"openai-processing-ms": "250"}, 0.25),
        ({"Server-Timing": 'queue;dur=3, total;desc="all of it";dur=1234.5'}, 1.2345),
        ({"Server-Timing": "total;dur=40"}, 0.04),
        ({"Server-Timing": "subtotal;dur=40"}, None),
        ({"openai-processing-ms": "soon"}, None),
        ({}, None),
    ],
)
def test_the_servers_own_time_is_kept_apart(speech: Speech, headers: dict[str, str], server_s: float | None) -> None:
    """What a server says it took stands in the transcript, also on its way between processes; else nothing does."""
    speech.says((200, {"text": "hello"}, headers))
    written = heard(remote(speech))
    assert written.server_s == server_s
    assert read_transcript(json.loads(json.dumps(write_transcript(written)))) == written


def test_an_older_process_says_nothing_of_a_server() -> None:
    """A transcript that a process of an older Model Lab wrote is read."""
    assert read_transcript({"text": "a", "language": None, "segments": []}) == Transcript(text="a")


def test_a_busy_server_is_waited_for(speech: Speech) -> None:
    """After 429 with Retry-After the same audio is sent again, not before the second that the server asks for."""
    speech.says((429, {"error": {"message": "busy"}}, {"Retry-After": "1"}), {"text": "hello"})
    began_s = time.monotonic()
    assert heard(remote(speech, retries=2)).text == "hello"
    assert time.monotonic() - began_s >= 1
    first, second = speech.asked
    assert (first.file, first.fields) == (second.file, second.fields)


@pytest.mark.parametrize("retries", [0, 5])
def test_a_server_that_asks_for_too_long_a_wait_is_given_up(speech: Speech, retries: int) -> None:
    """A Retry-After of an hour is neither waited for nor disobeyed: the failure says it."""
    speech.says((429, {"error": {"message": "quota"}}, {"Retry-After": "3600"}))
    with pytest.raises(RemoteFailed, match=r"answered 429: 'quota' It asks to wait \('3600'\)"):
        heard(remote(speech, retries=retries))
    assert len(speech.asked) == 1


@pytest.mark.parametrize("dated", [False, True], ids=["seconds", "date"])
def test_retry_after_is_read_in_both_forms(dated: bool) -> None:
    """Retry-After is understood as a number of seconds and as a date."""
    written = formatdate(time.time() + 900, usegmt=True) if dated else "900"
    wait_s = Patience.of(1).get_retry_after(HTTPResponse(headers={"Retry-After": written}))
    assert wait_s is not None
    assert 700 <= wait_s <= 900


def test_a_retry_after_that_is_neither_is_passed_over(speech: Speech) -> None:
    """A Retry-After that nobody can read leaves the usual backoff."""
    speech.says((503, {"error": "busy"}, {"Retry-After": "soonish"}), {"text": "hello"})
    assert heard(remote(speech, retries=1)).text == "hello"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_what_may_pass_is_asked_again(speech: Speech, status: int) -> None:
    """A server that fails once and then answers costs one more request."""
    speech.says((status, {"error": "for now"}), {"text": "hello"})
    assert heard(remote(speech, retries=1)).text == "hello"
    assert len(speech.asked) == 2


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (401, {"error": {"message": "wrong key"}}, "'wrong key' It may want a key: name its variable"),
        (404, {"detail": "Not Found"}, "'Not Found' Is the address right"),
        (413, "too large", "'too large' The audio is too large for it"),
        (422, {"detail": [{"msg": "no such model"}]}, "no such model"),
        (400, {"error": {"message": "x" * 5000}}, "'x{300}'$"),
        (301, "", "It redirects"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(speech: Speech, status: int, said: Any, words: str) -> None:
    """What asking again cannot help is asked once, and told with the server's own words, short, and a remedy."""
    speech.says((status, said))
    with pytest.raises(RemoteFailed, match=f"audio/transcriptions answered {status}: .*{words}"):
        heard(remote(speech, retries=3))
    assert len(speech.asked) == 1


def test_a_server_that_keeps_failing_is_given_up(speech: Speech) -> None:
    """After the retries the last answer is told, with the number of times that it was asked."""
    speech.says((500, {"error": {"message": "out of memory"}}))
    with pytest.raises(RemoteFailed, match="answered 500 2 times: 'out of memory'"):
        heard(remote(speech, retries=1))


@pytest.mark.parametrize("said", ["<html><body>Welcome</body></html>", "", "[1, 2]", '"text"', "[" * 100_000])
def test_an_answer_that_is_no_object_is_told(speech: Speech, said: str) -> None:
    """HTML, nothing, other JSON and nonsense of great depth are named as what they are."""
    speech.says((200, said))
    with pytest.raises(RemoteFailed, match=r"answered no JSON object: .*Is it a server with OpenAI's API"):
        heard(remote(speech))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "no text: '{}'"),
        ({"error": "failed to read audio"}, "no text: 'failed to read audio'"),
        ({"text": None}, "no text"),
        ({"text": "a", "segments": [{"text": "a"}]}, "segments that are none"),
        ({"text": "a", "segments": "a"}, "segments that are none"),
        ({"text": "a", "words": [{"word": "a", "start": "x", "end": 1}]}, "segments that are none"),
        ({"text": "a", "segments": [{"text": "a", "start": 0, "end": 9}]}, "Segment from 0 s to 9 s.* in audio of 1 s"),
        ({"text": "a", "words": [{"word": "a", "start": 0.5, "end": 0.2}]}, "Word from 0.5 s to 0.2 s"),
        ({"text": "a", "words": [{"word": "a", "start": -1, "end": 0.2}]}, "Word from -1 s"),
        (
            {"text": "a", "segments": [{"text": "a", "start": t, "end": 1} for t in (0.5, 0.1)]},
            "Segment from 0.1 s to 1 s, after one from 0.5 s",
        ),
        ({"text": "a", "words": [{"word": "a", "start": float("nan"), "end": 1}]}, "not finite"),
    ],
)
def test_what_is_no_transcript_of_the_audio_is_told(speech: Speech, said: Any, words: str) -> None:
    """An answer without text, and times that are none, run backwards or lie outside the audio, are no transcript."""
    speech.says(said)
    with pytest.raises(BadTranscript, match=words):
        heard(remote(speech))


def test_a_server_that_hangs_is_left(speech: Speech) -> None:
    """A server that says nothing is left after the time-out, and not asked again."""
    speech.answer = lambda asked, handler: speech.over.wait(20)
    with pytest.raises(RemoteFailed, match=r"was silent for 0\.2 s\. If it needs longer, raise timeout_s"):
        heard(remote(speech, timeout_s=0.2, retries=3))
    until(lambda: bool(speech.asked))
    assert len(speech.asked) == 1


def test_a_server_that_drips_is_left(speech: Speech) -> None:
    """A server that is never silent, and never done, is left after the time-out all the same."""

    def drip(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not speech.over.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    speech.answer = drip
    with pytest.raises(RemoteFailed, match="had not finished its answer"):
        heard(remote(speech, timeout_s=1.0))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_connection_cut_amid_an_answer_is_told(speech: Speech, chunked: bool) -> None:
    """Half an answer is no answer."""

    def cut(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "1000")))
        handler.end_headers()
        handler.wfile.write(b'10\r\n{"text": ' if chunked else b'{"text": ')
        handler.close_connection = True

    speech.answer = cut
    with pytest.raises(RemoteFailed, match="cut the connection amid its answer"):
        heard(remote(speech))


def test_a_connection_cut_before_an_answer_is_tried_again(speech: Speech) -> None:
    """A connection that ends without a word is made again; where it keeps ending so, that is told."""

    def drop(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        if len(speech.asked) % 2:
            handler.close_connection = True
        else:
            sent(handler, 200, {"text": "hello"})

    speech.answer = drop
    assert heard(remote(speech, retries=1)).text == "hello"
    with pytest.raises(RemoteFailed, match=r"the connection to .* failed: .*Does the server run"):
        heard(remote(speech, retries=0))


def test_a_server_that_is_not_there_fails_to_load(speech: Speech) -> None:
    """Where nobody listens, loading fails once, instead of every utterance; the port is named."""
    with pytest.raises(RemoteFailed, match=r"the connection to http://127\.0\.0\.1:9/v1/models failed: .*refused"):
        remote(speech, base_url="http://127.0.0.1:9/v1").load()


def test_one_failure_of_a_batch_fails_it_and_the_backend_lives_on(speech: Speech) -> None:
    """A batch of which one fails raises; the same backend then hears the others."""

    def answer(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        sent(handler, 400 if asked.samples[0] < 0.2 else 200, {"text": "loud"})

    speech.answer = answer
    with remote(speech, concurrency=2) as backend:
        with pytest.raises(RemoteFailed, match="answered 400"):
            backend.transcribe([audio(), audio(0.1), audio()])
        assert [transcript.text for transcript in backend.transcribe([audio(), audio()])] == ["loud", "loud"]


def test_the_key_is_sent_and_told_to_nobody(
    speech: Speech, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The key of the environment is in the request; in no option, blueprint, log or error, though it is echoed."""
    monkeypatch.setenv(VARIABLE, f"{KEY}\n")
    caplog.set_level("DEBUG")
    backend = remote(speech, key_variable=VARIABLE)
    for said in ((401, {"error": {"message": f"Incorrect key: {KEY}"}}), (200, f"<p>{KEY}"), (200, {"oops": KEY})):
        speech.says(said)
        with pytest.raises((RemoteFailed, BadTranscript), match=r"\[the key\]") as failed:
            heard(backend)
        assert KEY not in f"{failed.value!r} {failed.value.__cause__!r}"
    assert {asked.headers["Authorization"] for asked in speech.asked} == {f"Bearer {KEY}"}
    with backend:
        told = (repr(backend), json.dumps(backend.options()), repr(Blueprint.of("remote", backend)), caplog.text)
    assert all(KEY not in each for each in told)
    assert backend.options()["key_variable"] == VARIABLE


def test_a_wrong_key_names_its_variable(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is refused is answered with the variable that it came from."""
    monkeypatch.setenv(VARIABLE, KEY)
    speech.says((401, {"error": {"message": "no"}}))
    with pytest.raises(RemoteFailed, match=f"answered 401: 'no' Is the key in {VARIABLE} right"):
        heard(remote(speech, key_variable=VARIABLE))


@pytest.mark.parametrize(("key", "words"), [(None, "set the environment variable"), (" ", "set"), ("a\nb", "no key")])
def test_a_key_that_is_missing_or_none_is_told(
    speech: Speech, monkeypatch: pytest.MonkeyPatch, key: str | None, words: str
) -> None:
    """Without a key, or with what cannot be one, loading fails and names the variable, not what it holds."""
    monkeypatch.setenv(VARIABLE, key) if key else monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(BackendUnavailable, match=words) as failed:
        remote(speech, key_variable=VARIABLE).load()
    assert VARIABLE in str(failed.value)
    assert "a\nb" not in str(failed.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "http://me:word@host/v1"}, "user, password"),
        ({"base_url": "https://host/v1?api_key=word"}, "user, password"),
        ({"base_url": "host:8000/v1"}, "http://HOST"),
        ({"base_url": "ftp://host/v1"}, "http://HOST"),
        ({"base_url": "http://[::1/v1"}, "http://HOST"),
        ({"base_url": 8000}, "http://HOST"),
        ({"base_url": "http://host/v1", "key_variable": "KEY"}, "in clear to host.*key_in_clear = true"),
        ({"key_variable": "sk-word"}, "never the key"),
        ({"key_variable": "hf_word"}, "never the key"),
        ({"model": ""}, "what the server calls it"),
        ({"upload": "mp3"}, "flac"),
        ({"retries": -1}, "retries must be a number from 0"),
        ({"retries": 1.5}, "retries must be"),
        ({"concurrency": 0}, "concurrency must be a number from 1"),
        ({"timeout_s": float("inf")}, "timeout_s must be"),
        ({"timeout_s": "10"}, "timeout_s must be"),
        ({"connect_timeout_s": True}, "connect_timeout_s must be"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    """A wrong address, number or name is refused before anything is sent, and no secret is repeated."""
    with pytest.raises(BadDefinition, match=words) as refused:
        Remote(**{"base_url": "http://localhost/v1", "model": "m", **options})
    assert "word@" not in str(refused.value)
    assert "-word" not in str(refused.value)
    assert "_word" not in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "https://host/v1"},
        {"base_url": "http://localhost:1/v1"},
        {"base_url": "http://127.0.0.2/v1"},
        {"base_url": "http://[::1]:8000/v1"},
        {"base_url": "http://host/v1", "key_in_clear": True},
    ],
)
def test_a_key_may_go_where_nobody_listens_in(options: dict[str, Any]) -> None:
    """A key may be sent over TLS, within this machine, and where the user says so."""
    assert Remote(model="m", key_variable="KEY", **options).options()["key_variable"] == "KEY"


def test_it_is_installed_and_its_words_are_never_recalled() -> None:
    """The backend is known by name, runs as cpu and float32 only, and nobody knows when its words would be equal."""
    assert backend_class("remote") is Remote
    assert refusal("remote", "cpu", "float32") is None
    assert "whatever its server has" in str(refusal("remote", "cuda", "float16"))
    options = Remote(base_url="http://localhost/v1", model="m").options()
    assert identity(Remote, "cpu", {**options, "weights": {"sha256": "a" * 64}}) is None


def test_it_can_be_built_in_another_process() -> None:
    """A blueprint holds all of its options."""
    backend = Remote(base_url="http://localhost/v1", model="m", upload="flac", retries=1, timeout_s=5)
    assert Blueprint.of("remote", backend).build() == backend
