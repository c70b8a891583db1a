"""Python: where on this machine there is an interpreter of some version."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from modellab.errors import EnvironmentUnavailable

_LIMIT_S = 30.0
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def python_of(version: str | None) -> Path:
    """Give an interpreter of a version such as "3.12": this one where it will do, else one on PATH or of pyenv.

    Raises:
        EnvironmentUnavailable: when there is none.
    """
    if version in {None, f"{sys.version_info.major}.{sys.version_info.minor}"}:
        return Path(sys.executable)
    for candidate in _candidates(str(version)):
        if version_of(candidate) == version:
            return candidate
    raise EnvironmentUnavailable(
        f"there is no Python {version} here: none on PATH called python{version}, and none of pyenv. Install one, or "
        f"name it: --python /path/to/python{version}"
    )


def version_of(python: Path) -> str | None:
    """Give the version of an interpreter, such as "3.12"; None where it does not start."""
    try:
        told = subprocess.run(  # noqa: S603
            (str(python), "-I", "-c", _VERSION), capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.get_exec_path():
        if (found := Path(folder) / f"python{version}").is_file():
            yield found
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted((root / "versions").glob(f"{version}.*/bin/python"), reverse=True)
