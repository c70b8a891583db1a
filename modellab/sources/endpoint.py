"""Endpoint: a server that is asked over HTTP: where it is, with which key, and with how much patience.

Source: https://github.com/psf/requests (Apache-2.0).
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from modellab.errors import BackendUnavailable, BadDefinition, RemoteFailed
from modellab.sources.patience import Patience

MOST_BYTES = 64 * 1024 * 1024  # of one answer
_QUOTED = 300  # characters of an answer in an error
_CHUNK_BYTES = 1 << 16

_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")  # in capitals, since a key that is written here by mistake is not

_RANGES: Mapping[str, tuple[float, float]] = {
    "connect_timeout_s": (0.01, 3600),
    "timeout_s": (0.01, 86_400),
    "retries": (0, 20),
    "concurrency": (1, 1000),
}

_REMEDIES: Mapping[int, str] = {
    404: "Is the address right? It usually ends with /v1.",
    413: "The audio is too large for it: send it as flac, or cut it.",
    429: "Ask it less at once, or later.",
}


class Answer(NamedTuple):
    """What a server answered: the JSON object, the headers before it, and its first words for an error."""

    said: Mapping[str, Any]
    headers: Mapping[str, str]
    quoted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server, and how it is asked.

    Attributes:
        base_url: the address below which all paths lie.
        key_variable: the environment variable that holds the key; None where none is wanted. The key itself is in no
            field, no error and no log.
        key_in_clear: whether the key may cross a network without TLS.
        connect_timeout_s: how long a connection may take to be made, in seconds.
        timeout_s: how long the server may be silent, and how long its answer may take once it has begun, in seconds.
        retries: how often it is asked again where that may help.
        concurrency: how many ask at a time.

    Raises:
        BadDefinition: on an address that is none or holds a secret, a key in clear, or a number out of range.
    """

    base_url: str
    key_variable: str | None = None
    key_in_clear: bool = False
    connect_timeout_s: float = 10.0
    timeout_s: float = 300.0
    retries: int = 3
    concurrency: int = 1

    def __post_init__(self) -> None:
        parts = _address(self.base_url)
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            kind = int | float if name.endswith("_s") else int
            if not isinstance(value, kind) or isinstance(value, bool) or not least <= value <= most:
                raise BadDefinition(f"{name} must be a number from {least} to {most}, not {value!r}")
        if self.key_variable is not None and not _VARIABLE.fullmatch(str(self.key_variable)):
            raise BadDefinition("key_variable must be the name of a variable, such as OPENAI_API_KEY, never the key")
        if self.key_variable and parts.scheme == "http" and not (self.key_in_clear or _is_loopback(parts.hostname)):
            raise BadDefinition(
                f"the key in {self.key_variable} would cross the network in clear to {parts.hostname}: write https://, "
                "or key_in_clear = true if that network is yours"
            )

    def key(self) -> str | None:
        """Give the key that the environment holds; None where none is wanted.

        Raises:
            BackendUnavailable: when the variable is not set, or holds no key.
        """
        if not self.key_variable:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise BackendUnavailable(f"no key for {self.base_url}: set the environment variable {self.key_variable}")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise BackendUnavailable(f"what {self.key_variable} holds is no key: it has blanks or unusual characters")
        return key


class Line:
    """A line to an endpoint, for several threads at once.

    Raises:
        BackendUnavailable: when there is no key where one is wanted.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._key = endpoint.key()
        self._session = requests.Session()
        self._session.auth = _Bearer(self._key)
        patience = Patience.of(endpoint.retries)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=endpoint.concurrency, max_retries=patience))

    def reach(self, path: str) -> None:
        """See that somebody is there, whatever they answer, or though they are too busy to.

        Raises:
            RemoteFailed: when no connection can be made.
        """
        url, once = self._url(path), self._endpoint.connect_timeout_s
        with self._explained(url), suppress(requests.ReadTimeout):
            self._session.get(url, timeout=once, stream=True, allow_redirects=False).close()

    def post(self, path: str, form: Sequence[tuple[str, str]], file: tuple[str, bytes, str]) -> Answer:
        """Send a form with one file (name, content, media type); give the JSON object that is answered.

        Raises:
            RemoteFailed: when the server refuses, fails, hangs, cuts the connection or answers no JSON object.
        """
        url, limits = self._url(path), (self._endpoint.connect_timeout_s, self._endpoint.timeout_s)
        with (
            self._explained(url),
            self._session.post(
                url, data=list(form), files={"file": file}, timeout=limits, stream=True, allow_redirects=False
            ) as response,
        ):
            body = self._read(response, url)
        if response.status_code != requests.codes.ok:
            raise RemoteFailed(self._refusal(response, url, body))
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise RemoteFailed(f"{url} answered no JSON object: {self._quoted(body)} Is it a server with OpenAI's API?")
        return Answer(said, response.headers, self._quoted(body))

    def close(self) -> None:
        """Close the connections; harmless when called again."""
        self._session.close()

    def _url(self, path: str) -> str:
        return f"{self._endpoint.base_url.rstrip('/')}/{path}"

    def _read(self, response: requests.Response, url: str) -> bytes:
        """Give the body, which may come slowly, but not for ever, and be long, but not without end."""
        body, deadline = bytearray(), time.monotonic() + self._endpoint.timeout_s
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MOST_BYTES:
                raise RemoteFailed(f"{url} answered more than {MOST_BYTES >> 20} MiB")
            if time.monotonic() > deadline:
                raise RemoteFailed(f"{url} had not finished its answer after {self._endpoint.timeout_s:g} s: timeout_s")
        return bytes(body)

    @contextmanager
    def _explained(self, url: str) -> Iterator[None]:
        """Say of whatever goes wrong on the way where that was, and what helps."""
        try:
            yield
        except requests.ConnectionError as error:
            words = (
                f"the connection to {url} failed: {self._clean(_reason(error))}. Does the server run, and is this it?"
            )
            raise RemoteFailed(words) from None
        except (requests.ReadTimeout, ReadTimeoutError):
            silent_s = self._endpoint.timeout_s
            raise RemoteFailed(f"{url} was silent for {silent_s:g} s. If it needs longer, raise timeout_s.") from None
        except HTTPError as error:
            raise RemoteFailed(f"{url} cut the connection amid its answer: {self._clean(str(error))}") from None
        except requests.RequestException as error:
            raise RemoteFailed(f"{url} cannot be asked: {self._clean(str(error))}") from None

    def _refusal(self, response: requests.Response, url: str, body: bytes) -> str:
        status, named = response.status_code, self._endpoint.key_variable
        remedies = {
            **_REMEDIES,
            **dict.fromkeys(
                (401, 403),
                f"Is the key in {named} right?" if named else "It may want a key: name its variable in key_variable.",
            ),
            **dict.fromkeys(range(300, 400), "It redirects: write the address that it leads to."),
        }
        tries = len(response.raw.retries.history) + 1
        often = f" {tries} times" if tries > 1 else ""
        waits = response.headers.get("Retry-After")
        later = f" It asks to wait ({waits!r:.40})." if waits else ""
        return f"{url} answered {status}{often}: {self._quoted(body)}{later} {remedies.get(status, '')}".rstrip()

    def _quoted(self, body: bytes) -> str:
        """Give what a server said, short and in one line: its error's message where it has one."""
        text = body.decode("utf-8", "replace")
        try:
            said: Any = json.loads(text)
        except (ValueError, RecursionError):
            said = text
        while isinstance(said, dict):
            said = next((said[key] for key in ("error", "message", "detail") if said.get(key)), str(said))
        return repr(self._clean(" ".join(str(said).split()))[:_QUOTED])

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[the key]") if self._key else text


class _Bearer(AuthBase):
    """The key of a request. Given even where there is none, since requests would look for one in ~/.netrc."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        secret = "@" in parts.netloc or bool(parts.query or parts.fragment)
    except (ValueError, AttributeError, TypeError):
        usable, secret = False, False
    if not usable or secret:
        raise BadDefinition(
            "base_url must be http://HOST or https://HOST with a path, such as http://localhost:8000/v1, and hold no "
            "user, password or query: a key is named by key_variable"
        )
    return parts


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _reason(error: requests.RequestException) -> str:
    """Give what went wrong at last, without what requests and urllib3 wrap around it."""
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause))
