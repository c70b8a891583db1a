"""Worker: one loaded backend in a process of its own, which may crash, hang or be killed without harm to this one."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from modellab.backends.base import DecodeOptions
from modellab.errors import BackendRaised, BadFrame, WorkerFailed
from modellab.machine import oom
from modellab.machine.clock import MONOTONIC
from modellab.machine.memory import Memory
from modellab.machine.oom import OomWatch
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.child import PATIENCE_S, Child
from modellab.measuring.frame import Frame
from modellab.measuring.protocol import (
    SPOKEN,
    VERSION,
    Hello,
    read_segment,
    read_transcript,
    write_audios,
    write_decode,
)
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript

LIMIT_S = 600.0
CALM = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}  # threads that wait must sleep: another may be timed
GRACE_S = 1.0  # from the end of the pipe to the end of the process
KILLED = ("SIGKILL", "exit 137")  # the latter by a shell that started the interpreter


@dataclass(kw_only=True, eq=False)
class Worker:
    """A backend in a child process: it loads, transcribes and closes as a backend does, and is timed inside.

    After a WorkerFailed the process is gone, and `load` starts a new one; after a BackendRaised by `transcribe` the
    worker is as before. A worker answers one question at a time; `kill` may be called from another thread meanwhile.

    Attributes:
        blueprint: the backend to build there.
        python: the interpreter, of an environment in which Model Lab and the runtime are installed; None for the
            blueprint's, else this process's.
        env: variables that are laid over those of this process; None takes one away.
        cwd: the folder it runs in; None for this process's.
        log: the file to which whatever it prints is added; None keeps only the last lines, for errors.
        limit_s: how long one answer may take, in seconds; who takes longer is ended.
        load_limit_s: how long it may take to start, and to load; None for `limit_s`.
        import_s: seconds that importing the runtime took; None before `load`.
        load_s: seconds that loading the backend took, the last time; None before `load`.
        versions: of its Python, and of every package in its environment; empty before `load`.
    """

    blueprint: Blueprint
    python: Path | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    cwd: Path | None = None
    log: Path | None = None
    limit_s: float = LIMIT_S
    load_limit_s: float | None = None
    import_s: float | None = field(default=None, init=False)
    load_s: float | None = field(default=None, init=False)
    versions: Mapping[str, str] = field(default_factory=dict, init=False)
    _child: Child | None = field(default=None, init=False, repr=False)
    _hello: Hello | None = field(default=None, init=False, repr=False)
    _watch: OomWatch | None = field(default=None, init=False, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        child = self._child
        return child is not None and child.alive

    @property
    def pid(self) -> int | None:
        """The process that hosts the backend; None where there is none."""
        hello = self._hello
        return hello.pid if hello else None

    def load(self) -> None:
        """Start the process and load the backend in it; one that ran before is closed.

        Raises:
            WorkerFailed: when the process cannot start, speaks another version of the protocol, ends or hangs.
            BackendRaised: when the backend cannot be built or loaded. The process is ended then, too.
        """
        self.close()
        self.import_s, self.load_s, self.versions = None, None, {}
        try:
            with self._turn:
                self._start()
            told = self._ask("load", blueprint=self.blueprint.as_dict()).header
        except BaseException:
            self.close()
            raise
        self.import_s, self.load_s = told["import_s"], told["load_s"]
        self.versions = told["versions"]

    def unload(self) -> None:
        """Close the backend and let go of it; the process goes on, and `reload` loads it again there.

        Harmless when called again. Raises what `listen` raises.
        """
        self._ask("unload")

    def reload(self) -> None:
        """Load the backend in the process that runs; what was loaded there is closed before.

        Raises:
            BackendRaised: when the backend cannot be loaded. The process goes on, with nothing loaded.
            WorkerFailed: when the process ended, hung or answered nonsense, or was not started.
        """
        self.load_s = None
        self.load_s = self._ask("load", blueprint=self.blueprint.as_dict()).header["load_s"]

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in order; raises what `listen` raises."""
        return self.listen(audios, language)[0]

    def listen(
        self, audios: Sequence[Audio], language: str | None = None, decode: DecodeOptions | None = None
    ) -> tuple[Sequence[Transcript], float]:
        """Transcribe one batch; give the transcripts, and the seconds it took by the clock of the process.

        `decode` asks the backend to listen in another way, this once.

        Raises:
            BackendRaised: when the backend raised.
            WorkerFailed: when the process ended, hung or answered nonsense, or was not started.
            BadFrame: when the batch is more than 4 h of audio; nothing happened then.
        """
        told = self._listen(audios, language, decode, None)
        return tuple(map(read_transcript, told["transcripts"])), told["seconds"]

    def narrate(
        self,
        audio: Audio,
        language: str | None,
        tell: Callable[[Segment], None],
        decode: DecodeOptions | None = None,
    ) -> Transcript:
        """Transcribe one audio, and tell each segment as soon as it is written; raises what `listen` raises."""
        (transcript,) = self._listen([audio], language, decode, tell)["transcripts"]
        return read_transcript(transcript)

    def memory(self) -> Memory:
        """Give the memory of the process, of it alone; raises what `listen` raises."""
        told = self._ask("memory").header
        return Memory(resident_bytes=told["resident_bytes"], peak_bytes=told["peak_bytes"])

    def cpu_s(self) -> float:
        """Give the processor seconds that the process used, on all cores together; raises what `listen` raises."""
        return float(self._ask("cpu").header["cpu_s"])

    def kill(self) -> None:
        """End the process at once, from any thread; who waits for an answer gets a WorkerFailed."""
        child = self._child
        if child is not None and child.alive:
            self._watch = None
            child.signal(signal.SIGKILL)

    def close(self) -> None:
        """Ask the process to end, then tell it to, then force it, each for 5 s at most; harmless when called again.

        One that another thread waits for is given 5 s to answer, and killed.
        """
        if not self._turn.acquire(timeout=PATIENCE_S):
            self.kill()
            if not self._turn.acquire(timeout=PATIENCE_S):
                return
        try:
            if child := self._child:
                with suppress(OSError):
                    child.channel.send(Frame(header={"ask": "close"}).encoded(), MONOTONIC() + PATIENCE_S)
                self._bury(child, PATIENCE_S)
        finally:
            self._turn.release()

    def __enter__(self) -> Self:
        self.load()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        self._watch = OomWatch.over()
        command = [str(self._interpreter), "-u", "-P", "-m", "modellab.measuring.host"]
        try:
            self._child = child = Child.start(command, self._environment(), self.cwd, self.log)
        except OSError as error:
            words = f"cannot start a worker with {self._interpreter}: {error}"
            raise WorkerFailed(words, stage="start", kind=type(error).__name__) from error
        with self._watching(child, "start"):
            self._hello = hello = Hello.read(child.channel.receive(MONOTONIC() + self._limit_s("start")))
            if hello.protocol not in SPOKEN:
                raise self._other_protocol(hello, "start")
        self._watch = OomWatch.over(hello.pid)

    def _listen(
        self,
        audios: Sequence[Audio],
        language: str | None,
        decode: DecodeOptions | None,
        tell: Callable[[Segment], None] | None,
    ) -> Mapping[str, Any]:
        samples, body = write_audios(audios)
        facts: dict[str, Any] = {"samples": samples, "language": language}
        if decode or tell:
            self._refuse_older()
            facts |= {"decode": write_decode(decode) if decode else None, "aloud": tell is not None}
        return self._ask("transcribe", body, tell, **facts).header

    def _refuse_older(self) -> None:
        """Refuse what a host of the first protocol would pass over without a word."""
        if self._hello and self._hello.protocol < VERSION:
            raise self._other_protocol(self._hello, "transcribe")

    def _other_protocol(self, hello: Hello, stage: str) -> WorkerFailed:
        return WorkerFailed(
            f"{self._interpreter} has modellab {hello.modellab}, which speaks protocol {hello.protocol}; "
            f"this is modellab {version('modellab')}, which speaks protocol {VERSION}. {self._remedy()}",
            stage=stage,
            kind="WrongProtocol",
        )

    def _ask(
        self,
        stage: str,
        body: bytes = b"",
        tell: Callable[[Segment], None] | None = None,
        **facts: Any,  # noqa: ANN401 - any JSON value
    ) -> Frame:
        request = Frame(header={"ask": stage, **facts}, body=body).encoded()
        with self._turn:
            child = self._child
            if child is None:
                raise WorkerFailed(f"{self._name()} has no process: load() comes first", stage=stage, kind="NotLoaded")
            with self._watching(child, stage):
                deadline = MONOTONIC() + self._limit_s(stage)
                child.channel.send(request, deadline)
                while "part" in (answer := child.channel.receive(deadline)).header and tell:
                    tell(read_segment(answer.header["part"]))
                if answer.header.get("answer") != stage:
                    raise BadFrame(f"asked for {stage}, it answered {dict(answer.header)!r:.200}")
        if "kind" in answer.header:
            raise BackendRaised(answer.header["message"], stage=stage, kind=answer.header["kind"])
        return answer

    @contextmanager
    def _watching(self, child: Child, stage: str) -> Iterator[None]:
        """End the child on whatever goes wrong: it would be out of step. Say what that was where it is the child's."""
        try:
            yield
        except (EOFError, BrokenPipeError):
            raise self._failure(child, stage) from None
        except TimeoutError:
            child.dump()
            words = f"gave no answer within {self._limit_s(stage):g} s"
            raise self._failure(child, stage, "TimeoutExpired", words) from None
        except BadFrame as error:
            raise self._failure(child, stage, "BadFrame", f"answered nonsense: {error}") from None
        except BaseException:
            self._bury(child, 0)
            raise

    def _limit_s(self, stage: str) -> float:
        loads = stage in {"start", "load"}
        return self.load_limit_s if loads and self.load_limit_s is not None else self.limit_s

    def _failure(self, child: Child, stage: str, kind: str = "", words: str = "") -> WorkerFailed:
        """End the child, at once where it is at fault, and give what to raise."""
        name = self._name()
        log = self._bury(child, 0 if kind else GRACE_S)
        advice = f" {self._remedy()}" if stage == "start" else ""
        if not kind and child.outcome in KILLED and self._watch and self._watch.struck:
            kind, words, advice = oom.KIND, self._watch.words, f" {oom.REMEDY}"
        elif not kind:
            asks = " (is the memory full?)" if child.outcome == "SIGKILL" else ""
            kind, words = child.outcome, f"ended by {child.outcome}{asks}"
        return WorkerFailed(f"{name} {words} when asked to {stage}.{advice}", stage=stage, kind=kind, log=log)

    def _bury(self, child: Child, patience_s: float) -> tuple[str, ...]:
        """End the child, forget it, and give its last words."""
        child.end(patience_s)
        words = child.last_words()
        child.dispose()
        self._child = self._hello = None
        return words

    def _environment(self) -> dict[str, str]:
        threads = {"OMP_NUM_THREADS": str(self.blueprint.fields["threads"])}
        laid = {**os.environ, **CALM, **threads, **self.env}
        return {name: value for name, value in laid.items() if value is not None}

    @property
    def _interpreter(self) -> Path:
        return self.python or self.blueprint.python or Path(sys.executable)

    def _name(self) -> str:
        return f"the worker of {self.blueprint.backend!r}" + (f" (process {self.pid})" if self.pid else "")

    def _remedy(self) -> str:
        return f"Both need the same: {self._interpreter} -m pip install modellab=={version('modellab')}"
