"""What importing costs: little time, and no runtime."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "ctranslate2", "whisper", "faster_whisper", "onnxruntime", "pytest", "scipy"}
SCRIPTS = {
    "backend classes": """
from modellab.backends.registry import backend_class, backend_names
assert len([backend_class(name) for name in backend_names()]) >= 4
""",
    "backend modules": """
import importlib, pkgutil, modellab.backends as home
names = [found.name for found in pkgutil.iter_modules(home.__path__)]
assert len([importlib.import_module(f"{home.__name__}.{name}") for name in names]) > 6
""",
    "measuring and records": """
import modellab.measuring.accuracy, modellab.measuring.cold_start, modellab.measuring.host
import modellab.measuring.latency, modellab.records.store
""",
    "definitions": "import modellab.checkpoints.layouts, modellab.corpora.registry, modellab.verdicts.budget",
    "command": "import modellab.cli",
}
CLOCKED = """
from time import perf_counter
start = perf_counter()
import modellab
print(perf_counter() - start)
"""


def told_by_child(script: str) -> list[str]:
    """Give the words that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def loaded_by(script: str) -> set[str]:
    """Give the top-level modules that a script leaves loaded in a fresh interpreter."""
    return {name.partition(".")[0] for name in told_by_child(f"{script}\nimport sys\nprint(*sys.modules)")}


def test_importing_takes_no_time() -> None:
    """`import modellab` in a fresh interpreter takes less than 0.3 s, the best of five."""
    assert min(float(told_by_child(CLOCKED)[0]) for _ in range(5)) < 0.3


def test_importing_loads_nothing_heavy() -> None:
    """`import modellab` loads no runtime, no numpy and no pytest."""
    assert not loaded_by("import modellab") & (HEAVY | {"numpy", "pydantic"})


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_no_runtime_is_loaded_before_it_is_needed(script: str) -> None:
    """The classes of all backends, and all that measures and records, can be imported without any runtime."""
    assert not loaded_by(script) & HEAVY


def test_the_reading_of_loaded_modules_is_true() -> None:
    """The reading that these tests stand on does see a module that is loaded."""
    assert "pytest" in loaded_by("import pytest")
