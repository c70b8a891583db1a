"""App: the application, put together: its parts, what every request passes, and its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from modellab.server.http import access, errors, headers, observe, origin, rate
from modellab.server.routes import (
    artefacts,
    compare,
    corpora,
    evaluations,
    health,
    metrics,
    models,
    query,
    runs,
    speech,
    utterances,
)
from modellab.server.service import Service
from modellab.server.settings import ServerSettings

ROUTERS = (
    artefacts.router,
    compare.router,
    corpora.router,
    evaluations.router,
    health.router,
    metrics.router,
    models.router,
    query.router,
    runs.router,
    speech.router,
    utterances.router,
)

FORM_BYTES = 64 << 10  # what a form may say beside its file


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
        generate_unique_id_function=lambda route: route.name,
        form_limits={"max_files": 1, "max_fields": 20, "max_part_size": FORM_BYTES // 2},
        lifespan=lifespan,
    )
    app.state.service = service
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _wrap(app, service)
    return app


def _wrap(app: FastAPI, service: Service) -> None:
    """Lay what every request passes around the routes: what is added last comes first.

    A body that is too large is refused within, so that this answer too is a problem with all headers.
    """
    settings = service.settings
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.uploads.max_bytes + FORM_BYTES)
    app.add_middleware(access.Doorkeeper)
    app.add_middleware(errors.ErrorsAsProblems)
    app.add_middleware(rate.RateLimit, service=service)
    app.add_middleware(origin.SharedWithPages, settings=settings)
    app.add_middleware(origin.CalledByName, settings=settings)
    app.add_middleware(headers.SecurityHeaders)
    app.add_middleware(observe.Observe, service=service)
