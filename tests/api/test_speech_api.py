"""Transcription over HTTP: what OpenAI's clients send and get, and what is refused."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from fastapi.testclient import TestClient
from patience import until
from small_bench import write_bench

from modellab.server.app import create_app
from modellab.server.settings import PoolSettings, RateSettings, UploadSettings

MODEL = "fake:toy:cpu:float32"
ENGLISH = "fake:toy-en:cpu:float32"
TRANSCRIBE, TRANSLATE = "/v1/audio/transcriptions", "/v1/audio/translations"

Start = Callable[..., TestClient]
POOL = PoolSettings(replicas=1)


def wav(duration_s: float = 1.0) -> bytes:
    """Give a file of a soft tone."""
    written = io.BytesIO()
    samples = 0.1 * np.sin(np.arange(round(16_000 * duration_s)) / 7)
    soundfile.write(written, samples, 16_000, format="WAV", subtype="PCM_16")
    return written.getvalue()


@pytest.fixture
def start(settings: Any, tmp_path: Path) -> Iterator[Start]:
    """Give a started server whose fake does as it is told; it is ended with the test."""
    clients: list[TestClient] = []

    def make(options: str = "", **changed: Any) -> TestClient:
        fixtures = write_bench(tmp_path, options)
        changed = {"pool": POOL, "rate": RateSettings(per_minute=10_000)} | changed
        client = TestClient(
            create_app(settings(fixtures=fixtures, **changed)),
            base_url="http://localhost",
            raise_server_exceptions=False,
        )
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Give a server that all tests of this file may ask."""
    from modellab.server.settings import ServerSettings

    folder = tmp_path_factory.mktemp("speech")
    fixtures = write_bench(folder, 'replies = ["one two"]')
    settings = ServerSettings(
        _env_file=None,
        fixtures=fixtures,
        runs=folder / "runs",
        data=folder / "data",
        cache_dir=folder / "cache",
        pool=PoolSettings(replicas=1, aliases={"whisper-1": MODEL}),
        rate=RateSettings(per_minute=10_000),
    )
    with TestClient(create_app(settings), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, path: str = TRANSCRIBE, sent: bytes | None = None, **fields: Any) -> Any:
    """Send a file and the fields of a form; a list is sent one by one."""
    named = {name.replace("granularities", "granularities[]"): value for name, value in fields.items()}
    return client.post(path, files={"file": ("a.wav", wav() if sent is None else sent)}, data={"model": MODEL} | named)


@contextmanager
def stood_still(client: Any) -> Iterator[None]:
    """Load the model, and have its process stand still for as long as the context lasts."""
    with client.app.state.service.listeners.pool.lease(MODEL) as team:
        process = psutil.Process(team.pid)
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def events(answer: Any) -> list[dict[str, Any]]:
    """Give the data of all events of a stream."""
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


# What is answered


def test_json_is_the_default(speech: TestClient) -> None:
    """Text and usage, and nothing else."""
    answer = send(speech)
    assert answer.json() == {"text": "one two", "usage": {"type": "duration", "seconds": 1}}


@pytest.mark.parametrize(
    ("wanted", "kind", "text"),
    [
        ("text", "text/plain", "one two\n"),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\none two\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none two\n"),
    ],
)
def test_formats_of_text(speech: TestClient, wanted: str, kind: str, text: str) -> None:
    """Each format has its media type and its text."""
    answer = send(speech, response_format=wanted)
    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.text == text


def test_times_of_words_and_segments(speech: TestClient) -> None:
    """Verbose JSON has segments unless words are asked for, and both where both are."""
    plain = send(speech, response_format="verbose_json").json()
    words = send(speech, response_format="verbose_json", timestamp_granularities=["word"]).json()
    both = send(speech, response_format="verbose_json", timestamp_granularities=["word", "segment"]).json()
    assert (plain["task"], plain["duration"], plain["text"]) == ("transcribe", 1.0, "one two")
    assert [len(plain["segments"]), "words" in plain] == [1, False]
    assert words["words"] == [{"word": "one", "start": 0.0, "end": 0.5}, {"word": "two", "start": 0.5, "end": 1.0}]
    assert "segments" not in words
    assert both["words"] == words["words"]
    assert both["segments"] == plain["segments"]


def test_the_language_is_passed_on(speech: TestClient) -> None:
    """A language that is named is the one that is heard."""
    assert send(speech, response_format="verbose_json", language="de").json()["language"] == "de"


def test_a_stream(speech: TestClient) -> None:
    """A stream has a delta for each segment and ends with the whole text."""
    answer = send(speech, stream="true")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert events(answer) == [
        {"type": "transcript.text.delta", "delta": "one two"},
        {"type": "transcript.text.done", "text": "one two", "usage": {"type": "duration", "seconds": 1}},
    ]


@pytest.mark.parametrize("name", ["whisper-1", "toy", MODEL])
def test_names_of_models(speech: TestClient, name: str) -> None:
    """A model is called by its id, its checkpoint or an alias."""
    assert send(speech, model=name).status_code == 200


def test_translation(speech: TestClient) -> None:
    """A translation is answered in the same formats, and says that it is one."""
    told = send(speech, TRANSLATE, response_format="verbose_json").json()
    assert (told["task"], told["text"]) == ("translate", "one two")


# What is refused


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"temperature": "2"}, "temperature"),
        ({"language": "english"}, "language"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"stream": "true", "response_format": "srt"}, "stream"),
        ({"chunking_strategy": "auto"}, "chunking_strategy"),
        ({"include": ["logprobs"]}, "include"),
        ({"vad": "true"}, "vad"),
        ({"model": ENGLISH, "language": "de"}, "language"),
        ({"prompt": "x" * 5000}, "prompt"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_what_cannot_be_honoured(speech: TestClient, fields: dict[str, Any], param: str) -> None:
    """An option that is unknown, out of range or not the model's is a 400 that names it, and is never passed over."""
    answer = send(speech, **fields)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert param in f"{error['param']} {error['message']}"


def test_a_model_of_one_language_does_not_translate(speech: TestClient) -> None:
    """A translation by a model that knows English alone is refused, saying so."""
    answer = send(speech, TRANSLATE, model=ENGLISH)
    assert answer.status_code == 400
    assert "English alone" in answer.json()["error"]["message"]


def test_a_model_that_nobody_knows(speech: TestClient) -> None:
    """A wrong name is a 404 with the nearest right one."""
    answer = send(speech, model="tooy")
    assert answer.status_code == 404
    assert "Did you mean 'toy'?" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [(b"", 400, "empty_file"), (b"#EXTM3U\nhttp://localhost/a.wav", 415, "unsupported_media")],
)
def test_what_is_no_audio(speech: TestClient, sent: bytes, status: int, code: str) -> None:
    """A file without a byte, and one that is no audio, are refused with the reason."""
    answer = send(speech, sent=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_no_file(speech: TestClient) -> None:
    """A form without a file is a 400 that names it."""
    answer = speech.post(TRANSCRIBE, data={"model": MODEL})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"


def test_bounds_of_a_file(start: Start) -> None:
    """A file of the largest size is heard; one byte more, and a body beyond every form, is a 413."""
    whole = wav()
    client = start(uploads=UploadSettings(max_bytes=len(whole)))
    assert send(client, sent=whole).status_code == 200
    for sent in (whole + b"x", whole * 20):
        answer = send(client, sent=sent)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"


def test_too_long_an_audio(start: Start) -> None:
    """Audio beyond the bound is a 413 that says the bound."""
    answer = send(start(uploads=UploadSettings(max_duration_s=2.0)), sent=wav(2.5))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_long")


# What goes wrong


def test_a_model_that_cannot_be_loaded(start: Start) -> None:
    """A load that fails is a 503 with Retry-After, at once where it failed a moment ago; others are heard."""
    client = start(pool=PoolSettings(replicas=1, serve=("faster-whisper:toy:cpu:int8", MODEL)))
    for _ in range(2):
        answer = send(client, model="faster-whisper:toy:cpu:int8")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_loaded")
        assert int(answer.headers["Retry-After"]) >= 1
    assert send(client).status_code == 200


def test_a_model_that_raises(start: Start) -> None:
    """What a runtime raises is a 500 that says its kind and no more; the process hears the next."""
    client = start('mishap = "raises"')
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "model_raised")
    assert "RuntimeError" in answer.json()["error"]["message"]
    assert "told to raise" not in answer.text
    assert send(client).status_code == 200


def test_a_process_that_dies(start: Start) -> None:
    """The request whose process crashes is a 503 to be tried again; the next one is heard."""
    client = start('mishap = "aborts"\nmishap_at = 1')
    assert send(client).status_code == 200
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_failed")
    assert int(answer.headers["Retry-After"]) >= 1
    assert send(client).status_code == 200


def test_a_process_that_hangs(start: Start) -> None:
    """A model that does not answer in time is ended, and the request is a 503."""
    client = start('mishap = "hangs"', pool=PoolSettings(replicas=1, transcribe_s=0.3))
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_busy")
    assert "Retry-After" in answer.headers


def test_a_model_that_will_never_fit(start: Start) -> None:
    """A model larger than the whole budget is refused for good."""
    answer = send(start(pool=PoolSettings(replicas=1, memory_bytes=1 << 20)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_too_large")


def test_too_many_who_wait(start: Start) -> None:
    """One more than may wait for a model is told at once when to come again; all others are heard."""
    client = start(pool=PoolSettings(replicas=1, max_waiting=2))
    with ThreadPoolExecutor(6) as threads:
        with stood_still(client):
            asked = [threads.submit(send, client) for _ in range(6)]
            until(lambda: sum(each.done() for each in asked) >= 3)
            refused = [each.result() for each in asked if each.done()]
        came = [each.result() for each in asked]
    assert [answer.status_code for answer in refused] == [503, 503, 503]
    assert all("Retry-After" in answer.headers for answer in refused)
    assert sorted(answer.status_code for answer in came) == [200, 200, 200, 503, 503, 503]


def test_a_stream_that_fails_before_its_first_word(start: Start) -> None:
    """A stream that cannot begin is an error with its status, not an event."""
    answer = send(start('mishap = "aborts"'), stream="true")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_failed")


def test_what_came_of_it_is_counted(start: Start) -> None:
    """Each transcription is counted by its model and by how it ended, with its audio where it was heard."""
    client = start('mishap = "aborts"\nmishap_at = 1')
    answer = send(client)
    assert {part.partition(";")[0].strip() for part in answer.headers["Server-Timing"].split(",")} == {
        "wait", "model", "total",
    }  # fmt: skip
    send(client)
    send(client, sent=b"")
    told = client.get("/metrics").text
    assert 'modellab_decode_refusals_total{code="empty_file"} 1.0' in told
    assert f'modellab_transcriptions_total{{model="{MODEL}",outcome="done"}} 1.0' in told
    assert f'modellab_transcriptions_total{{model="{MODEL}",outcome="failed"}} 1.0' in told
    assert f'modellab_audio_seconds_total{{model="{MODEL}"}} 1.0' in told


# The models


def test_openai_lists_models(speech: TestClient) -> None:
    """All ids and aliases are listed, and each can be looked up."""
    told = speech.get("/v1/models").json()
    names = [model["id"] for model in told["data"]]
    assert {MODEL, ENGLISH, "toy", "toy-en", "whisper-1"} == set(names)
    assert speech.get(f"/v1/models/{MODEL}").json()["object"] == "model"
    assert speech.get("/v1/models/none").status_code == 404


def test_what_is_known_of_models(start: Start) -> None:
    """Each model says what it is, and whether it is held; one that cannot run says why, and is not offered."""
    client = start(pool=PoolSettings(replicas=1, serve=(MODEL, "fake:toy:cpu:int8")))
    send(client)
    told = client.get("/api/models").json()
    able, unable = told["models"]
    assert (able["refusal"], able["aliases"], able["held"]["state"]) == (None, ["toy"], "idle")
    assert able["held"]["ram_bytes"] > 1 << 20
    assert unable["refusal"] == "the fake has no int8 on cpu"
    assert unable["held"] is None
    assert told["pool"]["models"] == 1
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == [MODEL, "toy"]
    answer = send(client, model="fake:toy:cpu:int8")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_unavailable")
    assert client.get("/api/models/fake:toy:cpu:int8").json() == unable
    assert client.get("/api/models/none").status_code == 404
