"""The child's side of a worker, asked by hand."""

import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from modellab.machine.clock import MONOTONIC
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.channel import Channel
from modellab.measuring.frame import Frame
from modellab.measuring.host import Host
from modellab.measuring.protocol import Hello
from modellab.testing import FakeBackend

Ask = Callable[..., Frame]


@pytest.fixture
def hosted() -> Iterator[tuple[Host, Ask]]:
    """A host that serves in a thread of this process, and how to ask it."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    channel = Channel(source=ours_in, sink=ours_out)
    host = Host(channel=Channel(source=theirs_in, sink=theirs_out))
    thread = threading.Thread(target=host.serve)
    thread.start()
    assert Hello.read(channel.receive(MONOTONIC() + 30)) == Hello.of_this_process()

    def ask(what: str, body: bytes = b"", **facts: Any) -> Frame:
        channel.send(Frame(header={"ask": what, **facts}, body=body).encoded())
        return Frame(header={}) if what == "close" else channel.receive(MONOTONIC() + 30)

    yield host, ask
    if thread.is_alive():
        ask("close")
    thread.join(30)
    for descriptor in (theirs_in, ours_out, ours_in, theirs_out):
        os.close(descriptor)


def test_a_backend_is_built_loaded_and_closed_once(hosted: tuple[Host, Ask]) -> None:
    """Asked to load, the host builds the backend and loads it; asked to close, it closes it and is done."""
    host, ask = hosted
    told = ask("load", blueprint=asdict(Blueprint.of("fake", FakeBackend(replies=("x",))))).header
    assert told["answer"] == "load"
    assert min(told["import_s"], told["load_s"]) >= 0
    backend = host.backend
    assert isinstance(backend, FakeBackend)
    assert (backend.replies, backend.loads, backend.closes) == (("x",), 1, 0)
    ask("close")
    deadline = MONOTONIC() + 30
    while not backend.closes and MONOTONIC() < deadline:
        time.sleep(0.01)
    assert backend.closes == 1


def test_a_backend_is_unloaded_and_let_go(hosted: tuple[Host, Ask]) -> None:
    """Asked to unload, the host closes its backend once and keeps nothing of it; asked again, it does nothing."""
    host, ask = hosted
    blueprint = asdict(Blueprint.of("fake", FakeBackend()))
    ask("load", blueprint=blueprint)
    backend = host.backend
    assert isinstance(backend, FakeBackend)
    closed: list[bool] = []
    backend.close = lambda: closed.append(True)  # type: ignore[method-assign]
    gone = weakref.ref(backend)
    del backend
    assert ask("unload").header == {"answer": "unload"}
    assert (host.backend, gone(), closed) == (None, None, [True])
    assert ask("unload").header == {"answer": "unload"}
    assert (
        ask("transcribe", np.zeros(4, "<f4").tobytes(), samples=[4], language=None).header["kind"] == "AssertionError"
    )


def test_a_backend_that_is_loaded_over_another_replaces_it(hosted: tuple[Host, Ask]) -> None:
    """Asked to load again, the host closes what it had before it loads the next."""
    host, ask = hosted
    ask("load", blueprint=asdict(Blueprint.of("fake", FakeBackend(replies=("one",)))))
    first = host.backend
    assert isinstance(first, FakeBackend)
    ask("load", blueprint=asdict(Blueprint.of("fake", FakeBackend(replies=("two",)))))
    assert first.closes == 1
    assert isinstance(host.backend, FakeBackend)
    assert (host.backend.replies, host.backend.loads, host.backend.closes) == (("two",), 1, 0)


def test_a_backend_that_cannot_be_loaded_is_not_kept(hosted: tuple[Host, Ask]) -> None:
    """A load that raises is an error, and leaves the host with nothing loaded, not with what was there before."""
    host, ask = hosted
    ask("load", blueprint=asdict(Blueprint.of("fake", FakeBackend())))
    bad = asdict(Blueprint.of("fake", FakeBackend(mishap="raises", mishap_at=None)))
    assert ask("load", blueprint=bad).header["kind"] == "RuntimeError"
    assert host.backend is None


def test_a_question_nobody_knows_is_an_error(hosted: tuple[Host, Ask]) -> None:
    """A question of another version is answered by its name and those that are known; the host goes on."""
    _, ask = hosted
    told = ask("unlaod").header
    assert (told["answer"], told["kind"]) == ("unlaod", "UnknownName")
    assert "Did you mean 'unload'?" in told["message"]
    assert "cpu, load, memory, transcribe, unload" in told["message"]
    assert ask("memory").header["peak_bytes"] > 0


def test_what_a_backend_answers_wrongly_is_an_error(hosted: tuple[Host, Ask]) -> None:
    """An answer that is not one transcript per audio crosses as a BadTranscript, and the host goes on."""
    host, ask = hosted

    class Mute(FakeBackend):
        def transcribe(self, audios: Any, language: str | None = None) -> Any:
            return []

    host.backend = Mute()
    told = ask("transcribe", np.zeros(4, "<f4").tobytes(), samples=[4], language=None).header
    assert (told["answer"], told["kind"]) == ("transcribe", "BadTranscript")
    assert "0 transcripts of 1 audios" in told["message"]
    assert ask("memory").header["peak_bytes"] > 0


def test_an_answer_that_no_frame_holds_is_an_error(hosted: tuple[Host, Ask], monkeypatch: pytest.MonkeyPatch) -> None:
    """A transcript too long for a frame crosses as a BadFrame."""
    host, ask = hosted
    host.backend = FakeBackend(replies=("word " * 1000,))
    monkeypatch.setattr("modellab.measuring.frame.HEADER_LIMIT_BYTES", 4000)
    told = ask("transcribe", np.zeros(4, "<f4").tobytes(), samples=[4], language=None).header
    assert told["kind"] == "BadFrame"


def test_listening_before_loading_is_an_error(hosted: tuple[Host, Ask]) -> None:
    """A host without a backend says that it must be loaded."""
    _, ask = hosted
    told = ask("transcribe", np.zeros(4, "<f4").tobytes(), samples=[4], language=None).header
    assert told["kind"] == "AssertionError"
    assert told["message"].startswith("load comes first")


def test_a_host_that_nobody_asks_ends() -> None:
    """A host whose input ends, ends well, having said nothing but hello, and leaves its log empty."""
    command = [sys.executable, "-m", "modellab.measuring.host"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"MLAB")
