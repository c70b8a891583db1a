"""The corpora of `corpora.toml`, and those that are read by their path."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection, parse_selection
from modellab.errors import BadDefinition, BadManifest, UnknownName
from modellab.speech.utterance import Corpus

FIXTURES = Path(__file__).parents[3] / "fixtures"
SOUND = '{ id = "a", sound = "tone", duration_s = 0.1 }'
GOOD = f"""
schema = 1
[corpus.beeps]
reader = "synthesis"
description = "one beep"
license = "Apache-2.0"
sounds = [{SOUND}]
"""


def definitions(folder: Path, text: str = GOOD) -> Path:
    """Give the path of a definition file."""
    path = folder / "corpora.toml"
    path.write_text(text)
    return path


def recordings(folder: Path, language: str = "") -> Path:
    """Give a folder with two recordings and their texts."""
    home = folder / language
    home.mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        soundfile.write(home / f"{name}.wav", np.zeros(1_600, np.float32), 16_000)
        (home / f"{name}.txt").write_text(f"this is {name}")
    return folder


def read(source: str, folder: Path) -> Corpus:
    """Give a corpus as a person names it."""
    return read_corpora(definitions(folder)).read(parse_selection(source), folder / "cache")


def test_the_definitions_of_this_repository_are_read() -> None:
    """The repository's own corpora are defined with a reader, a description, a licence and hashes for all files."""
    registry = read_corpora(FIXTURES / "corpora.toml")
    assert {"librivox", "multilingual", "silence", "synthetic"} <= set(registry.definitions)
    for definition in registry.definitions.values():
        assert definition.description
        assert definition.license
        assert bool(definition.sounds) is (definition.reader == "synthesis")
        assert bool(definition.joins) is (definition.reader == "joined")
        assert bool(definition.fileset.files) is (definition.reader not in {"synthesis", "joined"})
        assert all(file.sha256 for file in definition.fileset.files)


def test_the_silence_of_this_repository_is_made(tmp_path: Path) -> None:
    """What needs no file is made in the cache, and nobody speaks in it."""
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="silence"), tmp_path)
    assert corpus.name == "silence"
    assert all(u.reference == "" and u.audio.is_relative_to(tmp_path) for u in corpus)


def test_files_come_from_their_source(tmp_path: Path) -> None:
    """A corpus of files is taken from its source into the cache, and has the language and speaker of its entry."""
    recordings(tmp_path / "mine")
    names = "\n".join(f'"{name}" = {{}}' for name in ("a.wav", "a.txt", "b.wav", "b.txt"))
    path = definitions(
        tmp_path,
        f"""
schema = 1
[corpus.mine]
reader = "sidecar"
description = "two"
license = "MIT"
language = "en"
speaker = "s1"
sources = [{{ kind = "folder", path = "mine" }}]
[corpus.mine.files]
{names}
""",
    )
    corpus = read_corpora(path).read(Selection(source="mine"), tmp_path / "cache")
    assert [(u.id, u.language, u.speaker) for u in corpus] == [("a", "en", "s1"), ("b", "en", "s1")]
    assert all(u.audio.is_relative_to(tmp_path / "cache") for u in corpus)


def test_an_unknown_name_gives_the_nearest(tmp_path: Path) -> None:
    """A corpus nobody knows is refused with the nearest name, all names, the file and what else could be given."""
    with pytest.raises(
        UnknownName, match=r"no corpus 'beep'\. Did you mean 'beeps'.*path of a manifest.*corpora\.toml"
    ):
        read("beep", tmp_path)


@pytest.mark.parametrize("named", ["calls/manifest.jsonl", "calls"])
def test_a_manifest_is_read_by_its_path(tmp_path: Path, named: str) -> None:
    """A manifest, or a folder with one in it, is a corpus by its path."""
    folder = recordings(tmp_path / "calls")
    (folder / "manifest.jsonl").write_text(json.dumps({"audio": "a.wav", "text": "one"}))
    corpus = read(str(tmp_path / named), tmp_path)
    assert (corpus.name, [u.reference for u in corpus]) == ("calls", ["one"])


def test_a_folder_of_recordings_is_read_by_its_path(tmp_path: Path) -> None:
    """A folder without a manifest is a corpus of its recordings and the texts beside them."""
    corpus = read(str(recordings(tmp_path / "calls")), tmp_path)
    assert (corpus.name, [u.reference for u in corpus]) == ("calls", ["this is a", "this is b"])


def test_a_selection_is_restricted_and_named_alike(tmp_path: Path) -> None:
    """A restricted corpus bears the name that its selection foretells."""
    recordings(recordings(tmp_path / "calls", "de"), "fr")
    chosen = parse_selection(f"{tmp_path / 'calls'}[language=de]")
    corpus = read_corpora(definitions(tmp_path)).read(chosen, tmp_path)
    assert corpus.name == chosen.name == "calls.de"
    assert [u.id for u in corpus] == ["de/a", "de/b"]
    with pytest.raises(BadManifest, match="'de', 'fr'"):
        read(f"{tmp_path / 'calls'}[language=en]", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("schema = 1", "schema = 2", "schema must be 1, not 2"),
        ("schema = 1", "", "schema must be 1, and it is missing"),
        (
            'reader = "synthesis"',
            'reader = "parquet"',
            "reader must be one of common-voice, joined, kaldi, .*, stm, synthesis, table",
        ),
        ('reader = "synthesis"', "", "reader .* it is missing"),
        ('license = "Apache-2.0"', "", "license .* it is missing"),
        ('license = "Apache-2.0"', 'licence = "Apache-2.0"', "unknown key 'licence'. Did you mean 'license'"),
        (f"sounds = [{SOUND}]", "sounds = []", "sounds must be a list of tables"),
        (f"sounds = [{SOUND}]", 'sounds = ["tone"]', "must be a table, not 'tone'"),
        ("[corpus.beeps]", "[corpora.beeps]", "unknown key 'corpora'. Did you mean 'corpus'"),
        ("[corpus.beeps]", "[corpus.beeps", r"cannot read corpora from .*corpora\.toml"),
    ],
)
def test_a_bad_definition_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """A definition that says something it may not is refused by file, naming the key and what is allowed."""
    assert old in GOOD
    with pytest.raises(BadDefinition, match=rf"(?s)corpora\.toml.*{reason}|{reason}"):
        read_corpora(definitions(tmp_path, GOOD.replace(old, new)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A definition file that is not there is refused by path."""
    with pytest.raises(BadDefinition, match=r"none\.toml"):
        read_corpora(tmp_path / "none.toml")
