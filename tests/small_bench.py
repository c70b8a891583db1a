"""A small bench in a folder of its own: two checkpoints of no weights on the fake runtime."""

from pathlib import Path

MODELS = """
schema = 1
[checkpoints.toy]
architecture = "whisper"
layout = "ctranslate2"
languages = ["*"]
license = "MIT"
upstream = "nobody/toy"
revision = "1"
files = { "model.bin" = { sha256 = "1111111111111111111111111111111111111111111111111111111111111111" } }
sources = [{ kind = "folder", path = "nowhere" }]

[checkpoints.toy-en]
architecture = "whisper"
layout = "ctranslate2"
languages = ["en"]
license = "MIT"
upstream = "nobody/toy"
revision = "1"
files = { "model.bin" = { sha256 = "0000000000000000000000000000000000000000000000000000000000000000" } }
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


def write_bench(folder: Path, options: str = "") -> Path:
    """Write a bench of two fake models; `options` are lines for [options.fake]. Give the folder of its fixtures."""
    fixtures = folder / "fixtures"
    fixtures.mkdir(parents=True, exist_ok=True)
    bench = f"{BENCH}[options.fake]\n{options}\n" if options else BENCH
    for name, text in (("models", MODELS), ("corpora", CORPORA), ("bench", bench)):
        (fixtures / f"{name}.toml").write_text(text)
    return fixtures
