"""A server in this process, over a small bench in a folder of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modellab.server.app import create_app
from modellab.server.settings import ServerSettings

MODELS = """
schema = 1
[checkpoints.toy]
architecture = "whisper"
layout = "ctranslate2"
languages = ["*"]
license = "MIT"
upstream = "nobody/toy"
revision = "1"
files = { "model.bin" = { sha256 = "0000000000000000000000000000000000000000000000000000000000000000" } }
sources = [{ kind = "folder", path = "nowhere" }]

[checkpoints.toy-en]
architecture = "whisper"
layout = "ctranslate2"
languages = ["en"]
license = "MIT"
upstream = "nobody/toy"
revision = "1"
files = { "model.bin" = { sha256 = "1111111111111111111111111111111111111111111111111111111111111111" } }
sources = [{ kind = "folder", path = "nowhere" }]
"""
CORPORA = """
schema = 1
[corpus.silence]
reader = "synthesis"
description = "nobody speaks"
license = "Apache-2.0"
sounds = [{ id = "zeros", sound = "silence", duration_s = 1 }]
"""
BENCH = """
schema = 1
model = ["toy", "toy-en"]
backend = ["fake"]
device = ["cpu"]
corpus = ["silence"]
nonspeech_corpus = ["silence"]
timed_corpus = ["silence"]
[compute_type]
default = ["float32"]
[decode]
beam_size = 1
"""

HOST = "http://localhost"


def write_bench(folder: Path, options: str = "") -> Path:
    """Write a bench of two fake models; `options` are lines for [options.fake]. Give the folder of its fixtures."""
    fixtures = folder / "fixtures"
    fixtures.mkdir(parents=True, exist_ok=True)
    bench = f"{BENCH}[options.fake]\n{options}\n" if options else BENCH
    for name, text in (("models", MODELS), ("corpora", CORPORA), ("bench", bench)):
        (fixtures / f"{name}.toml").write_text(text)
    return fixtures


Settings = Callable[..., ServerSettings]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give settings of a server in a folder of its own; what is named is set otherwise."""
    monkeypatch.chdir(tmp_path)

    def make(**changed: Any) -> ServerSettings:
        fixtures = changed.pop("fixtures", None) or write_bench(tmp_path)
        places = {"runs": tmp_path / "runs", "data": tmp_path / "data", "cache_dir": tmp_path / "cache"}
        return ServerSettings(_env_file=None, fixtures=fixtures, **(places | changed))

    return make


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """Give an application as it is by default."""
    return create_app(settings())


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Give a client of a started application; what a route raises unforeseen is an answer, as over a socket."""
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client
