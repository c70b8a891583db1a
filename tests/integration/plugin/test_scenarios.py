"""Scenarios as pytest performs them: real processes over the fake runtime, and every fact in the run."""

from collections import Counter

import pytest

from modellab.cli import main

PRICES = """
schema = 1
[[price]]
machine = "mine"
per_hour = 36
currency = "EUR"
source = "test"
"""

SMALL = """
[performance]
calls = 6
callers = [2]
concurrent_calls = 3
replicas = [1]
batch_sizes = [1, 2]
offline_s = 4
bound_s = 5
requests = 90
tolerance = 3
rate_limit_s = 60
step_s = 0.5
turns = 16
reloads = 15
"""

BUDGET = """
[[budget]]
model = "*toy-en*"
set_on = 2026-11-23
machine = "test"
"""


@pytest.fixture
def small(lab):
    """A bench whose scenarios are short, and one model."""
    bench = lab.root / "fixtures" / "bench.toml"
    bench.write_text(bench.read_text().replace('["toy-en", "toy"]', '["toy-en"]') + SMALL)
    return lab


def budget(lab, **limits):
    """Set budgets beside those that there are."""
    path = lab.root / "fixtures" / "budgets.toml"
    path.write_text(path.read_text() + BUDGET + "".join(f"{name} = {limit}\n" for name, limit in limits.items()))


def test_nothing_is_performed_without_a_budget(small):
    """Claims about deployment that nobody set a limit for are left out."""
    small.run("-m", "performance").assert_outcomes(deselected=24)
    assert small.facts() == []


def test_every_scenario_is_performed_and_written_down(small, capsys):
    """Asked for what has no budget, each scenario is performed in processes of its own, and leaves its facts."""
    result = small.run("-m", "performance", "--unbudgeted", "--threads", "1")
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == 1, "six calls give no 95th percentile, which is said"
    result.stdout.fnmatch_lines(["*not measured: 6 calls give no 95th percentile*"])
    facts = small.facts()
    kinds = Counter(fact.get("scenario", fact["kind"]) for fact in facts)
    assert kinds["single-stream"] == 2  # one of them finds what a server can do
    assert kinds["concurrent"] == 1
    assert kinds["offline"] == 3
    assert kinds["server"] >= 2
    assert kinds["stream"] == 3
    assert kinds["growth"] == 2
    assert kinds["cold_start"] == 3
    streams = [fact for fact in facts if fact["kind"] == "stream"]
    assert {stream["method"] for stream in streams} == {"local-agreement-2"}
    assert all(stream["partials"][-1]["text"] == "hello world" for stream in streams)
    prices = small.root / "fixtures" / "prices.toml"
    prices.write_text(PRICES)
    page = small.root / "performance.md"
    run = str(small.root / "runs" / "latest")
    asked = ["--fixtures", str(prices.parent), "performance", run, "--output", str(page)]
    assert main([*asked, "--price", "mine"]) == 0
    written = page.read_text()
    for title in ("One caller", "Everything at once", "Requests by chance", "As it is spoken", "Starting", "Memory"):
        assert f"## {title}\n" in written
    assert "price at 36 EUR an hour" in written
    assert "(12 \\< 130)" in written
    assert main([*asked, "--price", "yours"]) == 1
    assert "no machine 'yours'" in capsys.readouterr().err


def test_a_budget_is_judged(small):
    """A figure within its budget passes, one beyond it fails, and says how much it was."""
    budget(small, offline_rtf=5.0, growth_bytes=1e6, peak_memory_bytes=1e3)
    result = small.run("-m", "performance", "--threads", "1")
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (4, 1)
    result.stdout.fnmatch_lines(["*AssertionError: * MiB*"])


@pytest.mark.parametrize(("limits", "outcome"), [({"first_partial_s": 60}, "passed"), ({"final_s": 1e-9}, "failed")])
def test_a_stream_is_judged_by_whatever_is_limited(small, limits, outcome):
    """Any of the limits of a stream has it performed, and it is held against those that are set."""
    budget(small, **limits)
    result = small.run("-m", "performance", "--threads", "1")
    assert {name: count for name, count in result.parseoutcomes().items() if name != "deselected"} == {outcome: 1}
    if outcome == "failed":
        result.stdout.fnmatch_lines(["*over budget, or not measured: final_s is * of 1e-09*"])


def test_timing_beside_others_is_refused(small):
    """Scenarios under xdist end in an error that says how to run them."""
    budget(small, offline_rtf=5.0)
    result = small.run("-m", "performance", "-n", "2")
    result.stdout.fnmatch_lines(["*timing beside other workers means nothing*"])
    assert result.ret != 0


def test_a_programme_that_means_nothing_is_refused(small):
    """A number of calls below one is refused by file and name before anything is measured."""
    bench = small.root / "fixtures" / "bench.toml"
    bench.write_text(bench.read_text().replace("calls = 6", "calls = 0"))
    result = small.run("-m", "performance")
    result.stderr.fnmatch_lines(["*performance: calls must be above 0, not 0*"])
