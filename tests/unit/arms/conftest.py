"""Small git repositories: a project that pip builds without fetching anything, in as many commits as a test wants."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# A build backend that lies in the project: it zips the package and says what the entry points are.
BUILDER = '''
import base64, hashlib, os, pathlib, zipfile

ENTRY_POINTS = """
[modellab.backends]
echo = house_echo:Echo
"""

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, about = "house_echo-1.0-py3-none-any.whl", "house_echo-1.0.dist-info/"
    if pathlib.Path("broken").exists():
        raise SystemExit("the house is on fire")
    files = {str(path): path.read_bytes() for path in pathlib.Path("house_echo").rglob("*.py")}
    needs = pathlib.Path("needs").read_text() if pathlib.Path("needs").exists() else ""
    files[about + "METADATA"] = ("Metadata-Version: 2.1\\nName: house-echo\\nVersion: 1.0\\n" + needs).encode()
    files[about + "WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: house\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[about + "entry_points.txt"] = ENTRY_POINTS.encode()
    record = "".join(f"{path},,\\n" for path in [*files, about + "RECORD"])
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, content in {**files, about + "RECORD": record.encode()}.items():
            wheel.writestr(path, content)
    return name
'''

PYPROJECT = """
[build-system]
requires = []
build-backend = "builder"
backend-path = ["building"]

[project]
name = "house-echo"
version = "1.0"
dependencies = []

[project.optional-dependencies]
loud = []
"""

BACKEND = """
from dataclasses import dataclass
from modellab.testing import FakeBackend

@dataclass(kw_only=True)
class Echo(FakeBackend):
    replies: tuple[str, ...] = ("from the base",)
"""

BENCH = """
schema = 1
model = ["whisper-tiny.en"]
backend = ["echo"]
device = ["cpu"]
corpus = ["tones"]
timed_corpus = ["tones"]

[compute_type]
default = ["float32"]

[decode]
beam_size = 1
"""

MODELS = (ROOT / "fixtures" / "models.toml").read_text()

PROJECT = {
    "pyproject.toml": PYPROJECT,
    "building/builder.py": BUILDER,
    "house_echo/__init__.py": BACKEND,
    "fixtures/bench.toml": BENCH,
    "fixtures/models.toml": MODELS,
    ".gitignore": "ignored\n",
}


class Repository:
    """A git repository of one branch, `main`, whose files tests change and commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        """Run git there as somebody of no settings."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "protocol.file.allow=always")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder, env=env | own, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, not committed."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: Mapping[str, str] | None = None) -> str:
        """Write files and commit all there is; give the commit."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[[str], Repository]:
    """A maker of repositories with no commit."""

    def make(name: str) -> Repository:
        (tmp_path / name).mkdir()
        made = Repository(tmp_path / name)
        made.git("init", "--quiet", "--initial-branch=main")
        return made

    return make


@pytest.fixture
def repository(make_repository: Callable[[str], Repository]) -> Repository:
    """A repository with the project in its first commit."""
    made = make_repository("repository")
    made.commit(PROJECT)
    return made
