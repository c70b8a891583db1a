"""NIST's segment time marks (STM): who says what from when to when in a recording."""

import re
from collections.abc import Iterator
from pathlib import Path

import soundfile

from modellab.corpora.line import Line, is_file, read_lines
from modellab.corpora.stretch import Durations, Stretch, parse_stretch, refuse_overlaps
from modellab.errors import BadManifest
from modellab.speech.audio import AUDIO_SUFFIXES
from modellab.speech.utterance import Corpus, Utterance, corpus_of

UNSCORED = "ignore_time_segment_in_scoring"

_FORM = "`<file> <channel> <speaker> <start> <end> [<label>] <text>`"
_LABEL = re.compile(r"<(?!unk>)[^<>\s]*>", re.IGNORECASE)  # `<o,f0,male>`; `<unk>` is a word
_SUFFIXES = (".wav", ".flac", ".sph", *sorted(AUDIO_SUFFIXES - {".wav", ".flac"}))
_BESIDE = (".", "../sph", "../wav", "../audio")  # TED-LIUM keeps `stm/` beside `sph/`
_FIRST_CHANNEL = {"1", "A", "a"}


def read_stm(path: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of an STM file, or of all that lie in a folder. Recordings lie beside it or in `../sph`.

    Segments that NIST's scoring would ignore are left out and counted.

    Raises:
        BadManifest: naming file and line, on a line of another form, a missing recording, a segment that cannot be, or
            one on another channel than the first of a recording that has several.
    """
    paths = sorted(path.glob("*.stm")) if path.is_dir() else [path]
    lines = [(line, line.fields(6, _FORM)) for each in paths for line in read_lines(each) if line.text[:2] != ";;"]
    left_out = sum(fields[5].split()[-1:] == [UNSCORED] for _, fields in lines)
    scored = [(line, fields) for line, fields in lines if fields[5].split()[-1:] != [UNSCORED]]
    stretches: list[Stretch] = []
    utterances = tuple(_utterances(scored, language, stretches))
    refuse_overlaps(stretches)
    return corpus_of(name, utterances, {UNSCORED: left_out} if left_out else None)


def _utterances(
    lines: list[tuple[Line, tuple[str, ...]]], language: str, stretches: list[Stretch]
) -> Iterator[Utterance]:
    durations, recordings, first_seen = Durations(), _Recordings(), dict[str, str]()
    for line, (file, channel, speaker, start, end, rest) in lines:
        audio = recordings.find(line, file, channel)
        stretch = parse_stretch(audio, start, end, line.where)
        stretches.append(stretch)
        id_ = f"{file}-{channel}-{stretch.start_s:.3f}-{stretch.end_s:.3f}"
        if id_ in first_seen:
            raise line.refusal(f"segment {id_!r} stands at {first_seen[id_]} already")
        first_seen[id_] = line.where
        label, text = _label(rest)
        yield Utterance(
            id=id_,
            audio=audio,
            duration_s=stretch.duration_s(durations[audio]),
            reference=text,
            language=language,
            speaker=speaker,
            extra={"file": file, "channel": channel} | ({"label": label} if label else {}),
            start_s=stretch.start_s,
            end_s=stretch.end_s,
        )


def _label(rest: str) -> tuple[str, str]:
    """Give the label and the text after the times; the label may not be there."""
    first, _, after = rest.strip().partition(" ")
    return (first[1:-1], after.strip()) if _LABEL.fullmatch(first) else ("", rest.strip())


class _Recordings:
    """The recordings that lines name, each looked for once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Path, str], Path] = {}

    def find(self, line: Line, file: str, channel: str) -> Path:
        """Give the recording of a line.

        Raises:
            BadManifest: when there is none, or the channel cannot be heard alone.
        """
        folder = line.path.parent
        if (folder, file) not in self._found:
            self._found[folder, file] = _recording(line, folder, file)
        audio = self._found[folder, file]
        if channel not in _FIRST_CHANNEL and _channels(audio) > 1:
            raise line.refusal(
                f"channel {channel!r} of {audio}, which has several: channels are averaged and cannot be heard alone; "
                "write each to a file of its own"
            )
        return audio


def _recording(line: Line, folder: Path, file: str) -> Path:
    names = (file, *(f"{file}{suffix}" for suffix in _SUFFIXES))
    found = (path for beside in _BESIDE for name in names if is_file(path := folder / beside / name))
    if (audio := next(found, None)) is None:
        raise BadManifest(f"{line.where}: no audio file {file} in {folder}, nor in {', '.join(_BESIDE[1:])}")
    return audio


def _channels(audio: Path) -> int:
    try:
        return int(soundfile.info(audio).channels)
    except (soundfile.SoundFileError, TypeError):
        return 1
