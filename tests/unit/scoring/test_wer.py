"""Word and character error rates: alignments that rebuild both sides, and counts that agree with jiwer's."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.normalize import normalizer
from modellab.scoring.score import Score
from modellab.scoring.wer import Edit, align, count, metric_for, score, score_all

NONE = normalizer("none")
BASIC = normalizer("basic")
METRICS = ["wer", "cer"]

words = st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "人", "é"])
sentences = st.lists(words, max_size=12).map(" ".join)
texts = st.one_of(sentences, st.text(max_size=30))


def units(text: str, metric: str) -> tuple[str, ...]:
    """Give what an alignment is made of."""
    return tuple("".join(text.split()) if metric == "cer" else text.split())


def counts(counted: Score | jiwer.WordOutput) -> tuple[int, int, int, int]:
    """Give the four counts alone."""
    return (counted.hits, counted.substitutions, counted.deletions, counted.insertions)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("the cat sat", "the cat sat", (3, 0, 0, 0)),
        ("the cat sat", "the bat sat", (2, 1, 0, 0)),
        ("the cat sat", "the sat", (2, 0, 1, 0)),
        ("the cat sat", "the big cat sat", (3, 0, 0, 1)),
        ("the cat sat", "", (0, 0, 3, 0)),
        ("", "thank you", (0, 0, 0, 2)),
        ("", "", (0, 0, 0, 0)),
        ("a b c d e f", "x b d e f g h", (4, 1, 1, 2)),
    ],
)
def test_counts(reference: str, hypothesis: str, expected: tuple[int, ...]) -> None:
    """Each kind of error is counted as itself; nothing written is all deletions, nothing said all insertions."""
    counted = score(reference, hypothesis, NONE)
    assert counts(counted) == expected
    assert (counted.metric, counted.normalizer) == ("wer", "none@1")


def test_runs_of_edits_are_kept_together() -> None:
    """Neighbouring units of one operation are one edit, with both sides of it."""
    assert align("he was not ill disposed at all my dear", "he is not at all my dear sir oh", NONE) == (
        Edit(operation="equal", reference=("he",), hypothesis=("he",)),
        Edit(operation="substitute", reference=("was",), hypothesis=("is",)),
        Edit(operation="equal", reference=("not",), hypothesis=("not",)),
        Edit(operation="delete", reference=("ill", "disposed"), hypothesis=()),
        Edit(operation="equal", reference=("at", "all", "my", "dear"), hypothesis=("at", "all", "my", "dear")),
        Edit(operation="insert", reference=(), hypothesis=("sir", "oh")),
    )


def test_what_normalises_to_nothing_was_not_said() -> None:
    """A reference of marks alone is an empty one, and so is a hypothesis."""
    assert score("...", "hello", BASIC).reference_length == 0
    assert score("hello", "[noise]", BASIC).deletions == 1


@pytest.mark.parametrize("metric", METRICS)
@given(reference=texts, hypothesis=texts)
def test_every_reference_unit_is_counted_once(metric: str, reference: str, hypothesis: str) -> None:
    """Hits, substitutions and deletions are the reference; hits, substitutions and insertions the hypothesis."""
    counted = score(reference, hypothesis, NONE, metric)
    assert counted.reference_length == len(units(reference, metric))
    assert counted.hits + counted.substitutions + counted.insertions == len(units(hypothesis, metric))


@pytest.mark.parametrize("metric", METRICS)
@given(text=texts)
def test_a_text_has_no_errors_against_itself(metric: str, text: str) -> None:
    """A text aligned with itself is one run of hits, or nothing where it is empty."""
    edits = align(text, text, NONE, metric)
    assert [edit.operation for edit in edits] == (["equal"] if text.strip() else [])
    assert count(edits, NONE, metric).errors == 0


@pytest.mark.parametrize("metric", METRICS)
@given(reference=texts, hypothesis=texts)
def test_edits_rebuild_both_sides(metric: str, reference: str, hypothesis: str) -> None:
    """The edits put one after another are the reference on one side and the hypothesis on the other."""
    edits = align(reference, hypothesis, NONE, metric)
    assert sum((edit.reference for edit in edits), ()) == units(reference, metric)
    assert sum((edit.hypothesis for edit in edits), ()) == units(hypothesis, metric)
    assert all((edit.reference == edit.hypothesis) is (edit.operation == "equal") for edit in edits)


@given(reference=sentences.filter(bool), hypothesis=sentences)
def test_words_are_counted_as_jiwer_counts_them(reference: str, hypothesis: str) -> None:
    """The four counts of words are those that jiwer gives for the texts themselves."""
    counted, expected = score(reference, hypothesis, NONE), jiwer.process_words(reference, hypothesis)
    assert counts(counted) == counts(expected)
    assert counted.rate == pytest.approx(expected.wer)


@given(reference=st.text("abcde", min_size=1, max_size=20), hypothesis=st.text("abcde", max_size=20))
def test_characters_are_counted_as_jiwer_counts_them(reference: str, hypothesis: str) -> None:
    """The rate of characters is that which jiwer gives for texts without spaces."""
    assert score(reference, hypothesis, NONE, "cer").rate == pytest.approx(jiwer.cer(reference, hypothesis))


@pytest.mark.parametrize("metric", METRICS)
@given(pairs=st.lists(st.tuples(texts, texts), max_size=5))
def test_many_pairs_are_scored_as_one_is(metric: str, pairs: list[tuple[str, str]]) -> None:
    """A batch of pairs has the scores that its pairs have alone, in their order."""
    assert score_all(pairs, BASIC, metric) == tuple(score(*pair, BASIC, metric) for pair in pairs)


@given(reference=sentences, hypothesis=sentences)
def test_the_way_back_exchanges_insertions_and_deletions(reference: str, hypothesis: str) -> None:
    """As many errors lead from the hypothesis to the reference as the other way."""
    assert score(reference, hypothesis, NONE).errors == score(hypothesis, reference, NONE).errors


@pytest.mark.parametrize(
    ("language", "metric"),
    [("zh", "cer"), ("ja", "cer"), ("th", "cer"), ("yue", "cer"), ("en", "wer"), ("ko", "wer"), ("", "wer")],
)
def test_languages_without_spaces_are_scored_by_characters(language: str, metric: str) -> None:
    """Chinese, Japanese and the like are scored by characters, all others by words."""
    assert metric_for(language) == metric


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "length"),
    [
        ("你好,世界。", "你好 世界", 0, 4),
        ("你好世界", "你好地界", 1, 4),
        ("今日は世界", "今日世界", 1, 5),
        ("一二三", "", 3, 3),
    ],
)
def test_characters_ignore_space_and_marks(reference: str, hypothesis: str, errors: int, length: int) -> None:
    """By characters, where spaces and marks stand does not count, and each character does."""
    counted = score(reference, hypothesis, BASIC, "cer")
    assert (counted.errors, counted.reference_length) == (errors, length)
