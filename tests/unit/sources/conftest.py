"""A web server in a thread: the package index and the hub that these tests ask."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modellab.sources.archive import Archive


@dataclass(kw_only=True)
class _Page:
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    announced_bytes: int | None = None


@dataclass(kw_only=True)
class Site:
    """What the server has, by path, and what it was asked for."""

    url: str
    pages: dict[str, _Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def offer(self, project: str, filename: str, content: bytes, *, sha256: str | None = "") -> None:
        """Put a file on the index; `sha256` is what the index announces: "" the truth, None nothing."""
        announced = hashlib.sha256(content).hexdigest() if sha256 == "" else sha256
        fragment = f"#sha256={announced}" if announced else ""
        link = f'<a href="/files/{filename}{fragment}">{filename}</a>'
        self.pages[f"/simple/{project}/"] = _Page(
            body=f"<html><body>{link}</body></html>".encode(), headers={"Content-Type": "text/html"}
        )
        self.pages[f"/files/{filename}"] = _Page(body=content)

    def publish(self, repo: str, revision: str, name: str, content: bytes, *, etag: str) -> None:
        """Put a file on the hub."""
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": revision}
        self.pages[f"/{repo}/resolve/{revision}/{name}"] = _Page(body=content, headers=headers)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            page = here.pages.get(self.path.split("?")[0])
            if page is None:
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(page.announced_bytes or len(page.body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page.body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Site(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield here
    server.shutdown()
    server.server_close()
    thread.join()


def wheel(members: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return content.getvalue()


def sdist(members: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return content.getvalue()


@pytest.fixture
def pack() -> dict[str, object]:
    """Makers of archives, by kind."""
    return {"wheel": wheel, "sdist": sdist}


@pytest.fixture
def archive_of():
    """A maker of the definition of one archive."""

    def make(project: str, content: bytes, members: Mapping[str, tuple[str, ...]], kind: str = "wheel") -> Archive:
        digest = hashlib.sha256(content).hexdigest()
        return Archive(project=project, version="1.0", sha256=digest, members=members, kind=kind)

    return make
