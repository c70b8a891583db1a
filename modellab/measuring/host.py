"""Host: the child's side of a worker. It builds one backend, asks it to listen, and times that with its own clock.

    python -m modellab.measuring.host

speaks the protocol over its standard streams. What anything else prints goes to standard error.
"""

import faulthandler
import gc
import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import distributions
from platform import python_version
from typing import Any

from modellab.backends.base import Backend
from modellab.errors import UnknownName, kind_of
from modellab.machine.clock import timed
from modellab.machine.memory import memory, trim
from modellab.measuring.accuracy import listen
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.channel import Channel
from modellab.measuring.child import DUMP_SIGNAL, die_with_parent
from modellab.measuring.frame import Encoded, Frame
from modellab.measuring.inject import VARIABLE, Injection
from modellab.measuring.protocol import Hello, read_audios, read_decode, write_segment, write_transcript
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment


@dataclass(kw_only=True)
class Host:
    """Answers the frames of a channel, in turn, until it is asked to close or nobody is there any more."""

    channel: Channel
    backend: Backend | None = None
    injection: Injection = field(default_factory=Injection.of_this_process)

    def serve(self) -> None:
        """Say hello and answer; what the backend raises is an answer too."""
        self.channel.send(Frame(header=asdict(Hello.of_this_process())).encoded())
        while (request := self.channel.receive()).header["ask"] != "close":
            self.channel.send(_answer(self._do, request))
        if self.backend is not None:
            self.backend.close()

    def _do(self, request: Frame) -> dict[str, Any]:
        does: dict[str, Callable[[Frame], dict[str, Any]]] = {
            "load": self._load,
            "unload": self._unload,
            "transcribe": self._transcribe,
            "memory": lambda _: asdict(memory()),
            "cpu": lambda _: {"cpu_s": time.process_time()},
        }
        asked = request.header["ask"]
        if asked not in does:
            raise UnknownName("question", asked, does, "Another Model Lab is installed there.")
        return does[asked](request)

    def _load(self, request: Frame) -> dict[str, Any]:
        self._unload(request)
        backend = Blueprint(**request.header["blueprint"]).build()
        _, import_s = timed(lambda: [import_module(module) for module in type(backend).modules])
        _, load_s = timed(backend.load)
        self.backend = backend
        return {"import_s": import_s, "load_s": load_s, "versions": _versions() | self._injected()}

    def _unload(self, _: Frame) -> dict[str, Any]:
        """Close the backend, let go of it, as far as Python can, and hand back what it held."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.close()
            del backend
            gc.collect()
            trim()
        return {}

    def _transcribe(self, request: Frame) -> dict[str, Any]:
        assert self.backend is not None, "load comes first"
        audios = read_audios(request.header["samples"], request.body)
        language, decode = request.header["language"], request.header.get("decode")
        backend = self.backend.asked(read_decode(decode)) if decode else self.backend
        if request.header.get("aloud"):
            return self._narrate(backend, audios[0], language)
        transcripts, seconds = listen(self.injection.around(backend), audios, language)
        return {"transcripts": [write_transcript(transcript) for transcript in transcripts], "seconds": seconds}

    def _narrate(self, backend: Backend, audio: Audio, language: str | None) -> dict[str, Any]:
        def tell(segment: Segment) -> None:
            self.channel.send(Frame(header={"part": write_segment(segment)}).encoded())

        transcript, seconds = timed(lambda: backend.narrate(audio, language, tell))
        return {"transcripts": [write_transcript(transcript)], "seconds": seconds}

    def _injected(self) -> dict[str, str]:
        """Say what is injected, among the versions of what runs here: no package has such a name."""
        return {VARIABLE: str(self.injection)} if str(self.injection) else {}


def _answer(work: Callable[[Frame], dict[str, Any]], request: Frame) -> Encoded:
    asked = {"answer": request.header["ask"]}
    try:
        return Frame(header=asked | work(request)).encoded()
    except Exception as error:  # noqa: BLE001 - it crosses to whoever asked
        traceback.print_exc()
        return Frame(header={**asked, "kind": kind_of(error), "message": str(error) or repr(error)}).encoded()


@cache
def _versions() -> dict[str, str]:
    """Give what is installed here; a process has it read once, as it imports what it imports once."""
    named = (found for found in distributions() if "Name" in found.metadata)
    return {"python": python_version()} | {found.metadata["Name"].lower(): found.version for found in named}


def _standard_streams() -> Channel:
    """Give a channel over the standard streams, and leave to everybody else an empty input and the log as output."""
    channel = Channel(source=os.dup(0), sink=os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return channel


def main() -> None:
    """Serve whoever started this process, until they are gone."""
    die_with_parent()
    faulthandler.enable()
    faulthandler.register(DUMP_SIGNAL)
    with suppress(EOFError, BrokenPipeError):
        Host(channel=_standard_streams()).serve()


if __name__ == "__main__":
    main()
