"""Service: everything that lives as long as a server does. Routes find it on the application."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from modellab.server.database import Database
from modellab.server.definitions import Definitions
from modellab.server.settings import ServerSettings
from modellab.sources.cache import cache_root


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of a server. Each is made without a thread or a process; `running` begins and ends what they need."""

    settings: ServerSettings
    definitions: Definitions
    database: Database

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Make the parts.

        Raises:
            BadDefinition: when a file of the fixtures cannot be understood.
            DatabaseUnavailable: when the database cannot be opened.
        """
        return cls(
            settings=settings,
            definitions=Definitions.read(settings.fixtures, cache_root(settings.cache_dir)),
            database=Database.open(settings.database.get_secret_value()),
        )

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Begin what runs beside the requests, and end it in the opposite order."""
        with ExitStack() as stack:
            stack.callback(self.database.close)
            yield self


def service_of(request: Request) -> Service:
    """Give the service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(service_of)]
