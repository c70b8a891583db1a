"""Two runs against each other."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from modellab.errors import BadRecord
from modellab.records.run import CorpusFacts
from modellab.reporting.compare import compare_runs
from modellab.reporting.comparison_table import change, print_comparison


def printed(found, alone=(), most=10):
    """Give what the terminal would show."""
    out = StringIO()
    print_comparison(found, alone, Console(file=out, width=200), most=most)
    return re.sub(r"[ \t]+", " ", out.getvalue())


def test_equal_words_are_no_change(run, record):
    """Spelling that the normaliser takes away is no change."""
    before, after = [record("a", "hello world", "Hello, world!")], [record("a", "hello world", "hello world")]
    ((one,), alone) = compare_runs((run(1), before), (run(1), after))
    assert (one.compared, one.changed, one.difference.change, alone) == (1, (), 0, ())


def test_changes_are_listed_worst_first(run, record):
    """Each utterance that changed is listed with both texts, the one that gained most errors first."""
    said = "one hat sat there"
    before = [record("better", said, "one cat sat there"), record("worse", said, said)]
    after = [record("better", said, said), record("worse", said, "one bat spat here")]
    ((one,), _) = compare_runs((run(2), before), (run(2), after))
    assert [(c.utterance, c.more_errors) for c in one.changed] == [("worse", 3), ("better", -1)]
    text = printed([one])
    assert "worse: 0 errors, then 3" in text
    assert change(one.difference) == "+25.00\n95%: -25.00 to +75.00\n2 utterances, still open"


def test_the_listing_is_cut_and_says_so(run, record):
    """No more than asked for are shown, and the rest is counted."""
    before = [record(f"u{n}", "a hat", "a hat") for n in range(5)]
    after = [record(f"u{n}", "a hat", "a cat") for n in range(5)]
    (found, _) = compare_runs((run(5), before), (run(5), after))
    assert "and 3 more (--most 5 shows all)" in printed(found, most=2)


def test_what_one_run_lacks_is_counted(run, record):
    """Utterances and models that only one run has are not compared, and are named."""
    other = "openai-whisper:whisper-base:cpu:float32"
    before = [record("a"), record("b"), record("a", model=other)]
    ((one,), alone) = compare_runs((run(2), before), (run(2), [record("a"), record("b", heard=None)]))
    assert (one.compared, one.only_before, one.only_after) == (1, 1, 0)
    assert alone == (f"{other} on tones",)
    assert "not compared: 1 heard before only, 0 after only" in printed([one])
    assert f"In one run only: {other} on tones" in printed([one], alone)


def test_speakers_are_drawn_whole(run, record):
    """Where every speaker is known, the interval is over speakers."""
    before = [record(f"u{n}", "a hat", "a hat", speaker=f"s{n % 2}") for n in range(4)]
    ((one,), _) = compare_runs((run(4), before), (run(4), before))
    assert (one.difference.clusters, one.difference.unit) == (2, "speaker")


def test_other_speech_is_refused(run, record):
    """Runs that heard a corpus at different revisions do not compare, and the error names both."""
    facts = CorpusFacts(revision="aaaa", utterances=1, duration_s=2.0, languages=("en",))
    old, new = (
        replace(run(1), corpora={"tones": facts}),
        replace(run(1), corpora={"tones": replace(facts, revision="bbbb")}),
    )
    with pytest.raises(BadRecord, match=r"'tones' is at revision aaaa .* at bbbb"):
        compare_runs((old, [record()]), (new, [record()]))


def test_runs_with_nothing_in_common_are_refused(run, record):
    """Two runs without a model and corpus in common have nothing to compare."""
    with pytest.raises(BadRecord, match="share no model on a corpus"):
        compare_runs((run(1), [record()]), (run(1), [record(corpus="other")]))
