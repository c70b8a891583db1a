"""Every error that Model Lab raises on purpose, one class per reason.

ModelLabError
├── UnknownName          a model, backend, device, corpus or normaliser nobody has heard of
├── BadDefinition        a definition file (models, corpora, budgets) says something it may not
├── BadManifest          a manifest's line, file or id is wrong
├── BadAudio             audio that cannot be read as speech
├── SourceUnreachable    no source could give a file
├── WrongHash            a file is not the one that was named
├── BadCheckpoint        weights whose layout or content a runtime cannot use
├── BackendUnavailable   a runtime, device or compute type this machine lacks
├── RemoteFailed         a server that was asked over HTTP refused, failed, hung or cut the connection
├── BadTranscript        a runtime answered something that is not a transcript of what it was given
├── BadFrame             bytes between two processes that are not what they agreed on
├── WorkerError          a child process that hosts a backend has no answer
│   ├── BackendRaised    its backend raised; the worker lives on
│   ├── WorkerFailed     it could not start, ended, hung or answered nonsense; the worker is gone
│   └── LoadFailed       a pool could not load it, and does not try again yet
├── ModelTooLarge        a model that would not fit into a pool that holds nothing else
├── PoolBusy             a model that a pool cannot lend now; later it may
├── PoolClosed           a pool that lends nothing more
├── WorkForgone          work that was given up because nobody waits for it any more
├── BadRecord            a record or run file that cannot be read back
├── NotWritten           a folder that was to be written anew, and is there already or cannot be made
├── BadQuery             a question to the records of runs that has no answer
│   └── QueryTimeout     one whose answer takes too long
├── StoreFull            a record that could not be written whole
├── ScoreMismatch        two scores that do not add
├── MeasurementRefused   a measurement that would mean nothing
├── SensorUnreadable     a sensor of the machine that is not there, or does not tell
├── NoRevision           a revision that git cannot give
├── NothingToCompare     two arms that are one and the same
├── EnvironmentUnavailable  an environment that cannot be made, or cannot host a worker
├── CannotServe          a server that cannot start as it is told to
├── BadBackup            a backup that cannot be made, read or put back
├── DatabaseUnavailable  a server's database that cannot be reached, is locked or of a later version
├── Refused              a request that a server does not serve
└── ReportToolMissing    a program that draws a report is not there
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class ModelLabError(Exception):
    """Something went wrong that Model Lab can name."""


class UnknownName(ModelLabError):
    """A name that is not in the list it was looked up in."""

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        near = get_close_matches(name, self.known, n=1, cutoff=0.4)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(self.known) or "none"
        super().__init__(f"no {kind} {name!r}.{guess} Known: {listed}.{' ' + remedy if remedy else ''}")


class BadDefinition(ModelLabError):
    """A definition file holds a key or a value it may not."""


class BadManifest(ModelLabError):
    """A corpus manifest cannot be read; the message names the file and the line."""


class BadAudio(ModelLabError):
    """A file or array that is not audio a model could listen to."""


class SourceUnreachable(ModelLabError):
    """None of the sources of a file could give it; the message says what each one answered."""


class WrongHash(ModelLabError):
    """A file's SHA-256 is not the one in its definition."""


class BadCheckpoint(ModelLabError):
    """Weights that cannot be used: the wrong layout, a missing tensor, a missing file."""


class BackendUnavailable(ModelLabError):
    """A runtime, device or compute type that cannot run on this machine."""


class RemoteFailed(ModelLabError):
    """A server that was asked over HTTP gave no answer: it refused, failed, hung or cut the connection."""


class BadTranscript(ModelLabError):
    """A backend returned something other than one finished transcript per audio."""


class BadFrame(ModelLabError):
    """Bytes from another process that are no frame, or more than a frame holds."""


class WorkerError(ModelLabError):
    """A backend in a child process gave no answer.

    Attributes:
        stage: what it was asked for: start, load, unload, transcribe, memory or cpu.
        kind: why, in a word, as a record counts it.
    """

    def __init__(self, message: str, *, stage: str, kind: str) -> None:
        self.stage, self.kind = stage, kind
        super().__init__(message)


class BackendRaised(WorkerError):
    """A backend raised in its child process: `kind` is the class of what it raised, the message its words."""


class WorkerFailed(WorkerError):
    """A child process could not start, ended, hung or answered nonsense; it is gone.

    `kind` is the signal that ended it (SIGKILL), OutOfMemory where the kernel killed it for that, its exit code
    (exit 3), TimeoutExpired, BadFrame, WrongProtocol, NotLoaded, or the error that kept it from starting. `log` holds
    the last lines of its log, oldest first.
    """

    def __init__(self, message: str, *, stage: str, kind: str, log: tuple[str, ...] = ()) -> None:
        self.log = log
        super().__init__("\n".join((message, *log)), stage=stage, kind=kind)


class LoadFailed(WorkerError):
    """A pool could not load a model: `kind` is that of the load's error, the message its words.

    `retry_after_s` is how long the pool does not try again, in seconds.
    """

    def __init__(self, message: str, *, kind: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, stage="load", kind=kind)


class ModelTooLarge(ModelLabError):
    """A model that would not fit into a pool that holds nothing else."""


class PoolBusy(ModelLabError):
    """A model that a pool cannot lend now; `retry_after_s` guesses when it may, in seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class PoolClosed(ModelLabError):
    """A pool that is being drained, and lends nothing more."""


class WorkForgone(ModelLabError):
    """Work that was given up, before its end, because nobody waits for it any more."""


class BadRecord(ModelLabError):
    """A record or run file that cannot be read back."""


class NotWritten(ModelLabError):
    """A folder that was to be written anew is there already, and is left as it is, or cannot be made."""


class BadQuery(ModelLabError):
    """A question to the records of runs that has no answer; the message says why, often in DuckDB's words."""


class QueryTimeout(BadQuery):
    """A question whose answer takes longer than it may."""


class StoreFull(ModelLabError):
    """A record could not be written whole; what was written before it stays."""


class ScoreMismatch(ModelLabError):
    """Scores of different metrics or normalisers were added."""


class MeasurementRefused(ModelLabError):
    """A measurement was asked for where it would mean nothing."""


class SensorUnreadable(ModelLabError):
    """A sensor of the machine is not there or does not tell; the message says why. What it would say stays absent."""


class NoRevision(ModelLabError):
    """A revision that git cannot give: no git, no repository, no such name, or no history up to it."""


class NothingToCompare(ModelLabError):
    """Base and candidate are the same, so that a comparison would only say how noisy this machine is."""


class EnvironmentUnavailable(ModelLabError):
    """An environment cannot be made, or cannot host a worker.

    `log` is the file that holds everything its making printed; None where nothing was made.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        self.log = log
        super().__init__(message)


class CannotServe(ModelLabError):
    """A server cannot start as it is told to; the message has a line for each reason."""


class BadBackup(ModelLabError):
    """A backup cannot be made, is damaged or incomplete, or is of a later version; the message has a line each."""


class DatabaseUnavailable(ModelLabError):
    """A server's database cannot be reached, is held by others for too long, or is of a later version."""


class Refused(ModelLabError):
    """A request that a server does not serve.

    Attributes:
        status: as HTTP has it: 400 and above.
        code: why, in a word that does not change.
        param: the field of the request that is at fault; None where it is no single one.
        retry_after_s: after how many seconds it may be served; None where nobody knows, or it never will be.
    """

    def __init__(
        self, message: str, *, status: int, code: str, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.status, self.code, self.param, self.retry_after_s = status, code, param, retry_after_s
        super().__init__(message)


class ReportToolMissing(ModelLabError):
    """A program that draws a report cannot be found; the message says how to get it."""


def kind_of(error: BaseException) -> str:
    """Give the word under which a record counts an error: its class, or the one that was raised in a worker."""
    return error.kind if isinstance(error, WorkerError) else type(error).__name__
