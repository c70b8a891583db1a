"""modellab new: write the beginning of something that stands in a package of one's own."""

import argparse
import re
from pathlib import Path
from string import Template

from modellab.errors import BadDefinition, NotWritten

SKELETON = Path(__file__).parent / "skeleton"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    new = commands.add_parser("new", help="write the beginning of a backend in a package of your own")
    kinds = new.add_subparsers(required=True, metavar="KIND")
    backend = kinds.add_parser(
        "backend",
        help="a package with one backend, which keeps the contract",
        description="Write the folder modellab-NAME: a package with one backend, one entry point and its tests.",
    )
    backend.add_argument("name", metavar="NAME", help="what --backend will call it, such as my-runtime")
    backend.add_argument("--into", type=Path, default=Path(), metavar="FOLDER", help="where it is written (here)")
    backend.set_defaults(run=_new_backend)


def write_backend(name: str, into: Path) -> Path:
    """Write the package of a backend, a toy that keeps the contract, and give its folder, `into/modellab-NAME`.

    Its distribution and module are called after modellab and the name, so that they hide no runtime of that name.

    Raises:
        BadDefinition: on a name that cannot be that of a package, or that an installed backend has.
        NotWritten: when the folder is there already, which is left as it is, or cannot be made.
    """
    from modellab.backends.registry import backend_names

    if not _NAME.fullmatch(name):
        raise BadDefinition(f"a backend's name is lower-case letters, digits and single hyphens, not {name!r}")
    if name in backend_names():
        raise BadDefinition(f"a backend {name!r} is installed already; choose another name")
    distribution = f"modellab-{name}"
    module = distribution.replace("-", "_")
    words = {
        "name": name,
        "distribution": distribution,
        "module": module,
        "cls": f"{name.title().replace('-', '')}Backend",
    }
    files = {"pyproject.toml": "pyproject.toml", f"{module}.py": "backend.py", f"test_{module}.py": "test.py"}
    texts = {file: _filled(template, words) for file, template in files.items()}
    folder = into / distribution
    try:
        folder.mkdir(parents=True)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        remedy = "nothing is written over what is there; name another place by --into"
        raise NotWritten(f"cannot write {folder}: {error.strerror}; {remedy}") from error
    return folder


def _filled(template: str, words: dict[str, str]) -> str:
    return Template((SKELETON / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)


def _new_backend(options: argparse.Namespace) -> None:
    folder = write_backend(options.name, options.into)
    print(f"wrote {folder}; next: pip install -e {folder}, then pytest {folder}")
