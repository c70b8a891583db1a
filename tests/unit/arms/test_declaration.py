"""What a revision declares, when two declare the same, and whether this environment is what they declare."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from modellab.arms.declaration import Declaration
from modellab.errors import EnvironmentUnavailable

PROJECT = """
[project]
name = "House_Echo"
requires-python = ">=3.11"
dependencies = ["b>=1", "a"]
[project.optional-dependencies]
quiet = ["wool"]
loud = ["horn>=2"]
all = ["house-echo[quiet,loud]", "cake"]
round = ["house.echo[round]", "wheel"]
[tool.ruff]
line-length = 100
"""

Declare = Callable[..., Declaration]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """A maker of declarations, from the text of `pyproject.toml` and of `constraints.txt`."""

    def make(project: str = PROJECT, constraints: str | None = None) -> Declaration:
        (tmp_path / "pyproject.toml").write_text(project)
        if constraints is not None:
            (tmp_path / "constraints.txt").write_text(constraints)
        return Declaration.read(tmp_path)

    return make


def test_what_is_needed(declare: Declare) -> None:
    """Extras that name extras of the same project are put in, however its name is written, in any circle."""
    declared = declare()
    assert declared.needs(()) == ("a", "b>=1")
    assert declared.needs(["all"]) == ("a", "b>=1", "cake", "horn>=2", "wool")
    assert declared.needs(["round"]) == ("a", "b>=1", "wheel")


def test_extras_of_backends(declare: Declare) -> None:
    """A backend brings the extra that is called after it; one without an extra needs none."""
    assert declare().extras_for(["loud", "fake", "quiet"]) == ("loud", "quiet")


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("line-length = 100", "line-length = 120", True),
        ('["b>=1", "a"]', '["a", "b>=1"]', True),
        ('quiet = ["wool"]', 'quiet = ["silk"]', True),
        ('loud = ["horn>=2"]', 'loud = ["horn>=3"]', False),
        ('"a"]', '"a", "c"]', False),
        (">=3.11", ">=3.12", False),
    ],
)
def test_when_two_need_the_same(declare: Declare, before: str, after: str, same: bool) -> None:
    """Two revisions share an environment if what is installed for them is declared alike, and only then."""
    one, other = declare(), declare(PROJECT.replace(before, after))
    assert one.equals(other, ["loud"]) is same
    assert (one.key(["loud"], "c") == other.key(["loud"], "d")) is same


def test_pins_count(declare: Declare) -> None:
    """Another version in `constraints.txt` is another environment; a remark in it is not."""
    one, remark, other = (declare(constraints=text) for text in ("a==1\n", "# why\na==1 # so\n\n", "a==2\n"))
    assert (one.equals(remark, ()), one.equals(other, ())) == (True, False)
    assert one.key((), "") == remark.key((), "") != other.key((), "")


def test_what_only_a_build_can_say_is_never_shared(declare: Declare) -> None:
    """Where the dependencies are dynamic, two revisions share no environment."""
    dynamic = declare('[project]\nname = "x"\ndynamic = ["dependencies"]')
    assert not dynamic.equals(dynamic, ())
    assert dynamic.key((), "one") != dynamic.key((), "two")


def test_pins_that_do_not_hold_here(declare: Declare) -> None:
    """A pinned package that is installed in another version is named; one that is not installed is no matter."""
    numpy = version("numpy")
    declared = declare(constraints=f"numpy=={numpy}\nfilelock==0.1\nnot-installed==3\npsutil>=1\n")
    assert declared.unmet_pins() == (f"filelock {version('filelock')}, not 0.1",)
    assert declare(constraints=f"numpy=={numpy}+cpu ; python_version > '3'\n").unmet_pins() == ()


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ("[tool.ruff]", r"pyproject\.toml has no \[project\] name"),
        ("project = 3", r"pyproject\.toml has no \[project\] name"),
        ("[project", r"pyproject\.toml is not TOML"),
    ],
)
def test_what_is_no_project(declare: Declare, project: str, words: str) -> None:
    """The file, what is wrong in it and another way are named."""
    with pytest.raises(EnvironmentUnavailable, match=rf"cannot install the revision: .*{words}.*--base-python"):
        declare(project)


def test_no_project_at_all(tmp_path: Path) -> None:
    """A revision without `pyproject.toml` is named by the file that it lacks."""
    with pytest.raises(EnvironmentUnavailable, match=r"pyproject\.toml: No such file.*--base-python"):
        Declaration.read(tmp_path)
