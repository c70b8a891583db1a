"""LibriSpeech's trees: `<speaker>/<chapter>/` with recordings and one `*.trans.txt` each."""

from collections.abc import Iterator
from pathlib import Path

from modellab.corpora.line import is_file, read_pairs
from modellab.errors import BadManifest
from modellab.speech.audio import AUDIO_SUFFIXES, stated_duration_s
from modellab.speech.utterance import Corpus, Utterance, corpus_of

TRANSCRIPTS = "*.trans.txt"

_FORM = "`<id> <text>`"
_SUFFIXES = (".flac", *sorted(AUDIO_SUFFIXES - {".flac"}))


def read_librispeech(folder: Path, name: str, language: str = "en") -> Corpus:
    """Give the corpus of a tree: its transcripts are found at any depth, and the folder two up names the speaker.

    Raises:
        BadManifest: naming file and line, where a recording is missing or an id stands twice; when there is no
            transcript at all.
    """
    first_seen: dict[str, str] = {}
    return corpus_of(name, tuple(_utterances(sorted(folder.rglob(TRANSCRIPTS)), language, first_seen)))


def _utterances(paths: list[Path], language: str, first_seen: dict[str, str]) -> Iterator[Utterance]:
    for path in paths:
        chapter = path.absolute().parent
        for id_, line in read_pairs(path, _FORM, may_be_empty=True).items():
            audio = next((a for suffix in _SUFFIXES if is_file(a := path.parent / f"{id_}{suffix}")), None)
            if audio is None:
                raise line.refusal(f"no audio file at {path.parent / id_}.flac, nor with another suffix")
            if id_ in first_seen:
                raise BadManifest(f"{line.where}: id {id_!r} stands at {first_seen[id_]} already")
            first_seen[id_] = line.where
            yield Utterance(
                id=id_,
                audio=audio,
                duration_s=stated_duration_s(audio),
                reference=line.text,
                language=language,
                speaker=chapter.parent.name or None,
                extra={"chapter": chapter.name},
            )
