"""Artefacts: the files of a run that are for reading, such as its report and its plots."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from modellab.server.http.access import needs
from modellab.server.http.conditional import tag_of
from modellab.server.http.part import give
from modellab.server.http.problem import answers
from modellab.server.library.artefacts import MEDIA_TYPES, NAME, artefact, artefacts, read_stretch
from modellab.server.library.result import Body
from modellab.server.routes.documented import in_parts
from modellab.server.routes.parameters import RunId
from modellab.server.service import Served

router = APIRouter(prefix="/api/runs/{run}/artefacts", dependencies=[needs("read")], tags=["runs"])

_SANDBOX = {"Content-Security-Policy": "sandbox"}


class ArtefactBody(Body):
    """A file of a run's folder."""

    name: str
    media_type: str
    size_bytes: int


class ArtefactsBody(Body):
    """The files of a run's folder that are for reading, by name."""

    artefacts: tuple[ArtefactBody, ...]


@router.get("", responses=answers(404, 422))
def list_artefacts(service: Served, run: RunId) -> ArtefactsBody:
    """List the files of a run's folder that are for reading."""
    store = service.library.store(service.library.find(run))
    return ArtefactsBody(artefacts=tuple(map(ArtefactBody.model_validate, artefacts(store.folder))))


@router.get(
    "/{name}",
    response_class=Response,
    responses=answers(404, 416, 422) | in_parts(kind.partition(";")[0] for kind in MEDIA_TYPES.values()),
)
def read_artefact(request: Request, service: Served, run: RunId, name: Annotated[str, Path(pattern=NAME)]) -> Response:
    """Give a file. A page is shown as one that nobody vouches for: it runs no script and is of no origin."""
    store = service.library.store(service.library.find(run))
    found = artefact(store.folder, name)
    return give(
        request,
        lambda start, end: read_stretch(found.open(), start, end),
        size_bytes=found.size_bytes,
        tag=tag_of(found.mtime_ns, found.size_bytes, name),
        media_type=found.media_type,
        headers=_SANDBOX | {"Content-Disposition": f'inline; filename="{name}"'},
    )
