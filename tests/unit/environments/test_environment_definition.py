"""What environments.toml may say, and what is said of what it may not."""

from pathlib import Path

import pytest

from modellab.environments.definition import read_environments
from modellab.errors import BadDefinition, UnknownName

GOOD = """
schema = 1
[environments.lfm2]
python = "3.12"
extras = ["lfm2"]
constraints = "pins.txt"
[environments.plain]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of two environments, and the constraints of one."""
    (tmp_path / "pins.txt").write_text("numpy==2.0\n")
    (tmp_path / "environments.toml").write_text(GOOD)
    return tmp_path / "environments.toml"


def test_environments_are_read_in_their_order(path: Path) -> None:
    """Each has its interpreter, extras and constraints; what is left out is this interpreter, and nothing more."""
    lfm2, plain = read_environments(path)
    assert (lfm2.name, lfm2.python, lfm2.extras, lfm2.constraints) == (
        "lfm2", "3.12", ("lfm2",), path.parent / "pins.txt",
    )  # fmt: skip
    assert (plain.name, plain.python, plain.extras, plain.constraints) == ("plain", None, (), None)


def test_no_file_is_no_environments(tmp_path: Path) -> None:
    """A project without the file has none, and a name is answered with where they would be defined."""
    none = read_environments(tmp_path / "environments.toml")
    assert list(none) == []
    with pytest.raises(UnknownName, match=r"no environment 'lfm2'\. Known: none\. .*environments\.toml"):
        none.get("lfm2")


def test_an_unknown_environment_gives_the_nearest(path: Path) -> None:
    """A name with a slip in it is answered with the one that was meant."""
    with pytest.raises(UnknownName, match=r"Did you mean 'lfm2'\?"):
        read_environments(path).get("lfm")


@pytest.mark.parametrize(
    ("old", "new", "facts"),
    [
        ("schema = 1", "schema = 2", ("schema must be 1",)),
        ("[environments.lfm2]", '[environments."../lfm2"]', ("'../lfm2'", "names a folder")),
        ('python = "3.12"', "python = 3.12", ("python must be",)),
        ('python = "3.12"', 'python = "python3"', ("python must be", "'python3'")),
        ("extras =", "extra =", ("unknown key 'extra'", "Did you mean 'extras'")),
        ('"pins.txt"', '"none.txt"', ("'lfm2'", "no file of constraints at", "none.txt")),
        ("[environments.plain]", "[environments.plain", ("cannot read environments",)),
    ],
)
def test_a_wrong_definition_names_the_place(path: Path, old: str, new: str, facts: tuple[str, ...]) -> None:
    """Each mistake is answered with the file, the environment, the key and what is allowed."""
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadDefinition) as refused:
        read_environments(path)
    for fact in ("environments.toml", *facts):
        assert fact in str(refused.value)
