"""The example of a file `.env`: the one in the repository is the one that the settings make, and all of it is true."""

from pathlib import Path

import pytest

from modellab.server.settings import ServerSettings
from modellab.server.variables import WIDTH, example, read_settings, variables

COMMITTED = Path(__file__).parents[3] / ".env.example"
SET = [line.removeprefix("#") for line in example().splitlines() if line.startswith("#MODELLAB_SERVER_")]


def test_the_committed_example_is_up_to_date() -> None:
    """`modellab server config --example > .env.example` changes nothing."""
    assert COMMITTED.read_text(encoding="utf-8") == example()


def test_every_setting_is_explained() -> None:
    """Each has a line of its own and words on what it means above it."""
    assert [line.partition("=")[0] for line in SET] == [variable.name for variable in variables()]
    assert all(variable.meaning for variable in variables())
    lines = example().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("#MODELLAB"):
            assert lines[number - 1].startswith("# "), line
        assert len(line) <= WIDTH + 2


@pytest.mark.parametrize("line", SET, ids=lambda line: line.partition("=")[0])
def test_each_line_is_accepted(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without its # is accepted, and changes nothing, for it is the default."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(line + "\n")
    assert read_settings({}) == ServerSettings(_env_file=None)


def test_all_lines_together_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So are all of them at once."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("\n".join(SET))
    assert read_settings({}) == ServerSettings(_env_file=None)
