"""Slices: pooled by what utterances have in common, and nothing left out of them."""

from dataclasses import replace

import pytest

from modellab.reporting.slices import FEW_UNITS, duration_range, slices, spoken
from modellab.scoring.score import Score

RIGHT = Score(metric="wer", normalizer="basic@1", hits=9)
WRONG = Score(metric="wer", normalizer="basic@1", hits=6, substitutions=3)


def sliced(utterances, field, **options):
    """Give the slices of the only corpus by one field, by value."""
    found = {slicing.field: slicing.slices for slicing in slices(utterances, **options)}
    return {(one.value, one.values): one for one in found.get(field, ())}


def test_a_slice_pools_its_utterances(record) -> None:
    """The errors and words of a speaker's utterances are summed, and the worst speaker comes first."""
    heard = [
        spoken(record("a", speaker="good"), RIGHT),
        spoken(record("b", speaker="bad"), WRONG),
        spoken(record("c", speaker="bad"), RIGHT),
    ]
    by_value = sliced(heard, "speaker")
    assert list(by_value) == [("bad", 1), ("good", 1)]
    bad = by_value["bad", 1]
    assert (bad.utterances, bad.score.errors, bad.score.reference_length) == (2, 3, 18)


def test_an_interval_needs_two_clusters(record) -> None:
    """One utterance gives no interval of its speaker's rate, two give one, drawn over utterances."""
    heard = [
        spoken(record("a", speaker="one"), RIGHT),
        spoken(record("b", speaker="two"), WRONG),
        spoken(record("c", speaker="two"), RIGHT),
    ]
    by_value = sliced(heard, "speaker")
    assert by_value["one", 1].interval is None
    interval = by_value["two", 1].interval
    assert interval is not None
    assert (interval.unit, interval.clusters) == ("utterance", 2)


def test_other_fields_are_drawn_over_speakers(record) -> None:
    """A slice by anything but the speaker is drawn over speakers where all are known."""
    heard = [
        spoken(record(f"u{n}", speaker=f"s{n % 3}", facts={"room": "ab"[n % 2]}), WRONG if n % 3 else RIGHT)
        for n in range(12)
    ]
    interval = sliced(heard, "room")["a", 1].interval
    assert interval is not None
    assert (interval.unit, interval.clusters) == ("speaker", 3)


def test_what_does_not_divide_a_corpus_is_no_field(record) -> None:
    """A field with one value in the whole corpus gives no slices."""
    assert slices([spoken(record("a"), RIGHT), spoken(record("b"), WRONG)]) == ()


def test_what_is_not_stated_is_a_slice_too(record) -> None:
    """Utterances of which the corpus says nothing stand under the empty value."""
    heard = [spoken(record("a", facts={"accent": "scots"}), RIGHT), spoken(record("b"), WRONG)]
    assert sliced(heard, "accent")["", 1].utterances == 1


def test_too_many_values_leave_a_rest(record) -> None:
    """Beyond the most values, those with the fewest errors are one slice, and no utterance is lost."""
    heard = [spoken(record(f"u{n}", speaker=f"s{n}"), replace(RIGHT, substitutions=n)) for n in range(7)]
    by_value = sliced(heard, "speaker", most=3)
    assert list(by_value) == [("s6", 1), ("s5", 1), ("s4", 1), ("", 4)]
    assert by_value["", 4].score.errors == 0 + 1 + 2 + 3
    assert sum(one.utterances for one in by_value.values()) == len(heard)


def test_models_are_sliced_apart(record) -> None:
    """Each model has its own slice of the same value, and metrics are never pooled."""
    other = "openai-whisper:whisper-tiny.en:cpu:float32"
    heard = [
        spoken(record("a", speaker="one"), RIGHT),
        spoken(record("a", speaker="one", model=other), WRONG),
        spoken(record("b", speaker="two"), replace(RIGHT, metric="cer")),
        spoken(record("c", speaker="two"), RIGHT),
    ]
    (slicing,) = slices(heard)
    assert sorted((one.value, one.score.metric, one.score.errors) for one in slicing.slices) == [
        ("one", "wer", 0),
        ("one", "wer", 3),
        ("two", "cer", 0),
        ("two", "wer", 0),
    ]


def test_a_few_words_are_marked(record) -> None:
    """A slice is small below the number of words from which a rate says something."""
    enough = replace(RIGHT, hits=FEW_UNITS)
    by_value = sliced([spoken(record("a", speaker="x"), RIGHT), spoken(record("b", speaker="y"), enough)], "speaker")
    assert (by_value["x", 1].is_small, by_value["y", 1].is_small) == (True, False)


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(0.0, "0 to 2 s"), (1.99, "0 to 2 s"), (2.0, "2 to 5 s"), (29.9, "20 to 30 s"), (30.0, "30 s and more")],
)
def test_durations_fall_into_ranges(duration_s, expected) -> None:
    """A range holds its lower bound and not its upper one."""
    assert duration_range(duration_s) == expected
