"""Languages: what was spoken and what was detected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modellab.scoring.language import Detection, Detections, detections, language_code

tags = st.sampled_from(["en", "de", "en-US", "zh-cn", "zh", "", None, "und", "german"])
pairs = st.lists(st.tuples(tags, tags), max_size=12)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("zh-cn", "zh"),
        ("zh_Hans_CN", "zh"),
        ("cmn_hans_cn", "zh"),
        (" pt-BR ", "pt"),
        ("yue", "yue"),
        ("haw", "haw"),
        ("jw", "jv"),
        ("jv", "jv"),
        ("iw", "he"),
        ("nb_no", "no"),
        ("nn", "nn"),
        ("fil_ph", "tl"),
        ("", None),
        (None, None),
        ("und", None),
        ("english", None),
        ("e", None),
        ("-", None),
        ("12", None),
    ],
)
def test_codes(tag: str | None, code: str | None) -> None:
    """Of a tag the language counts, in small letters and under one code; what is no code says no language."""
    assert language_code(tag) == code


def test_accuracy_is_the_share_detected() -> None:
    """Three of four languages detected are three quarters, whatever region the corpus states."""
    found = detections([("en-US", "en"), ("en", "en"), ("de", "nl"), ("zh-cn", "zh")])
    assert (found.accuracy, found.judged, found.unjudged) == (0.75, 4, 0)


def test_confusions_are_listed() -> None:
    """Each pair stands with its count, the most frequent first, ties by the alphabet, and the wrong ones alone too."""
    found = detections([("de", "nl"), ("en", "en"), ("no", "sv"), ("de", "nl"), ("de", "en")])
    assert [(one.stated, one.detected, one.count) for one in found.found] == [
        ("de", "nl", 2), ("de", "en", 1), ("en", "en", 1), ("no", "sv", 1),
    ]  # fmt: skip
    assert [(one.stated, one.detected) for one in found.mistaken] == [("de", "nl"), ("de", "en"), ("no", "sv")]


@pytest.mark.parametrize("pair", [("", "en"), (None, "en"), ("en", None), ("und", "en"), ("en", "")])
def test_without_a_language_nothing_is_judged(pair: tuple[str | None, str | None]) -> None:
    """Where corpus or model states no language there is no accuracy, and the utterance is counted as such."""
    found = detections([pair])
    assert (found.accuracy, found.judged, found.unjudged) == (None, 0, 1)


def test_detections_pool() -> None:
    """Counts of the same pair are added up, and so are those not judged."""
    total = detections([("de", "nl"), ("", "en")]) + detections([("de", "nl"), ("de", "de"), ("", "de")])
    assert total == Detections(
        found=(Detection(stated="de", detected="nl", count=2), Detection(stated="de", detected="de", count=1)),
        unjudged=2,
    )
    assert total.accuracy == pytest.approx(1 / 3)


@given(pairs, pairs)
def test_parts_add_to_the_whole(one: list[tuple[str | None, str | None]], other: list) -> None:
    """Detections of two parts add to those of all, and every utterance is judged or not."""
    whole = detections(one + other)
    assert detections(one) + detections(other) == whole
    assert whole.judged + whole.unjudged == len(one) + len(other)
