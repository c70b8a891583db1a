"""Session: HTTP as pip on this machine would speak it. Imported only by a download, for it imports requests.

Source: https://github.com/psf/requests (Apache-2.0), which also reads the proxy variables.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from modellab.sources.index import IndexSettings

_RETRIES = 2


class Session(requests.Session):
    """Checks certificates as pip would, those of redirects and file hosts included."""

    def __init__(self, settings: IndexSettings) -> None:
        super().__init__()
        self._settings = settings
        self.cert = settings.client_cert
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(max_retries=_RETRIES))

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # noqa: ANN401
        """Send one request, redirected ones too, with the certificate check that suits its host."""
        if self._settings.trusts(request.url or ""):
            how["verify"] = False
        elif self._settings.ca_bundle:
            how["verify"] = self._settings.ca_bundle
        return super().send(request, **how)
