"""The estimates of gates over time."""

import csv
import io

import pytest

from modellab.cli import main
from modellab.errors import BadRecord
from modellab.gating.dossier import Verdicts
from modellab.gating.history import FILE, as_csv, read_history, remember
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate


def verdicts(number, comparison=None, estimates=None):
    """Give what the comparison of one day came to."""
    findings = tuple(
        Finding(
            gate=Gate(metric=metric, model="tiny", corpus="librivox"),
            decision=Decision.ERROR if estimate is None else Decision.PASS,
            estimate=estimate,
            evidence={"block_sd": 0.03},
        )
        for metric, estimate in (estimates or {"rtf": number / 100}).items()
    )
    return Verdicts(
        id=comparison or f"c{number}",
        created_at=f"2026-11-{number:02}T00:00:00+00:00",
        base="aaa",
        candidate="bbb, with a comma",
        command="modellab gate",
        expected=(),
        findings=findings,
        minutes=1.0,
        machine="a processor",
    )


@pytest.fixture
def path(tmp_path):
    """Give the file of a history of three days."""
    for number in (1, 2, 3):
        remember(verdicts(number), tmp_path / FILE)
    return tmp_path / FILE


def test_what_is_remembered_is_read_again(path):
    """Every finding is an entry, oldest first."""
    entries = list(read_history(path))
    assert [entry.estimate for entry in entries] == [0.01, 0.02, 0.03]
    assert entries[0].gate == "rtf of tiny on librivox"
    assert entries[0].block_sd == 0.03


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_torn_line_is_passed_over(path, kept):
    """A line that was cut short costs itself alone, even where another one follows."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1] + lines[2][: int(len(lines[2]) * kept)])
    assert len(list(read_history(path))) == 2
    remember(verdicts(4), path)
    assert [entry.comparison for entry in read_history(path)] == ["c1", "c2", "c4"]


def test_a_whole_line_that_is_no_entry_is_refused(path):
    """What somebody else wrote there is named by its line, not passed over."""
    with path.open("a") as lines:
        lines.write('{"at": "today"}\n')
    with pytest.raises(BadRecord, match=r"history\.jsonl:4"):
        list(read_history(path))


def test_no_history_says_where_it_comes_from(tmp_path, capsys):
    """Where no gate ran yet, the command ends with 1 and the reason."""
    assert main(["history", "--gates", str(tmp_path)]) == 1
    assert "it is written by `modellab gate`" in capsys.readouterr().err


def rows(text):
    """Give the rows of comma-separated values."""
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_is_one_gate_of_one_comparison(path):
    """A comparison that was judged again has one row, of the last time; what was not measured has none."""
    remember(verdicts(5, "c1", {"rtf": 0.05, "drift": None, "cpu": float("nan"), "quality": -0.005}), path)
    found = rows(as_csv(read_history(path)))
    assert [(row["comparison"], row["gate"].split()[0], float(row["index"])) for row in found] == [
        ("c2", "rtf", pytest.approx(102)),
        ("c3", "rtf", pytest.approx(103)),
        ("c1", "rtf", pytest.approx(105)),
        ("c1", "quality", pytest.approx(99.5)),
    ]
    assert found[0]["candidate"] == "bbb, with a comma"


def test_no_entry_is_a_head(tmp_path):
    """Of nothing there are the names of the columns."""
    assert as_csv([]).startswith("at,comparison,base,candidate,gate,decision,estimate,")
    assert as_csv([]).count("\n") == 1


def test_the_command_writes_one_gate(path, capsys):
    """Only the gates that were asked for are written."""
    remember(verdicts(4, estimates={"rtf": 0.0, "drift": 0.0}), path)
    out = path.parent / "out.csv"
    assert main(["history", "--gates", str(path.parent), "--gate", "rtf of *", "--csv", str(out)]) == 0
    assert {row["gate"] for row in rows(out.read_text())} == {"rtf of tiny on librivox"}
    assert f"csv: {out}" in capsys.readouterr().out.replace("\n", "")
