"""The service as its users meet it: a real process, real weights, real speech, and OpenAI's own client."""

import io
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import openai
import psutil
import pytest
import soundfile
from openai import OpenAI

from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.machine.clock import MONOTONIC
from modellab.scoring.normalize import normalizer_for
from modellab.scoring.score import Score
from modellab.scoring.wer import score
from modellab.server.process import ServerProcess
from modellab.sources.cache import cache_root
from modellab.speech.utterance import Corpus, Utterance

FIXTURES = Path(__file__).parents[2] / "fixtures"
TINY = "faster-whisper:whisper-tiny.en:cpu:int8"
BASE = "faster-whisper:whisper-base:cpu:int8"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Five read sentences."""
    override = os.environ.get("MODELLAB_CACHE_DIR")
    cache = cache_root(Path(override) if override else None)
    return read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of two checkpoints, each in one process."""
    settings = {
        "FIXTURES": str(FIXTURES),
        "POOL__SERVE": f"{TINY},{BASE}",
        "POOL__ALIASES": f'{{"whisper-1": "{TINY}"}}',
        "POOL__REPLICAS": "1",
        "RATE__PER_MINUTE": "10000",
    }
    with ServerProcess(folder=tmp_path_factory.mktemp("service"), settings=settings) as process:
        yield process


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> OpenAI:
    """OpenAI's client; this server needs no key, the client wants one."""
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def shortest(corpus: Corpus) -> Utterance:
    """Give the shortest utterance."""
    return min(corpus, key=lambda utterance: utterance.duration_s)


def test_the_words_are_right(client: OpenAI, corpus: Corpus) -> None:
    """Five sentences come back with the word error rate that the model has on the bench."""
    counted: Score | None = None
    for utterance in corpus:
        told = client.audio.transcriptions.create(model="whisper-1", file=utterance.audio)
        each = score(utterance.reference, told.text, normalizer_for("en"))
        counted = each if counted is None else counted + each
    assert counted is not None
    assert counted.rate is not None
    assert counted.rate < 0.15


def test_every_format(client: OpenAI, corpus: Corpus) -> None:
    """Text, subtitles, and the times of words and segments are of the same words, and within the audio."""
    file, duration_s = shortest(corpus).audio, shortest(corpus).duration_s
    create = client.audio.transcriptions.create
    verbose = create(model=TINY, file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert verbose.text.replace(" ", "") == "".join(word.word for word in verbose.words)
    assert 0 <= verbose.words[0].start < verbose.words[-1].end <= duration_s + 0.1
    assert verbose.duration == pytest.approx(duration_s, abs=0.01)
    assert create(model=TINY, file=file, response_format="text").strip() == create(model=TINY, file=file).text
    assert "-->" in create(model=TINY, file=file, response_format="srt")
    assert create(model=TINY, file=file, response_format="vtt").startswith("WEBVTT")


def test_a_stream_tells_what_is_written(client: OpenAI, corpus: Corpus) -> None:
    """The deltas of a stream are the text that it ends with, and that is what is given without a stream."""
    file = max(corpus, key=lambda utterance: utterance.duration_s).audio
    whole = client.audio.transcriptions.create(model=TINY, file=file)
    came = list(client.audio.transcriptions.create(model=TINY, file=file, stream=True))
    deltas = [event.delta for event in came if event.type == "transcript.text.delta"]
    assert "".join(deltas) == came[-1].text == whole.text
    assert came[-1].type == "transcript.text.done"


def test_translation_and_models(client: OpenAI, corpus: Corpus) -> None:
    """A model of many languages translates; all models are listed."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        told = client.audio.translations.create(model="whisper-base", file=shortest(corpus).audio)
    assert told.text
    assert {TINY, BASE, "whisper-1", "whisper-tiny.en"} <= {model.id for model in client.models.list()}


def test_errors_are_the_clients_own(client: OpenAI, corpus: Corpus) -> None:
    """What is refused is raised by the client as the error that OpenAI's servers would cause."""
    file = shortest(corpus).audio
    with pytest.raises(openai.NotFoundError, match=r"whisper-tiny\.en"):
        client.audio.transcriptions.create(model="whisper-tiny", file=file)
    with pytest.raises(openai.BadRequestError, match="'de'"):
        client.audio.transcriptions.create(model=TINY, file=file, language="de")
    with pytest.raises(openai.BadRequestError, match="chunking_strategy"):
        client.audio.transcriptions.create(model=TINY, file=file, chunking_strategy="auto")
    with pytest.raises(openai.APIStatusError, match="415"):
        client.audio.transcriptions.create(model=TINY, file=("a.wav", b"#EXTM3U\n"))


def test_who_hangs_up_stops_the_work(server: ServerProcess, client: OpenAI, corpus: Corpus) -> None:
    """A client that is gone leaves no process at work for it, and the next is heard."""
    file = max(corpus, key=lambda utterance: utterance.duration_s).audio
    client.audio.transcriptions.create(model=BASE, file=file)
    used_s = {process: cpu_s(process) for process in workers(server)}
    body = form(BASE, repeated(file, 12))
    with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port)) as line:
        line.sendall(body)
        until(lambda: any(cpu_s(process) > before_s + 0.5 for process, before_s in used_s.items()))
    until(lambda: not all(process.is_running() for process in used_s))
    assert client.audio.transcriptions.create(model=BASE, file=file).text


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline_s = MONOTONIC() + 30
    while not holds():
        assert MONOTONIC() < deadline_s, "it never held"
        time.sleep(0.05)


def cpu_s(process: psutil.Process) -> float:
    """Give the processor seconds that a process has used."""
    used = process.cpu_times()
    return used.user + used.system


def repeated(file: Path, times: int) -> bytes:
    """Give what is said in a file over and over, as a wav: work for longer than anybody waits here."""
    samples, rate_hz = soundfile.read(file)
    written = io.BytesIO()
    soundfile.write(written, np.tile(samples, times), rate_hz, format="WAV", subtype="PCM_16")
    return written.getvalue()


def workers(server: ServerProcess) -> list[psutil.Process]:
    """Give the processes of models."""
    children = psutil.Process(server.pid).children(recursive=True)
    return [child for child in children if "modellab.measuring.host" in child.cmdline()]


def form(model: str, audio: bytes) -> bytes:
    """Give a request that asks for a transcription, byte by byte."""
    fields = (
        b'--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%s\r\n--edge--\r\n'
    ) % (model.encode(), audio)
    return (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n%s"
    ) % (len(fields), fields)
