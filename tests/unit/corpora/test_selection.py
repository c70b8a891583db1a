"""Selections: corpora as a person names them."""

from collections.abc import Mapping

import pytest

from modellab.corpora.selection import Selection, parse_selection, split_selections
from modellab.errors import BadDefinition
from modellab.speech.restriction import Restriction


def facts(wanted: Mapping[str, str]) -> tuple[Restriction, ...]:
    """Give the restrictions to these facts."""
    return tuple(Restriction(fact=name, sign="=", value=value) for name, value in wanted.items())


@pytest.mark.parametrize(
    ("text", "source", "where"),
    [
        ("librivox", "librivox", {}),
        ("  librivox ", "librivox", {}),
        ("my/manifest.jsonl", "my/manifest.jsonl", {}),
        ("multilingual[language=de]", "multilingual", {"language": "de"}),
        ("a b[ language = de , speaker = s 1 ]", "a b", {"language": "de", "speaker": "s 1"}),
        ("c[key=a=b]", "c", {"key": "a=b"}),
        ("c[key=]", "c", {"key": ""}),
        ("c[]", "c", {}),
        ("c[language=de,]", "c", {"language": "de"}),
        ("c [language=de]", "c", {"language": "de"}),
    ],
)
def test_what_is_written_is_understood(text: str, source: str, where: dict[str, str]) -> None:
    """A selection is a name or path, and facts in brackets with commas between; space around them is nothing."""
    assert parse_selection(text) == Selection(source=source, where=facts(where))


@pytest.mark.parametrize(
    "text", ["", "   ", "[language=de]", "c[language=de", "c]", "c[a=b][c=d]", "c[language]", "c[=de]", "c[a=b]x"]
)
def test_what_cannot_be_understood_is_refused(text: str) -> None:
    """A selection that is of no known form is refused as it was written."""
    with pytest.raises(BadDefinition, match="corpus '"):
        parse_selection(text)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("librivox", "librivox"),
        ("path/to/calls.jsonl", "calls"),
        ("path/to/calls.json", "calls"),
        ("path/to/calls/manifest.jsonl", "calls"),
        ("path/to/calls", "calls"),
        ("path/to/calls/wav.scp", "calls"),
        ("path/to/calls.tsv", "calls"),
        ("path/to/calls.csv", "calls"),
        ("path/to/calls.stm", "calls"),
        ("path/to/calls.jsonl.gz", "calls"),
        ("path/to/calls.parquet", "calls"),
        ("path/to/my calls: day 1", "my-calls-day-1"),
        ("set.v1", "set.v1"),
    ],
)
def test_a_corpus_is_named_by_its_file_or_folder(text: str, base: str) -> None:
    """The name of a corpus by path is that of its file, or of its folder, fit to stand in a test's id."""
    assert parse_selection(text).base == base


def test_a_restriction_is_part_of_the_name() -> None:
    """A restricted corpus is named by itself and the facts, in their order."""
    assert parse_selection("many[language=de,speaker=s1]").name == "many.de.s1"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a+noise:10dB", "a+noise:10dB"),
        ("a + noise:10dB +telephone", "a+noise:10dB+telephone"),
        ("a[language=de]+clip:20%", "a.de+clip:20%"),
        ("a[duration<20,language=de]", "a.duration<20.de"),
        ("a[duration>=1.5]", "a.duration>=1.5"),
        ("a[language!=de]", "a.language!=de"),
        ("hf:google/fleurs:de_de:test", "google-fleurs-de_de-test"),
        ("path/to/my+calls/manifest.jsonl", "my+calls"),
    ],
)
def test_conditions_and_comparisons_are_part_of_the_name(text: str, name: str) -> None:
    """Everything that makes a corpus another stands in its name."""
    assert parse_selection(text).name == name


@pytest.mark.parametrize("text", ["a", "my/a.jsonl[language=de,duration<20]+noise:10dB+telephone", "hf:a/b:c:d[x!=y]"])
def test_a_selection_can_be_written_again(text: str) -> None:
    """A selection as text is understood as the same selection."""
    assert parse_selection(str(parse_selection(text))) == parse_selection(text)
    assert str(parse_selection(text)) == text


@pytest.mark.parametrize("text", ["a[duration<long]", "a[<20]", "a[duration]", "a[]b"])
def test_comparisons_that_mean_nothing_are_refused(text: str) -> None:
    """A number that is none and a fact without a name or a value are refused."""
    with pytest.raises(BadDefinition, match="corpus '"):
        parse_selection(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        (" a , b ,, ", ("a", "b")),
        ("a[x=1,y=2],b", ("a[x=1,y=2]", "b")),
        ("a,b[x=1,y=2]", ("a", "b[x=1,y=2]")),
        ("a[x=1],b[y=2]", ("a[x=1]", "b[y=2]")),
        ("", ()),
    ],
)
def test_a_list_splits_at_commas_outside_brackets(text: str, parts: tuple[str, ...]) -> None:
    """A comma parts two selections unless it stands between brackets."""
    assert split_selections(text) == parts
