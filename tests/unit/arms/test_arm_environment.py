"""Environments of two revisions: whose packages they have, what is kept, and what is said where one cannot be made."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modellab.arms.checkout import Checkout, check_out
from modellab.arms.environment import Installer
from modellab.arms.revision import resolve
from modellab.environments.interpreter import examine
from modellab.environments.step import Step
from modellab.environments.surroundings import Surroundings
from modellab.errors import EnvironmentUnavailable
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.speech.audio import Audio

ROOT = Path(__file__).parents[3]


def worker(surroundings: Surroundings, backend: str) -> Worker:
    """Give a worker of a backend without options in an arm."""
    stated = {"weights": None, "device": "cpu", "compute_type": "float32", "threads": 1, "decode": {}}
    return Worker(
        blueprint=Blueprint(backend=backend, fields=stated),
        python=surroundings.python,
        env=surroundings.env,
        cwd=surroundings.cwd,
        limit_s=60,
    )


def said(surroundings: Surroundings, backend: str) -> tuple[str, dict[str, str]]:
    """Give what a worker of an arm writes, and the versions of what is installed there."""
    with worker(surroundings, backend) as made:
        text = made.transcribe([Audio(samples=np.zeros(1600, np.float32))])[0].text
        return text, dict(made.versions)


class Arms:
    """Both checkouts of a repository, the second commit against the first, and an installer."""

    def __init__(self, repository: Any, cache: Path, stack: ExitStack) -> None:
        revision = resolve("HEAD~1", repository.folder)
        self.base = stack.enter_context(check_out(revision, cache))
        self.candidate = stack.enter_context(check_out(revision, cache, candidate=True))
        self.installer = Installer(cache=cache, limit_s=240)
        self._stack = stack

    def furnish(self, checkout: Checkout, backends: tuple[str, ...] = ()) -> Surroundings:
        """Give the environment of a checkout, until the test ends."""
        return self._stack.enter_context(self.installer.furnish(checkout, backends, self.candidate))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is closed when the test ends."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The root of the cache."""
    return tmp_path / "cache"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The purposes of the steps that are taken."""
    purposes: list[str] = []
    take = Step.take

    def noting(step: Step) -> None:
        purposes.append(step.purpose)
        take(step)

    monkeypatch.setattr(Step, "take", noting)
    return purposes


def test_each_arm_runs_its_own_code(repository: Any, cache: Path, stack: ExitStack, taken: list[str]) -> None:
    """Workers of both live at once, each with its revision's backend, in an environment of equal packages."""
    text = (repository.folder / "house_echo" / "__init__.py").read_text()
    repository.commit({"house_echo/__init__.py": text.replace("base", "candidate")})
    arms = Arms(repository, cache, stack)
    base, candidate = arms.furnish(arms.base), arms.furnish(arms.candidate)
    (old, old_versions), (new, new_versions) = said(base, "echo"), said(candidate, "echo")
    assert (old, new) == ("from the base", "from the candidate")
    assert old_versions == new_versions
    assert old_versions["house-echo"] == "1.0"
    assert base.origin == candidate.origin == "the packages of this environment"
    assert [len(str(part)) for part in (base.python, base.cwd)] == [
        len(str(part)) for part in (candidate.python, candidate.cwd)
    ], "an arm is not told by its paths"
    assert taken == [f"build {arms.base.commit[:7]}", f"build {arms.candidate.commit[:7]}"]


def test_the_second_time_nothing_is_run(repository: Any, cache: Path, taken: list[str]) -> None:
    """A revision that was built once is not built again; its folder has another name each time, and goes in the end."""
    repository.commit({"x": ""})
    folders = []
    for _ in range(2):
        with ExitStack() as stack:
            arms = Arms(repository, cache, stack)
            made = arms.furnish(arms.base)
            assert (made.log is None) == bool(folders)
            folders.append(made.cwd)
            assert examine(made).layouts["echo"] == "none"
    assert len(taken) == 1
    assert (len(set(folders)), [folder.exists() for folder in folders]) == (2, [False, False])


def test_another_declaration_is_installed(repository: Any, cache: Path, taken: list[str]) -> None:
    """A base that declares other packages gets an environment of its own, without the project; it is kept."""
    repository.commit({"pyproject.toml": (repository.folder / "pyproject.toml").read_text() + "\nloud2 = []\n"})
    (repository.folder / "constraints.txt").write_text("numpy==1\n")
    for _ in range(2):
        with ExitStack() as stack:
            arms = Arms(repository, cache, stack)
            made = arms.furnish(arms.base, ("loud", "echo"))
            assert made.origin == "packages of its own: it declares other packages than the candidate"
            assert made.python.is_relative_to(cache / "arms" / "environments")
            listed = subprocess.run(
                [made.python, "-I", "-m", "pip", "list"], capture_output=True, text=True, check=True
            )
            assert "numpy" not in listed.stdout
            assert "house-echo" not in listed.stdout, "it is the project's folder that has it, once"
    commit = arms.base.commit[:7]
    assert taken == [
        "make an environment",
        f"install the packages of {commit}",
        "leave out house-echo itself",
        f"build {commit}",
    ]


def test_packages_that_are_not_as_pinned_are_not_lent(repository: Any, cache: Path, stack: ExitStack) -> None:
    """Where this environment differs from what both declare, the base is installed as it declares; it says why."""
    repository.commit({"constraints.txt": "numpy==0.1\n"})
    repository.commit({"x": ""})
    arms = Arms(repository, cache, stack)
    base, candidate = arms.furnish(arms.base), arms.furnish(arms.candidate)
    assert base.origin.startswith("packages of its own: this environment has numpy ")
    assert candidate.origin == "the packages of this environment", "the candidate is this environment"


def test_a_base_that_does_not_build(repository: Any, cache: Path, stack: ExitStack) -> None:
    """The error has pip's last lines and the log, which stays; what was begun does not."""
    repository.commit({"broken": ""})
    repository.commit({"x": ""})
    arms = Arms(repository, cache, stack)
    with pytest.raises(
        EnvironmentUnavailable, match=rf"(?s)cannot build {arms.base.commit[:7]}: exit 1\..*on fire"
    ) as caught:
        arms.furnish(arms.base)
    assert "the house is on fire" in caught.value.log.read_text()
    assert list((cache / "arms" / "projects").glob("[0-9a-f]*[0-9]")) == []
    assert [path.name for path in (cache / "arms" / "seats").iterdir()] == [".lock"]


def test_a_base_whose_packages_are_not_to_be_had(repository: Any, cache: Path, stack: ExitStack) -> None:
    """A requirement that no index has is an error that names it, and no half of an environment is taken for good."""
    repository.commit({"needs": "Requires-Dist: nobody-has-this @ file:///nowhere/at-all.whl\n"})
    repository.commit({"pyproject.toml": (repository.folder / "pyproject.toml").read_text() + "\n"})
    repository.write({"constraints.txt": "x==1\n"})
    arms = Arms(repository, cache, stack)
    with pytest.raises(
        EnvironmentUnavailable, match=r"(?s)cannot install the packages of .*package index reachable.*at-all"
    ):
        arms.furnish(arms.base)
    assert list((cache / "arms" / "environments").glob("[0-9a-f]*[0-9a-f]")) == []


def test_no_time(repository: Any, cache: Path, stack: ExitStack) -> None:
    """An installation that takes too long ends, and says so."""
    repository.commit({"x": ""})
    arms = Arms(repository, cache, stack)
    arms.installer = Installer(cache=cache, limit_s=0.01)
    with pytest.raises(EnvironmentUnavailable, match=r"took more than 0\.01 s"):
        arms.furnish(arms.base)


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository of Model Lab itself")
def test_two_revisions_of_model_lab(
    make_repository: Any, cache: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of the base runs the base's Model Lab, host and all, wherever this process has its own from."""
    repository = make_repository("modellab")
    repository.git("pull", "--quiet", "--update-shallow", str(ROOT), "HEAD")
    testing = repository.folder / "modellab" / "testing.py"
    repository.commit({"modellab/testing.py": testing.read_text().replace('"hello world"', '"hello candidate"')})
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    arms = Arms(repository, cache, stack)
    base, candidate = arms.furnish(arms.base, ("fake",)), arms.furnish(arms.candidate)
    shutil.rmtree(testing.parent)
    (old, versions), (new, _) = said(base, "fake"), said(candidate, "fake")
    assert (old, new) == ("hello world", "hello candidate")
    assert versions["numpy"] == np.__version__
    for arm in (base, candidate):
        assert examine(arm).folder.is_relative_to(str(arm.cwd))
        assert not examine(arm).folder.samefile(ROOT / "modellab")
