"""The packages of this environment, lent to another one."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

from modellab.arms.overlay import lend

ASKS = """
import importlib.metadata as m, json, sys, numpy
names = sorted((d.metadata["Name"] or "").lower() for d in m.distributions())
try:
    import modellab
    found = modellab.__file__
except ImportError:
    found = None
print(json.dumps([sys.prefix, numpy.__version__, m.version("numpy"), names, found]))
"""


def test_all_packages_but_the_project(tmp_path: Path) -> None:
    """Each package is there in its version, once; the project is not, neither its code nor its name."""
    python = lend(tmp_path / "lent", "modellab")
    done = subprocess.run([python, "-I", "-c", ASKS], capture_output=True, text=True, check=True)
    prefix, imported, installed, names, found = json.loads(done.stdout)
    assert Path(prefix).samefile(tmp_path / "lent")
    assert imported == installed == version("numpy")
    assert len(names) > 20
    assert "modellab" not in names
    assert sorted(set(names)) == names, "each once"
    assert found is None


def test_a_project_that_is_not_installed(tmp_path: Path) -> None:
    """Where the project is none of ours, all that is here is lent."""
    python = lend(tmp_path / "lent", "nobody-has-this")
    ask = "import modellab, importlib.metadata as m; print(m.version('modellab'))"
    done = subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version("modellab")
