"""Service: everything that lives as long as a server does. Routes find it on the application."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Self

from fastapi import Depends, Request

from modellab.server.database import Database
from modellab.server.definitions import Definitions
from modellab.server.hearing.listeners import Listeners
from modellab.server.jobs.jobs import Jobs
from modellab.server.keys import Keys
from modellab.server.library.library import Library
from modellab.server.metrics import Metrics
from modellab.server.rates import Rates
from modellab.server.readiness import Readiness
from modellab.server.settings import ServerSettings
from modellab.server.tracing import Tracing
from modellab.server.upload.uploads import Uploads
from modellab.sources.cache import cache_root


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of a server. Each is made without a thread or a process; `running` begins and ends what they need.

    `stopping` is set once the server is told to stop: what could go on for long, such as a stream, ends then.
    """

    settings: ServerSettings
    definitions: Definitions
    database: Database
    listeners: Listeners
    uploads: Uploads
    keys: Keys
    rates: Rates
    metrics: Metrics
    tracing: Tracing
    readiness: Readiness
    jobs: Jobs
    library: Library
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Make the parts.

        Raises:
            BadDefinition: when a file of the fixtures cannot be understood.
            DatabaseUnavailable: when the database cannot be opened.
            CannotServe: when rates cannot be kept or traces not sent as the settings say.
        """
        definitions = Definitions.read(settings.fixtures, cache_root(settings.cache_dir))
        database = Database.open(settings.database.get_secret_value())
        listeners = Listeners(definitions, settings.pool)
        return cls(
            settings=settings,
            definitions=definitions,
            listeners=listeners,
            uploads=Uploads.of(settings.uploads, settings.data / "uploads"),
            database=database,
            keys=Keys.of(settings, database),
            rates=Rates.of(settings.rate),
            metrics=Metrics.of(settings, listeners.holding),
            tracing=Tracing.to(settings.otlp_endpoint),
            readiness=Readiness.of(settings, database, listeners.holding),
            jobs=Jobs.of(settings, definitions, database),
            library=Library.of(settings, definitions, database),
        )

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Begin what runs beside the requests, and end it in the opposite order."""
        with ExitStack() as stack:
            stack.enter_context(self.tracing.running())
            stack.callback(self.database.close)
            stack.enter_context(self.listeners.running())
            stack.enter_context(self.uploads.running())
            stack.enter_context(self.library.running())
            self.readiness.add("index", lambda: self.library.trouble)
            stack.enter_context(self.jobs.running(self.stopping))
            self.metrics.watch_jobs(self.jobs.queue.counts)
            stack.callback(self.stopping.set)
            yield self


def service_of(request: Request) -> Service:
    """Give the service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


async def _service_of(request: Request) -> Service:
    """Give the same without a thread: FastAPI runs a plain function in one, and those may all be waiting for models."""
    return service_of(request)


Served = Annotated[Service, Depends(_service_of)]
