"""Patience: whether and when a server is asked again.

Source: https://github.com/urllib3/urllib3 (MIT), whose Retry waits. Which answers are worth asking again is what
OpenAI's own client takes them to be (openai-python, `_should_retry`).
"""

from types import TracebackType
from typing import Self

from urllib3 import BaseHTTPResponse
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import InvalidHeader, MaxRetryError, ReadTimeoutError, ResponseError
from urllib3.util import Retry

LONGEST_WAIT_S = 60.0  # between two tries; a server that asks for more is given up
_AGAIN = frozenset({408, 409, 429, *range(500, 600)})


class Patience(Retry):
    """Asks again after a backoff, or when the server says; not after silence, nor where it asks for a long wait."""

    @classmethod
    def of(cls, retries: int) -> Self:
        """Give the patience to ask so often again, after 0, 1, 2, 4 … s and some chance; the last answer is given."""
        return cls(
            total=retries,
            status_forcelist=_AGAIN,
            allowed_methods=None,
            raise_on_status=False,
            backoff_factor=0.5,
            backoff_max=LONGEST_WAIT_S,
            backoff_jitter=0.25,
        )

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Give what patience is left; raises what ended it."""
        if isinstance(error, ReadTimeoutError):
            raise error
        if response is not None and (self.get_retry_after(response) or 0) > LONGEST_WAIT_S:
            assert _pool is not None, "urllib3 says whom it asked"
            raise MaxRetryError(_pool, url or "", ResponseError("it asks for a long wait"))
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Give the seconds of a Retry-After header, a number or a date; None where it is missing or neither."""
        try:
            return super().get_retry_after(response)
        except InvalidHeader:
            return None
