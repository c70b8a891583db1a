"""Serving: the process of a server, from the socket it takes to the moment it has ended."""

import asyncio
import errno
import gc
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from math import ceil
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import FrameType
from typing import TypeAlias

import psutil
import uvicorn
from fastapi import FastAPI

from modellab.errors import CannotServe
from modellab.server import logs
from modellab.server.app import create_app
from modellab.server.keys import refuse_open_bind
from modellab.server.service import Service
from modellab.server.settings import PREFIX, ServerSettings
from modellab.server.variables import require_runs

LAST_S = 1.5
"""How long the end itself may take once all requests are cut, in seconds: models are unloaded, the database closed."""

KEEP_ALIVE_S = 65
"""How long a connection may be idle, in seconds: a little longer than a proxy keeps it."""

MOST_CONNECTIONS = 1024
"""Beyond so many connections the answer is 503 before anything looks at the request."""

MOST_HEAD_BYTES = 64 << 10
"""The longest a request's line and headers may be together."""

_FIRST_UNPRIVILEGED = 1024
_MOST_WAITING = 2048
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_UNHEARD_S = 0.2

Announce: TypeAlias = Callable[[str], None]
AppOf: TypeAlias = Callable[[ServerSettings], FastAPI]


def serve(settings: ServerSettings, announce: Announce, app_of: AppOf = create_app) -> None:
    """Serve until a signal says to stop; `announce` is told where, once the server listens.

    Told to stop, it takes no new connection and sets the service's `stopping`. What is under way may end within
    `drain_s`, then it is cut; LAST_S later at most nothing is left of it, no child either. A second signal cuts at
    once, and a third ends the process as it stands.

    Raises:
        CannotServe: when the port is taken or is not ours to take, a folder is missing, or others than this machine
            could reach the server and there is no key.
        BadDefinition: when a file of the fixtures cannot be understood.
        DatabaseUnavailable: when the database cannot be opened.
    """
    require_runs(settings)
    _see_that_data_is_written(settings.data)
    with closing(_listening(settings.host, settings.port)) as listening:
        logs.configure(settings.log_level, settings.log_format)
        app = app_of(settings)
        service: Service = app.state.service
        refuse_open_bind(settings, service.keys)
        server = Server(_config(app, settings), service.stopping, settings.drain_s, announce)
        try:
            server.run(sockets=[listening])
        except SystemExit as error:
            raise CannotServe("the server could not start; its log says why") from error


class Server(uvicorn.Server):
    """A server that ends in time, and orderly for as long as there is time.

    A signal is handed to a thread that sees the server out: it can do so even while a route blocks the loop.
    """

    def __init__(self, config: uvicorn.Config, stopping: Event, drain_s: float, announce: Announce) -> None:
        super().__init__(config)
        self._stopping, self._drain_s, self._announce = stopping, drain_s, announce
        self._told: SimpleQueue[int] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say where the server is.

        What is there by then stays, so that nobody looks for garbage among it: that would hold every request up for
        100 ms, some times a second.
        """
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        for listening in sockets or ():
            self._announce(f"Model Lab at {_url(listening)}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear the signals; unlike uvicorn's own, raise none of them again afterwards: a stop is no failure."""
        Thread(target=self._see_out, name="see-out", daemon=True).start()
        before = {each: signal.signal(each, self.handle_exit) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signals are handled
        """Stop; nothing here waits for a lock, for a signal may come while this thread holds it."""
        self.should_exit = True
        self._told.put(sig)

    def _see_out(self) -> None:
        """Wait for the first signal; from then on see that the process ends in time."""
        self._told.get()
        self._stopping.set()
        self._until_told_again(self._drain_s)
        self._from_loop(self._cut)
        self._until_told_again(LAST_S)
        _leave()

    def _until_told_again(self, at_most_s: float) -> None:
        with suppress(Empty):
            self._told.get(timeout=at_most_s)

    def _from_loop(self, work: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to cut
                self._loop.call_soon_threadsafe(work)

    def _cut(self) -> None:
        """Close every connection; what does not hear of it is cancelled."""
        for connection in tuple(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        asyncio.get_running_loop().call_later(_UNHEARD_S, self._cancel)

    def _cancel(self) -> None:
        for task in tuple(self.server_state.tasks):
            task.cancel("the server stops")


def _leave() -> None:
    """End the process as it stands, and its children before it."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(0)


def _config(app: FastAPI, settings: ServerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=ceil(settings.drain_s + LAST_S),
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
    )


def _see_that_data_is_written(folder: Path) -> None:
    """See that the server's own folder can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CannotServe(
            f"{PREFIX}DATA: the folder {folder} cannot be written to: {error.strerror}. Name another with --data"
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    """Give a socket that listens: who comes before the server has started waits for it.

    Raises:
        CannotServe: when there is no such address, or the port is taken or is not ours to take.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotServe(f"{PREFIX}HOST: {host!r} is no address: {reason}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_MOST_WAITING)
    except OSError as error:
        made.close()
        raise CannotServe(_not_taken(host, port, error)) from error
    return made


def _not_taken(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{PREFIX}PORT: another program listens on port {port}: end it, or name another port with --port"
    if error.errno == errno.EACCES:
        return (
            f"{PREFIX}PORT: port {port} is not for every user to take: name one from {_FIRST_UNPRIVILEGED} up with "
            "--port, and let a proxy listen there"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{PREFIX}HOST: {host} is no address of this machine: name one that is, or 127.0.0.1, with --host"
    return f"{PREFIX}PORT: cannot listen on {host} port {port}: {error.strerror}"


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
