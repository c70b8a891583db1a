"""The contract on the remote backend, against a server in a thread that writes a word for every loud second."""

import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

from modellab.backends.base import Backend
from modellab.backends.remote import Remote
from modellab.contract import BackendContract


class Loud(BaseHTTPRequestHandler):
    """A server of OpenAI's transcription API that writes "loud" for each second that is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that there are models."""
        self._send({"data": []})

    def do_POST(self) -> None:
        """Write of the audio, with times where they are wanted."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = message_from_bytes(b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
        file = next(part for part in parts.get_payload() if part.get_filename())
        samples, rate_hz = soundfile.read(BytesIO(file.get_payload(decode=True)))
        seconds = round(samples.size / rate_hz) if np.abs(samples).max() > 0.01 else 0
        words = [{"word": "loud", "start": second, "end": second + 1} for second in range(seconds)]
        text = " ".join(["loud"] * seconds)
        times = {"words": words, "segments": [{"text": text, "start": 0, "end": seconds}] if seconds else []}
        self._send({"text": text, **(times if b"verbose_json" in body else {})})

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def _send(self, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class TestRemote(BackendContract):
    """The contract on the remote backend."""

    name = "remote"
    url: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls) -> Iterator[None]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Loud)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        cls.url = f"http://127.0.0.1:{server.server_port}/v1"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NO_PROXY", "127.0.0.1")
            yield
        server.shutdown()
        thread.join()
        server.server_close()

    @classmethod
    def make(cls) -> Backend:
        """Give what asks the server."""
        return Remote(base_url=cls.url, model="loud", retries=0)
