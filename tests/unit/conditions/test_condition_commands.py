"""The commands that speak of conditions."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.cli import main
from modellab.speech.utterance import Corpus

FIXTURES = str(Path(__file__).parents[3] / "fixtures")


@pytest.fixture
def talk(corpus: Callable[..., Corpus], tmp_path: Path) -> str:
    """The path of a corpus on disk: six utterances, 7.5 s."""
    lines = [json.dumps({"id": u.id, "audio": u.audio.name, "text": u.reference, "language": "en"}) for u in corpus()]
    path = tmp_path / "talk.jsonl"
    path.write_text("\n".join(lines))
    return str(path)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Give the exit code of a command and what it printed, spaces made one."""
    code = main(["--fixtures", FIXTURES, *words])
    told = capsys.readouterr()
    return code, " ".join(told.out.split()), told.err


def test_conditions_are_listed_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The list has each condition with its unit and numbers, and the telephone, which has none."""
    code, out, _ = printed(capsys, "conditions")
    assert code == 0
    assert "noise:NUMBERdB -20 to 60 pink noise" in out
    assert "telephone 8 kHz" in out
    assert "clip:NUMBER% 0.1 to 50" in out


def test_a_corpus_is_checked_as_it_is_heard(capsys: pytest.CaptureFixture[str], talk: str) -> None:
    """A check under conditions finds what they leave: the longer audio, whole, and the clipping."""
    code, out, _ = printed(capsys, "corpora", "check", f"{talk}+lead:2s+clip:5%")
    assert code == 0
    assert "corpus talk+lead:2s+clip:5%, revision" in out
    assert "(19.5 s)" in out
    assert "truncated: more is stated than can be read 0" in out
    assert "clipped 6 u0: peak 1.000" in out
    assert "clipped 0" in printed(capsys, "corpora", "check", talk)[1]


def test_a_check_says_what_conditions_leave_nothing_of(capsys: pytest.CaptureFixture[str], talk: str) -> None:
    """An utterance of which a cut leaves nothing cannot be read, and the reason names the condition."""
    code, out, _ = printed(capsys, "corpora", "check", f"{talk}+cut:1.2s")
    assert code == 0
    assert "cannot be read 3 u0: u0: cut:1.2s: it lasts 1 s, so nothing is left of it" in out


def test_a_check_names_an_unknown_condition(capsys: pytest.CaptureFixture[str], talk: str) -> None:
    """A condition that is not defined fails the command, naming the nearest."""
    code, _, complaint = printed(capsys, "corpora", "check", f"{talk}+revreb:1s")
    assert code == 1
    assert "no condition 'revreb'. Did you mean 'reverb'?" in complaint
