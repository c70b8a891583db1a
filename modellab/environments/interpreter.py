"""Interpreter: what an environment says of itself when it is asked."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from inspect import getsource
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from modellab.environments.surroundings import Surroundings
from modellab.errors import EnvironmentUnavailable
from modellab.measuring.protocol import VERSION

LIMIT_S = 120.0
_TAIL_LINES = 12
_MARK = "modellab interpreter: "  # what a library prints when it is imported is no answer


def source_sha256(folder: Path) -> str:
    """Give a hash that two copies of a package share only if their Python is the same."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


_QUESTION = f"""
import hashlib, json, sys
from pathlib import Path
{getsource(source_sha256)}
told = {{"python": sys.version.split()[0], "prefix": sys.prefix, "layouts": {{}}, "broken": {{}}}}
try:
    from importlib.metadata import distributions, version
    import modellab
    told |= {{"folder": modellab.__path__[0], "modellab": version("modellab")}}
    told["source"] = source_sha256(Path(told["folder"]))
    told["versions"] = {{d.metadata["Name"]: d.version for d in distributions() if "Name" in d.metadata}}
    from importlib.util import find_spec
    from modellab.measuring.protocol import VERSION
    from modellab.backends.registry import backend_class, backend_names
    told["protocol"] = VERSION if find_spec("modellab.measuring.host") else None
    for name in backend_names():
        try:
            told["layouts"][name] = backend_class(name).layout
        except Exception as error:
            told["broken"][name] = str(error)
except Exception as error:
    told["missing"] = f"{{type(error).__name__}}: {{error}}"
print({_MARK!r} + json.dumps(told), flush=True)
"""

_REFUSAL = f"""
import json, sys
from modellab.backends.registry import refusal
from modellab.errors import ModelLabError
try:
    told = refusal(*sys.argv[1:])
except ModelLabError as error:
    told = str(error)
print({_MARK!r} + json.dumps({{"refusal": told}}), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """An environment that can host a worker for us.

    Attributes:
        python: the version of Python.
        modellab: the version of Model Lab.
        folder: where its Model Lab lies.
        prefix: the environment it belongs to.
        layouts: the layout of weights that each of its backends reads, by the name of the backend.
        broken: why a backend cannot be imported there, by its name.
        versions: of the packages that are installed there, by their normalised names.
        source_sha256: of its Model Lab's code.
    """

    python: str
    modellab: str
    folder: Path
    prefix: Path
    layouts: Mapping[str, str]
    broken: Mapping[str, str]
    versions: Mapping[str, str]
    source_sha256: str


def examine(surroundings: Surroundings, limit_s: float = LIMIT_S) -> Interpreter:
    """Start an interpreter and give what it says of itself.

    Raises:
        EnvironmentUnavailable: when it does not start or answer, has no Model Lab, or one that we cannot talk to.
    """
    told = _ask(surroundings, limit_s, _QUESTION)
    python, ours = surroundings.python, version("modellab")
    if "modellab" not in told:
        raise EnvironmentUnavailable(
            f"{python} has no Model Lab ({told['missing']}). Install it there: {python} -m pip install modellab=={ours}"
        )
    if told.get("protocol") != VERSION:
        reason = told.get("missing", "it is older than the workers")
        spoken = f"protocol {told['protocol']}" if told.get("protocol") else f"no protocol ({reason})"
        raise EnvironmentUnavailable(
            f"{python} has Model Lab {told['modellab']}, which speaks {spoken}; this is {ours}, which speaks protocol "
            f"{VERSION}. Compare with a later revision, or with an environment that has modellab=={ours}."
        )
    return Interpreter(
        python=told["python"],
        modellab=told["modellab"],
        folder=Path(told["folder"]),
        prefix=Path(told["prefix"]),
        layouts=told["layouts"],
        broken=told["broken"],
        versions={canonicalize_name(name): found for name, found in told["versions"].items()},
        source_sha256=told["source"],
    )


def refusal_of(surroundings: Surroundings, backend: str, device: str, compute_type: str) -> str | None:
    """Ask an interpreter that has Model Lab what `registry.refusal` says there; None where it would run.

    Raises:
        EnvironmentUnavailable: when it does not start or answer.
    """
    told = _ask(surroundings, LIMIT_S, _REFUSAL, backend, device, compute_type)
    return None if told["refusal"] is None else str(told["refusal"])


def existing(path: Path) -> Surroundings:
    """Give the surroundings of an interpreter that exists, or of the virtual environment in a folder.

    Raises:
        EnvironmentUnavailable: when there is none.
    """
    python = path.expanduser().absolute()
    if python.is_dir():
        python = python / "bin" / "python"
    if not python.is_file():
        raise EnvironmentUnavailable(
            f"there is no interpreter at {python}. Give the path of one, or the folder of a virtual environment: "
            f"--base-python .venv-old/bin/python"
        )
    # what this process was told to import from must not hide what is installed there
    return Surroundings(python=python, env={"PYTHONPATH": None, "PYTHONHOME": None}, origin=f"the packages of {python}")


def _ask(surroundings: Surroundings, limit_s: float, question: str, *words: str) -> dict[str, Any]:
    python = surroundings.python
    env = {name: value for name, value in {**os.environ, **surroundings.env}.items() if value is not None}
    try:
        answer = subprocess.run(  # noqa: S603
            (str(python), "-P", "-c", question, *words),
            cwd=surroundings.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
        )
    except OSError as error:
        raise EnvironmentUnavailable(
            f"cannot start {python}: {error.strerror}. It must be a Python, 3.11 or later."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnavailable(
            f"{python} did not say what it has within {limit_s:g} s: is it a Python?"
        ) from error
    for line in answer.stdout.splitlines():
        if line.startswith(_MARK):
            told: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return told
    said = "".join(f"\n  {line}" for line in (answer.stderr + answer.stdout).splitlines()[-_TAIL_LINES:])
    raise EnvironmentUnavailable(
        f"{python} did not say what it has (exit {answer.returncode}). It must be a Python, 3.11 or later.{said}"
    )
