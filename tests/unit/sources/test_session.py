"""How certificates are checked: as pip on this machine would check them."""

from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from modellab.sources.index import IndexSettings
from modellab.sources.session import Session


class _Wire(BaseAdapter):
    """Stands where the network begins: answers everything, and keeps how it was asked to check."""

    def __init__(self, moved: dict[str, str]) -> None:
        super().__init__()
        self.moved, self.checked = moved, {}

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        self.checked[request.url] = how["verify"]
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        if request.url in self.moved:
            response.status_code = 302
            response.headers["Location"] = self.moved[request.url]
        return response

    def close(self) -> None:
        pass


def checks(settings: IndexSettings, url: str, moved: dict[str, str] | None = None) -> dict[str, object]:
    """Give how each address that was asked was checked."""
    wire = _Wire(moved or {})
    with Session(settings) as session:
        session.mount("https://", wire)
        session.get(url)
    return wire.checked


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def test_certificates_are_checked_unless_told_otherwise() -> None:
    """Without any setting, the certificate is checked against the usual authorities."""
    assert checks(IndexSettings(urls=()), "https://a.test/") == {"https://a.test/": True}


def test_the_configured_authorities_are_used_even_against_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip's `cert` decides, whatever REQUESTS_CA_BUNDLE says."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/other.pem")
    told = IndexSettings(urls=(), ca_bundle="/ours.pem")
    assert checks(told, "https://a.test/") == {"https://a.test/": "/ours.pem"}


def test_trust_in_one_host_is_not_trust_in_the_next() -> None:
    """A trusted host goes unchecked; the host that it redirects to is checked."""
    told = IndexSettings(urls=(), ca_bundle="/ours.pem", trusted_hosts=frozenset({"a.test"}))
    seen = checks(told, "https://a.test/", {"https://a.test/": "https://files.test/x"})
    assert seen == {"https://a.test/": False, "https://files.test/x": "/ours.pem"}
