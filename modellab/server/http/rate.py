"""Rate: no client asks so often that others have to wait."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modellab.errors import Refused
from modellab.server.http.access import client_of, is_probe, principal_of
from modellab.server.http.errors import request_id
from modellab.server.http.problem import problem_of
from modellab.server.rates import Standing
from modellab.server.service import Service


class RateLimit:
    """Counts requests by their key, else by where they came from, and answers 429 to those beyond the rate.

    One that shows a key which is not valid counts by where it came from, so that nobody guesses for long. Health and
    metrics are not counted. Where counts cannot be kept, all pass, and that is counted.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or is_probe(scope["path"]):
            await self.app(scope, receive, send)
            return
        standing = await self._service.rates.ask(await self._client(scope))
        if standing is None:
            self._service.metrics.not_limited()
            await self.app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(message, standing)
            await send(message)

        if standing.allowed:
            await self.app(scope, receive, told)
            return
        self._service.metrics.limited()
        refusal = Refused(
            f"no more than {standing.limit} requests a minute: ask again in {standing.reset_s} s",
            status=429,
            code="rate_limit_exceeded",
            retry_after_s=standing.reset_s,
        )
        await problem_of(refusal).answer(scope["path"], request_id(scope))(scope, receive, told)

    async def _client(self, scope: Scope) -> str:
        try:
            return (await principal_of(self._service, scope)).client
        except Exception:  # noqa: BLE001 - where a key is needed, it is raised again
            return client_of(scope)


def _tell(start: Message, standing: Standing) -> None:
    headers = MutableHeaders(scope=start)
    headers["RateLimit-Limit"] = str(standing.limit)
    headers["RateLimit-Remaining"] = str(standing.remaining)
    headers["RateLimit-Reset"] = str(standing.reset_s)
