"""What a checkpoint is to be converted to, as a person writes it."""

import pytest

from modellab.checkpoints.target import TARGETS, parse_target
from modellab.errors import UnknownName


@pytest.mark.parametrize(
    ("written", "layout"),
    [
        ("ct2", "ctranslate2"),
        ("ctranslate2:int8", "ctranslate2:int8"),
        ("ct2:float16", "ctranslate2:float16"),
        ("ggml", "ggml:float16"),
        ("ggml:q5_1", "ggml:q5_1"),
        ("openai", "openai"),
        ("transformers", "transformers"),
    ],
)
def test_targets_have_a_layout(written: str, layout: str) -> None:
    """`ct2` is short for ctranslate2, and ggml without a type is float16."""
    assert parse_target(written).layout == layout


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("gguf", r"no layout 'gguf'.*Known: ct2, ctranslate2, ggml, openai, transformers"),
        ("ggml:q4_0", r"no quantisation of ggml 'q4_0'.*Known: float16, q5_1, q8_0"),
        ("ct2:q5_1", r"no quantisation of ctranslate2 'q5_1'.*int8"),
        ("openai:int8", r"no quantisation of openai 'int8'.*Known: none"),
        ("ggml:", r"no quantisation of ggml ''"),
        ("", r"no layout ''"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(written: str, said: str) -> None:
    """An unknown layout or quantisation is named, and so are those that are known."""
    with pytest.raises(UnknownName, match=said):
        parse_target(written)


def test_every_layout_has_a_type_where_none_is_named() -> None:
    """The first of a layout's types is the one that is meant."""
    assert all(parse_target(family).quantisation == kinds[0] for family, kinds in TARGETS.items())
