"""A small bench in a folder of its own: the fake runtime, two checkpoints of no weights, three utterances."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from idle_plugins import IDLE
from small_bench import CORPORA, MODELS

from modellab.testing import FakeBackend

CONFIGURATION = f"""
[pytest]
modellab_fixtures = fixtures
addopts = --strict-markers {IDLE}
"""
BENCH = """
schema = 1
model = ["toy-en", "toy"]
backend = ["fake"]
device = ["cpu"]
corpus = ["speech"]
nonspeech_corpus = ["silence"]
timed_corpus = ["speech"]
batch_size = 2
rounds = 2
[compute_type]
default = ["float32"]
[decode]
beam_size = 1
"""

BUDGETS = """
[[budget]]
model = "*"
set_on = 2026-11-22
machine = "test"
wer = 1.0
rtf = 10.0
cold_start_s = 600
words_in_silence = 5
changed_utterances = 0
"""

CLAIMS = Path(__file__).parents[3] / "benchmarks"


class Imports:
    """A plugin that keeps what runs within this process are first to import: some of it cannot be imported twice."""

    def __init__(self) -> None:
        self._seen: dict[str, ModuleType] = {}

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Note what is imported, but for what lies in the folder of the run, before pytester forgets it."""
        for name, module in sys.modules.items():
            if not Path(getattr(module, "__file__", None) or "").is_relative_to(config.rootpath):
                self._seen.setdefault(name, module)

    def keep(self) -> None:
        """Bring back what was forgotten."""
        for name, module in self._seen.items():
            sys.modules.setdefault(name, module)


class Lab:
    """A bench that can be run; each run is a pytest of its own."""

    def __init__(self, pytester: pytest.Pytester, imports: Imports) -> None:
        self.pytester = pytester
        self._imports = imports
        self.root = pytester.path
        self.corpus = self.root / "speech"

    def run(self, *words: str, apart: bool = False) -> pytest.RunResult:
        """Run pytest, in a process of its own where that is asked for or it has workers."""
        asked = ("-p", "no:cacheprovider", "--cache-dir", "cache", *words)
        if apart or "-n" in words:
            return self.pytester.runpytest_subprocess(*asked)
        with _forgetting():
            result = self.pytester.runpytest_inprocess(*asked, plugins=[self._imports])
        self._imports.keep()
        return result

    def killed(self, *words: str, after_s: float, once: Callable[[], bool] | None = None) -> bool:
        """Start pytest in a session of its own and kill all of it after a while; say whether it was still running.

        The while begins when `once` says so.
        """
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--cache-dir", "cache", *words]
        with subprocess.Popen(
            command, cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            while once and not once() and process.poll() is None:
                time.sleep(0.05)
            try:
                process.wait(timeout=after_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return True
        return False

    def facts(self, run: str = "latest") -> list[dict]:
        """Give the lines of a run's records."""
        path = self.root / "runs" / run / "records.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def description(self, run: str = "latest") -> dict:
        """Give run.json."""
        return json.loads((self.root / "runs" / run / "run.json").read_text())

    def speak(self, *lines: dict) -> None:
        """Write the corpus `speech`, one second of noise an utterance."""
        self.corpus.mkdir(exist_ok=True)
        rows = []
        for number, line in enumerate(lines):
            path = self.corpus / f"{line['id']}.wav"
            noise = np.random.default_rng(number).uniform(-0.1, 0.1, 16_000 + 1600 * number)
            soundfile.write(path, noise.astype(np.float32), 16_000)
            rows.append({"audio": path.name, "language": "en", **line})
        (self.corpus / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")

    def teach(self, body: str) -> None:
        """Change the fake runtime of the runs to come: `body` is Python that sees FakeBackend and Path."""
        self.pytester.makeconftest(f"from pathlib import Path\nfrom modellab.testing import FakeBackend\n{body}\n")


@pytest.fixture
def imports() -> Iterator[Imports]:
    """What runs within this process import; it has to be asked for before pytester, which forgets in the end."""
    kept = Imports()
    yield kept
    kept.keep()


@contextmanager
def _forgetting() -> Iterator[None]:
    """Give the fake runtime of this process back what a run within it was taught to change."""
    known = dict(vars(FakeBackend))
    try:
        yield
    finally:
        for name in vars(FakeBackend).keys() - known.keys():
            delattr(FakeBackend, name)
        for name, value in known.items():
            if vars(FakeBackend)[name] is not value:
                setattr(FakeBackend, name, value)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that is run here is a main process, even if this one is a worker."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.fixture
def lab(imports: Imports, pytester: pytest.Pytester) -> Lab:
    """A bench with the claims of this repository."""
    made = Lab(pytester, imports)
    pytester.makeini(CONFIGURATION)
    folder = pytester.mkdir("fixtures")
    for name, text in {"models": MODELS, "corpora": CORPORA, "bench": BENCH, "budgets": BUDGETS}.items():
        (folder / f"{name}.toml").write_text(text)
    pytester.makepyfile(**{f"{path.stem}_claims": path.read_text() for path in sorted(CLAIMS.glob("test_*.py"))})
    made.speak(
        {"id": "a", "text": "hello world"}, {"id": "b", "text": "hello world"}, {"id": "c", "text": "goodbye world"}
    )
    return made
