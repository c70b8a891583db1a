"""App: the application, put together: its parts, what every request passes, and its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from modellab.server.http import errors
from modellab.server.routes import health
from modellab.server.service import Service
from modellab.server.settings import ServerSettings

ROUTERS = (health.router,)


def create_app(settings: ServerSettings, service: Service | None = None) -> FastAPI:
    """Give the application; nothing runs before it is started.

    Raises:
        BadDefinition: when a file of the fixtures cannot be understood.
        DatabaseUnavailable: when the database cannot be opened.
    """
    service = service or Service.of(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with service.running():
            yield

    app = FastAPI(
        title="Model Lab",
        version=version("modellab"),
        summary="Which model, runtime, device and precision to deploy: runs, comparisons and transcription.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.service = service
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _wrap(app)
    return app


def _wrap(app: FastAPI) -> None:
    """Lay what every request passes around the routes: what is added last comes first."""
    app.add_middleware(errors.ErrorsAsProblems)
