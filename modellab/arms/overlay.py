"""Overlay: the packages of this environment in another one, without the project itself."""

import os
import site
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def lend(folder: Path, project: str) -> Path:
    """Make an environment of links to the packages that are installed here; give its interpreter.

    Nothing is copied and nothing fetched. What the distribution `project` has installed here is left out, so that
    another revision of it can stand in its place, alone: an import finds no other, and its version is no other's.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    into = folder / "lib" / version / "site-packages"
    for source in _sites():
        own = _own(project, source)
        for path in sorted(source.iterdir()):
            if path.name not in own and not os.path.lexists(into / path.name):
                (into / path.name).symlink_to(path)
    return folder / "bin" / "python"


def _sites() -> Iterator[Path]:
    """Give the folders that packages are installed in here, in the order in which they are searched."""
    known = {Path(name).resolve() for name in (*site.getsitepackages(), site.getusersitepackages())}
    seen = dict.fromkeys(Path(name).resolve() for name in sys.path if name)
    return (folder for folder in seen if folder in known and folder.is_dir())


def _own(project: str, folder: Path) -> set[str]:
    """Give the names in a folder of packages that belong to a distribution."""
    try:
        files = distribution(project).files or ()
    except PackageNotFoundError:
        return set()
    located = (Path(str(file.locate())) for file in files)
    inside = (path.resolve().relative_to(folder) for path in located if path.resolve().is_relative_to(folder))
    return {path.parts[0] for path in inside if path.parts}
