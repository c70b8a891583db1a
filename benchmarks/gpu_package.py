"""Pack what `make bench-gpu` needs on a machine without a network, `make gpu-package`.

One folder holds whisper-tiny.en in int8, a few minutes of speech, definitions and budgets for the claims, and wheels
of what a machine with torch and transformers may lack. The speech is the bundled corpus under several conditions, and
with SPEECH that of a corpus of your own. Both the original and the package hear all of it here, on the CPU: a package
whose word error rate is further off than half a point is refused, and the original's rate is the budget's base.

    python benchmarks/gpu_package.py [--speech CORPUS] [--into FOLDER] [--python 3.12] [--limit-mib 60]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import requires, version
from pathlib import Path

import soundfile
from packaging.requirements import Requirement

from modellab.backends.transformers import Transformers
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.packing import pack, unpack
from modellab.checkpoints.registry import Registry
from modellab.checkpoints.weights import Weights
from modellab.conditions.registry import read_conditions
from modellab.corpora.manifest import read_manifest
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection, parse_selection
from modellab.errors import MeasurementRefused, ModelLabError
from modellab.measuring.accuracy import Place, hear
from modellab.records.environment import usable_cores
from modellab.reporting.accuracy import pool_scores
from modellab.sources.cache import bytes_on_disk, cache_root
from modellab.sources.files import sha256_of
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.utterance import Corpus, Utterance

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
MODEL, PACKED_MODEL, CORPUS = "whisper-tiny.en", "whisper-tiny.en-int8", "packed"
PACKAGE = f"{PACKED_MODEL}.safetensors"
CONDITIONS = ("", "noise:20dB", "noise:10dB", "babble:20dB", "telephone", "reverb:0.3s", "speed:1.1x")
PACKAGE_LIMIT_BYTES = 45_000_000
WER_ROOM = 0.005
COMPRESSED = {".flac", ".ogg", ".opus", ".mp3"}
GLIBC = (17, 24, 27, 28, 31, 34)  # minor versions of glibc 2 that wheels name
BROUGHT = ("torch", "transformers")
NETWORKED = ("pypi-simple", "requests")  # what fetches is of no use there


def main() -> int:
    """Write the folder and say what is in it; give 0 where it may travel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=ROOT / "build" / "gpu")
    parser.add_argument("--speech", help="a corpus by name or path, such as 'my/manifest.jsonl[language=en]'")
    parser.add_argument("--python", default="3.12", help="the Python of the CUDA machine (3.12)")
    parser.add_argument("--architecture", default="x86_64", help="the processor of the CUDA machine (x86_64)")
    parser.add_argument("--limit-mib", type=float, default=60.0, help="the most that may travel, in MiB (60)")
    options = parser.parse_args()
    try:
        write(options.into, options.speech)
    except ModelLabError as error:
        print(error)
        return 1
    fetch_wheels(options.into / "wheels", options.python, options.architecture)
    sizes = {path.name: bytes_on_disk(path) or path.stat().st_size for path in sorted(options.into.iterdir())}
    for name, size_bytes in sizes.items():
        print(f"  {size_bytes / 2**20:6.1f} MiB  {name}")
    whole_mib = sum(sizes.values()) / 2**20
    print(f"  {whole_mib:6.1f} MiB  {options.into}, of at most {options.limit_mib:g}")
    return 0 if whole_mib <= options.limit_mib else 1


def write(into: Path, speech: str | None) -> None:
    """Write weights, speech and definitions, and hear the speech with both weights.

    Raises:
        MeasurementRefused: when the package is too large, or hears worse than the original by more than the room.
    """
    shutil.rmtree(into, ignore_errors=True)
    (into / "speech").mkdir(parents=True)
    cache = cache_root(None)
    original = prepare(Registry.read(FIXTURES / "models.toml").get(MODEL), "transformers", cache)
    about = pack(original.folder, into / PACKAGE)
    size_bytes = (into / PACKAGE).stat().st_size
    if size_bytes > PACKAGE_LIMIT_BYTES:
        raise MeasurementRefused(f"the package has {size_bytes:,} bytes, and {PACKAGE_LIMIT_BYTES:,} are allowed")
    lines = [line_of(utterance, into / "speech") for utterance in gather(speech, cache)]
    (into / "speech" / "manifest.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    corpus = read_manifest(into / "speech" / "manifest.jsonl", CORPUS)
    print(f"{corpus}, package of {size_bytes:,} bytes")
    whole = word_error_rate(original, corpus)
    with tempfile.TemporaryDirectory() as folder:
        unpack(into / PACKAGE, Path(folder))
        packed = word_error_rate(replace(original, folder=Path(folder)), corpus)
    print(f"word error rate through transformers on this CPU in float32: {whole:.2%}, of the package {packed:.2%}")
    if abs(packed - whole) > WER_ROOM:
        raise MeasurementRefused(f"the package is off by more than {WER_ROOM:.1%}")
    define(into, whole, about.source_sha256)


def gather(speech: str | None, cache: Path) -> Iterator[Utterance]:
    """Give the bundled utterances under each condition, and those of the corpus that was named."""
    corpora, conditions = read_corpora(FIXTURES / "corpora.toml"), read_conditions(FIXTURES / "conditions.toml")
    small = corpora.read(Selection(source="librivox"), cache)
    for condition in CONDITIONS:
        corpus = small.under(conditions.effects((condition,), small), 0) if condition else small
        for utterance in corpus:
            facts = {"set": "librivox", "condition": condition or "clean"}
            yield replace(utterance, id=f"{corpus.name}/{utterance.id}", extra=facts)
    if speech:
        selection = parse_selection(speech)
        for utterance in corpora.read(selection, cache):
            yield replace(utterance, extra={"set": selection.name, "condition": "clean"})


def line_of(utterance: Utterance, folder: Path) -> dict[str, object]:
    """Write an utterance's audio and give its line of the manifest; a compressed file travels as it is."""
    name = re.sub(r"[^\w.-]+", "_", utterance.id)
    kept = utterance.audio.suffix.lower() in COMPRESSED and not (utterance.is_cut or utterance.effects)
    if kept:
        path = folder / f"{name}{utterance.audio.suffix.lower()}"
        shutil.copyfile(utterance.audio, path)
    else:
        path = folder / (f"{name}.ogg" if utterance.effects else f"{name}.flac")  # noise does not pack without loss
        soundfile.write(path, utterance.hear().samples, SAMPLE_RATE_HZ)
    return {
        "id": utterance.id,
        "audio": path.name,
        "text": utterance.reference,
        "language": utterance.language,
        "speaker": utterance.speaker,
        "duration_s": utterance.duration_s,
        **utterance.extra,
    }


class Ready:
    """A backend that is loaded."""

    def __init__(self, backend: Transformers) -> None:
        self.backend = backend


def word_error_rate(weights: Weights, corpus: Corpus) -> float:
    """Give the pooled rate of these weights on this CPU.

    Raises:
        MeasurementRefused: when an utterance failed.
    """
    place = Place(model=weights.checkpoint, corpus=corpus.name, lane="accuracy", session=1)
    with Transformers(weights=weights, threads=usable_cores()) as backend:
        records = list(hear(Ready(backend), corpus, place, 8))
    failed = [record.failure for record in records if record.failure]
    if failed:
        raise MeasurementRefused(f"{len(failed)} utterances failed, the first: {failed[0]}")
    for named in sorted({record.facts["set"] for record in records}):
        own = [r for r in records if r.facts["set"] == named and r.facts["condition"] == "clean"]
        print(f"  {weights.folder.name}: {named}, clean: {pool_scores(own)[0].rate:.2%}")
    (score,) = pool_scores(records)
    assert score.rate is not None, "somebody speaks in the bundled corpus"
    return score.rate


def define(into: Path, whole: float, source_sha256: str) -> None:
    """Write the definitions that the claims are made with, as `fixtures/` holds them for a machine with a network."""
    fixtures = into / "fixtures"
    fixtures.mkdir()
    shutil.copyfile(FIXTURES / "conditions.toml", fixtures / "conditions.toml")
    weights = ", ".join(f'"{name}" = {{}}' for name in unpacked_files(into / PACKAGE))
    (fixtures / "models.toml").write_text(
        f"""schema = 1

[checkpoints."{PACKED_MODEL}"]
architecture = "whisper"
layout = "transformers"
languages = ["en"]
license = "MIT"
upstream = "{MODEL} in int8, of the weights {source_sha256}"
revision = "{sha256_of(into / PACKAGE)[:16]}"
sources = [{{ kind = "folder", path = "../weights" }}]
files = {{ {weights} }}
"""
    )
    speech = [path for path in sorted((into / "speech").iterdir()) if path.is_file()]
    pinned = "\n".join(f'"{path.name}" = {{ sha256 = "{sha256_of(path)}" }}' for path in speech)
    (fixtures / "corpora.toml").write_text(
        f"""schema = 1

[corpus.{CORPUS}]
reader = "manifest"
description = "what was packed"
license = "that of what was packed"
sources = [{{ kind = "folder", path = "../speech" }}]

[corpus.{CORPUS}.files]
{pinned}

{silence()}
"""
    )
    (fixtures / "bench.toml").write_text(
        f"""schema = 1

model = ["{PACKED_MODEL}"]
backend = ["transformers"]
device = ["cuda"]
corpus = ["{CORPUS}"]
nonspeech_corpus = ["silence"]
timed_corpus = ["{CORPUS}[set=librivox,condition=clean]"]
batch_size = 8
rounds = 3
seed = 0

[compute_type]
default = ["float32", "float16", "bfloat16"]

[decode]
beam_size = 1
"""
    )
    (fixtures / "budgets.toml").write_text(
        f"""# The original weights were {whole:.4f} wrong on a CPU in float32; the package may be half a point worse.

[[budget]]
model = "*:{PACKED_MODEL}:cuda*:*"
set_on = {datetime.now(UTC).date()}
machine = "a CUDA machine, against a CPU"
wer = {whole + WER_ROOM:.6f}
rtf = 0.1
cold_start_s = 60
words_in_silence = 2
"""
    )


def silence() -> str:
    """Give the definition of the sounds in which nobody speaks; they are made where they are heard."""
    defined = (FIXTURES / "corpora.toml").read_text(encoding="utf-8")
    start = defined.index("[corpus.silence]")
    return defined[start : defined.index("\n]\n", start) + 2]


def unpacked_files(package: Path) -> list[str]:
    """Give the names of the files that a package unpacks to."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(package, Path(folder))
        return sorted(path.name for path in Path(folder).iterdir())


def fetch_wheels(into: Path, python: str, architecture: str) -> None:
    """Fetch wheels of what this project needs beside torch and transformers and what these two need themselves."""
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", into, ROOT], check=True)
    platforms = [f"--platform=manylinux_2_{minor}_{architecture}" for minor in GLIBC]
    wanted = [f"{name}=={version(name)}" for name in needed(brought())]
    target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms]
    subprocess.run([*pip, "download", "--quiet", "--no-deps", *target, "--dest", into, *wanted], check=True)


def brought() -> set[str]:
    """Give the names of what a machine with torch and transformers has, or has no use for."""
    return {*BROUGHT, *NETWORKED, *(name for each in BROUGHT for name in requirements(each))}


def needed(present: Iterable[str]) -> list[str]:
    """Give the names of what this project needs, without what is present and what only that needs."""
    known, waiting = {*present, "modellab"}, ["modellab"]
    found: list[str] = []
    while waiting:
        new = set(requirements(waiting.pop())) - known
        known |= new
        found += new
        waiting += new
    return sorted(found)


def requirements(name: str) -> Iterator[str]:
    """Give the names of what a distribution needs, without extras."""
    for requirement in map(Requirement, requires(name) or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower()


if __name__ == "__main__":
    sys.exit(main())
