"""Rules: which gates are expected, and how each judges."""

from pathlib import Path

import pytest

from modellab.errors import BadDefinition
from modellab.gating.rules import Rules, read_rules
from modellab.verdicts.finding import Gate

FIXTURES = Path(__file__).parents[3] / "fixtures"
GOOD = """
schema = 1
rounds = 3
family_alpha = 0.02
[speed]
alpha = 0.01
looks = [4, 8]
shares = [0.5, 0.5]
[quality]
margin = 0.01
[[gate]]
metric = "rtf"
corpus = "c"
[[gate]]
metric = "cold_start"
corpus = "c"
model = "*tiny*"
interest = 0.2
[[gate]]
metric = "drift"
corpus = "c"
acknowledged = "another decoder"
"""


def read(folder: Path, text: str) -> Rules:
    path = folder / "gates.toml"
    path.write_text(text)
    return read_rules(path)


def test_the_rules_of_this_repository_are_read() -> None:
    """The repository expects every metric on a corpus that is defined."""
    rules = read_rules(FIXTURES / "gates.toml")
    assert {each.metric for each in rules.expectations} == {
        "drift",
        "quality",
        "rtf",
        "cpu",
        "cold_start",
        "peak_memory",
    }
    assert rules.corpora == ("librivox",)
    assert rules.unmatched(["a:b:cpu:int8"]) == ()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Plan and terms are those of the file, and a gate may have its own floor and interest."""
    rules = read(tmp_path, GOOD)
    rtf, cold, drift = rules.expectations
    assert (rules.rounds, rules.family_alpha, rules.terms.margin) == (3, 0.02, 0.01)
    assert (rtf.plan.alpha, rtf.plan.looks, rtf.plan.interest) == (0.01, (4, 8), 0.05)
    assert (cold.plan.interest, cold.model) == (0.2, "*tiny*")
    assert drift.acknowledged == "another decoder"


def test_gates_are_of_the_models_that_match(tmp_path: Path) -> None:
    """A glob makes a gate for each model; one that no model meets is told apart."""
    rules = read(tmp_path, GOOD)
    gates = rules.gates(["x:base:cpu:int8"])
    assert {gate.metric for gate in gates} == {"rtf", "drift"}
    (lost,) = rules.unmatched(["x:base:cpu:int8"])
    assert str(lost) == "cold_start of *tiny* on c"


def test_rules_may_be_narrowed(tmp_path: Path) -> None:
    """A confirmation judges what regressed alone, with its own chance of a false alarm."""
    rules = read(tmp_path, GOOD)
    one = rules.only([Gate(metric="rtf", model="x[1]:tiny:cpu:int8", corpus="c")]).with_alpha(0.02)
    assert list(one.gates(["x[1]:tiny:cpu:int8", "y:tiny:cpu:int8"])) == [
        Gate(metric="rtf", model="x[1]:tiny:cpu:int8", corpus="c")
    ]
    assert one.expectations[0].plan.alpha == 0.02
    with pytest.raises(BadDefinition, match="expects none of no gates"):
        rules.only([])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("schema = 1", "schema = 2", "schema must be 1"),
        ('metric = "rtf"', 'metric = "rtfx"', "metric must be one of cold_start, cpu, drift"),
        ('corpus = "c"', "", "corpus must be a text"),
        ("alpha = 0.01", "alpha = 2", "alpha must lie between 0 and 1"),
        ("looks = [4, 8]", "looks = [8, 4]", "looks must rise"),
        ("margin = 0.01", "margine = 0.01", "unknown key 'margine'. Did you mean 'margin'"),
        ("interest = 0.2", "interest = 0.01", "floor < interest"),
        ("[[gate]]", "[[gates]]", "unknown key 'gates'"),
        ("schema = 1", "schema = ", "cannot read what gates are expected"),
    ],
)
def test_rules_that_make_no_sense_are_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """What the file may not say is refused by file and key."""
    with pytest.raises(BadDefinition, match=rf"gates\.toml.*{reason}|{reason}.*gates\.toml"):
        read(tmp_path, GOOD.replace(old, new, -1 if "gate" in old else 1))


def test_no_gate_stops_before_its_evidence_stands_among_all(tmp_path: Path) -> None:
    """The chance of a false alarm of each gate is at most its share of the family's, of which drift is none."""
    rules = read(tmp_path, GOOD.replace("alpha = 0.01", "alpha = 0.019"))
    gates = rules.gates(["x:base:cpu:int8", "x:tiny:cpu:int8"])
    assert {gate.metric: each.plan.alpha for gate, each in gates.items() if gate.metric != "drift"} == {
        "rtf": pytest.approx(0.02 / 3),
        "cold_start": pytest.approx(0.02 / 3),
    }
    assert next(iter(rules.gates(["x:base:cpu:int8"]).values())).plan.alpha == 0.019
