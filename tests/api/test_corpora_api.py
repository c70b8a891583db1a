"""Corpora over HTTP: what is defined, and whether it is here, without reading any audio."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from small_bench import write_bench

from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import parse_selection
from modellab.server.app import create_app
from modellab.server.settings import ServerSettings
from modellab.speech import audio

MANIFEST = b'{"audio": "missing.wav", "text": "x"}\n'
FETCHED = f"""
[corpus.speech]
reader = "manifest"
description = "somebody speaks"
license = "CC0-1.0"
language = "de"
files = {{ "manifest.jsonl" = {{ sha256 = "{sha256(MANIFEST).hexdigest()}", size_bytes = {len(MANIFEST)} }} }}
sources = [{{ kind = "folder", path = "here" }}]

[corpus.whole]
reader = "joined"
description = "all of it at once"
license = "CC0-1.0"
joins = "speech"
pause_s = 1
"""


@pytest.fixture
def client(settings: Callable[..., ServerSettings], tmp_path: Path) -> TestClient:
    """A client of a server that knows a corpus of made sounds, one to be fetched, and one joined of that."""
    fixtures = write_bench(tmp_path)
    with (fixtures / "corpora.toml").open("a") as corpora:
        corpora.write(FETCHED)
    return TestClient(create_app(settings(fixtures=fixtures)), base_url="http://localhost")


def test_corpora_are_listed(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every corpus is told by name, with what its definition says, and nothing is heard for it."""
    monkeypatch.setattr(audio, "read_audio", lambda *_: pytest.fail("audio was read"))
    told = {each["name"]: each for each in client.get("/api/corpora").json()["corpora"]}
    assert list(told) == ["silence", "speech", "whole"]
    assert told["silence"] == {
        "name": "silence", "description": "nobody speaks", "license": "Apache-2.0", "language": "",
        "reader": "synthesis", "joins": None, "files": 0, "size_bytes": 0, "cached": True,
    }  # fmt: skip
    assert (told["speech"]["language"], told["speech"]["files"], told["speech"]["cached"]) == ("de", 1, False)
    assert (told["whole"]["joins"], told["whole"]["size_bytes"]) == ("speech", len(MANIFEST))
    assert client.get("/api/corpora/speech").json() == told["speech"]


def test_a_corpus_that_was_fetched(client: TestClient, tmp_path: Path) -> None:
    """Once its files are in the cache a corpus is here, and so is what is joined of it."""
    (tmp_path / "fixtures" / "here").mkdir()
    (tmp_path / "fixtures" / "here" / "manifest.jsonl").write_bytes(MANIFEST)
    corpora = read_corpora(tmp_path / "fixtures" / "corpora.toml")
    with pytest.raises(Exception, match=r"missing\.wav"):
        corpora.read(parse_selection("speech"), tmp_path / "cache")
    assert client.get("/api/corpora/speech").json()["cached"] is True
    assert client.get("/api/corpora/whole").json()["cached"] is True


def test_a_corpus_that_nobody_knows(client: TestClient) -> None:
    """A corpus that is not defined is a 404 that names those that are, whatever its name looks like."""
    answer = client.get("/api/corpora/speach")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "Did you mean 'speech'?" in answer.json()["detail"]
    for name in ("..%2f..%2fetc", "x" * 201, "%00"):
        assert client.get(f"/api/corpora/{name}").status_code in {404, 422}
