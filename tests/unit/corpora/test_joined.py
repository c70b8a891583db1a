"""Joined corpora: many utterances as one recording."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.corpora.joined import join
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.errors import BadDefinition, BadManifest
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.utterance import Corpus, Utterance, corpus_of


def corpus(folder: Path, *languages: str, speaker: str | None = "s") -> Corpus:
    """Give a corpus of one loud second an utterance."""
    made = []
    for number, language in enumerate(languages):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.full(SAMPLE_RATE_HZ, 0.5), SAMPLE_RATE_HZ)
        made.append(
            Utterance(
                id=str(number),
                audio=path,
                duration_s=1.0,
                reference=f"number {number}",
                language=language,
                speaker=speaker and f"{speaker}{number % 2}",
            )
        )
    return corpus_of("parts", tuple(made))


def test_the_parts_follow_one_another_with_pauses(tmp_path: Path) -> None:
    """The recording has every part in order with silence between two, and their words as one reference."""
    (whole,) = join(corpus(tmp_path, "en", "en", "en"), "long", tmp_path / "made", pause_s=0.5)
    assert whole.duration_s == whole.hear().duration_s == 4.0
    assert (whole.reference, whole.language, whole.speaker) == ("number 0 number 1 number 2", "en", None)
    loud = np.abs(whole.hear().samples) > 0.25
    assert [int(loud[round(s * SAMPLE_RATE_HZ)]) for s in (0.5, 1.25, 2.0, 2.75, 3.5)] == [1, 0, 1, 0, 1]


def test_the_same_parts_make_the_same_corpus(tmp_path: Path) -> None:
    """Joined twice, in any folder, a corpus has one revision; another pause gives another."""
    parts = corpus(tmp_path, "en", "en")
    made = [join(parts, "long", tmp_path / name, pause_s=p).revision for name, p in (("a", 1), ("b", 1), ("c", 2))]
    assert made[0] == made[1] != made[2]


def test_languages_do_not_join(tmp_path: Path) -> None:
    """Parts in two languages are refused, since one recording is scored in one."""
    with pytest.raises(BadManifest, match="parts is in de, en"):
        join(corpus(tmp_path, "en", "de"), "long", tmp_path, pause_s=0)


DEFINITIONS = """
schema = 1
[corpus.sounds]
reader = "synthesis"
description = "two"
license = "mine"
sounds = [{ id = "a", sound = "tone", duration_s = 1 }, { id = "b", sound = "tone", duration_s = 1 }]
[corpus.long]
reader = "joined"
description = "one"
license = "mine"
"""


def test_a_joined_corpus_is_defined_by_another(tmp_path: Path) -> None:
    """A definition names the corpus that is joined and the pause."""
    path = tmp_path / "corpora.toml"
    path.write_text(DEFINITIONS + 'joins = "sounds"\npause_s = 0.5\n')
    (whole,) = read_corpora(path).read(Selection(source="long"), tmp_path / "cache")
    assert whole.duration_s == 2.5


@pytest.mark.parametrize("joins", ["", 'joins = "long"', 'joins = "nothing"', 'joins = "sounds"\npause_s = -1'])
def test_a_corpus_that_cannot_be_joined_is_refused(tmp_path: Path, joins: str) -> None:
    """Nothing, itself, an unknown corpus and a pause of less than nothing are refused by file and corpus."""
    path = tmp_path / "corpora.toml"
    path.write_text(f"{DEFINITIONS}{joins}\n")
    with pytest.raises(BadDefinition, match=r"corpora.toml, corpus.*long"):
        read_corpora(path)
