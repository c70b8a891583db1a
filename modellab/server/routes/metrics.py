"""Metrics: what the server counts and measures."""

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from modellab.server.aside import aside
from modellab.server.http.access import admit
from modellab.server.http.problem import answers
from modellab.server.service import Served

router = APIRouter(tags=["metrics"], responses=answers())


@router.get("/metrics", response_class=Response)
async def read_metrics(request: Request, service: Served) -> Response:
    """Give all metrics, as Prometheus reads them; where the settings say so, to whoever has a key that may read."""
    if service.settings.metrics_need_key:
        await admit(request, "read")
    text = await aside(lambda: generate_latest(service.metrics.registry))
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
