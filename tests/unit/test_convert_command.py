"""`modellab models convert`: what it prints, and how it ends."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from modellab.checkpoints.conversion import Conversion
from modellab.cli import main

ROOT = Path(__file__).parents[2]
SAME = {
    "corpus": "librivox",
    "utterances": 5,
    "before": "one in float32",
    "after": "other in int8",
    "changed": [],
    "words": 0.0,
    "states": {"mean": 0.067, "most": 13.25},
    "tolerance": {"words": 0.05, "mean": 0.15, "most": None},
    "passed": True,
}
OTHER = SAME | {
    "passed": False,
    "words": 0.5,
    "states": "not shown by this runtime",
    "changed": [{"utterance": "sense-1", "before": "hello world", "after": "hello word"}],
}


@pytest.fixture
def convert(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """A call of the command whose conversion came to some parity; what it was asked for is in `asked.json`."""

    def call(found: Mapping[str, object], *words: str) -> int:
        def made(checkpoint, target, folder, cache, check):
            (tmp_path / "asked.json").write_text(json.dumps([checkpoint.name, target.layout, str(folder)]))
            return Conversion(folder=folder, manifest={"parity": found})

        monkeypatch.setattr("modellab.checkpoints.conversion.convert", made)
        monkeypatch.setattr("modellab.corpora.registry.CorpusRegistry.read", lambda *_: None)
        return main(["--fixtures", str(ROOT / "fixtures"), "models", "convert", *words])

    return call


def test_what_hears_the_same_ends_with_0(convert, tmp_path, capsys) -> None:
    """The folder is named after checkpoint and layout, and both figures stand beside what is allowed."""
    assert convert(SAME, "whisper-tiny.en", "--to", "ct2:int8") == 0
    folder = "whisper-tiny.en-ctranslate2-int8"
    assert json.loads((tmp_path / "asked.json").read_text()) == ["whisper-tiny.en", "ctranslate2:int8", folder]
    told = capsys.readouterr().out
    for text in (f"{folder}/conversion.json", "5 utterances of librivox", "0.00% differ, 5.00% allowed"):
        assert text in told
    assert "mean: 0.067 apart, 0.15 allowed" in told
    assert "most: 13 apart, not judged" in told


def test_what_hears_otherwise_ends_with_1_and_the_words(convert, tmp_path, capsys) -> None:
    """The differing words are printed, the files are named, and states that nobody shows are said to be so."""
    assert convert(OTHER, "whisper-tiny.en", "--to", "ggml:q5_1", "--output", str(tmp_path / "out")) == 1
    told = capsys.readouterr()
    for text in (str(tmp_path / "out"), "not shown by this runtime", "sense-1", "hello world", "hello word"):
        assert text in told.out
    assert "its files are kept" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("whisper-tiny.en", "--to", "ggml:q4_0"), "Known: float16, q5_1, q8_0"),
        (("whisper-tiny.en", "--to", "gguf"), "no layout 'gguf'"),
        (("whisper-tinny.en", "--to", "ggml"), "Did you mean 'whisper-tiny.en'?"),
    ],
)
def test_what_there_is_not_is_an_error_with_a_remedy(convert, tmp_path, capsys, words, said) -> None:
    """An unknown quantisation, layout or checkpoint ends with 1, and nothing is converted."""
    assert convert(SAME, *words) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "asked.json").exists()
