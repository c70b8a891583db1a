"""Index settings: where and how pip is told to ask for packages on this machine."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# pip's own order: the environment before the section of a command, and that before the section for all commands.
_SECTIONS = (":env:", "install", "download", "user", "global", "site")
_DEFAULT_TIMEOUT_S = 15.0
_ASK_PIP_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The package indexes to ask, in order, and how: as pip on this machine would.

    `urls` are of the simple API, http(s) only; `ca_bundle` and `client_cert` are paths of PEM files.
    """

    urls: tuple[str, ...]
    ca_bundle: str | None = None
    client_cert: str | None = None
    trusted_hosts: frozenset[str] = frozenset()
    timeout_s: float = _DEFAULT_TIMEOUT_S

    def trusts(self, url: str) -> bool:
        """Say whether the user told pip not to check this address's certificate."""
        parts = urlsplit(url)
        return bool({parts.hostname, parts.netloc.rpartition("@")[2]} & self.trusted_hosts)


def index_settings() -> IndexSettings:
    """Give the settings that pip of this interpreter has, else those of the PIP_* variables."""
    return settings_from(_ask_pip() or _ask_environment())


def settings_from(configured: Mapping[str, str]) -> IndexSettings:
    """Give the settings in pip's configuration, as `{"global.index-url": "https://…"}`."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    forbidden = (_value(configured, "no-index") or "").lower() in {"1", "true", "yes", "on"}
    first = _value(configured, "index-url") or PYPI_SIMPLE_ENDPOINT
    more = (_value(configured, "extra-index-url") or "").split()
    urls = dict.fromkeys(url for url in (first, *more) if urlsplit(url).scheme in {"http", "https"})
    return IndexSettings(
        urls=() if forbidden else tuple(urls),
        ca_bundle=_value(configured, "cert"),
        client_cert=_value(configured, "client-cert"),
        trusted_hosts=frozenset((_value(configured, "trusted-host") or "").split()),
        timeout_s=_seconds(_value(configured, "timeout") or _value(configured, "default-timeout")),
    )


def without_secrets(text: str) -> str:
    """Give a text with the user names and passwords taken out of the addresses in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def _value(configured: Mapping[str, str], key: str) -> str | None:
    values = (configured.get(f"{section}.{key}") for section in _SECTIONS)
    return next((value for value in values if value), None)


def _seconds(text: str | None) -> float:
    try:
        return float(text or _DEFAULT_TIMEOUT_S)
    except ValueError:
        return _DEFAULT_TIMEOUT_S


def _ask_pip() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    try:
        told = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=_ASK_PIP_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_config(told.stdout)


def parse_config(listing: str) -> dict[str, str]:
    """Give what `pip config list` printed as a mapping."""
    pairs = (line.partition("=") for line in listing.splitlines() if "=" in line)
    return {key.strip(): _unquoted(value) for key, _, value in pairs}


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value


def _ask_environment() -> dict[str, str]:
    return {
        f":env:.{name[4:].lower().replace('_', '-')}": value
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    }
