"""Kaldi's data folders: `wav.scp` and `text`, and `segments`, `utt2spk` and `utt2lang` where there are any."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from modellab.corpora.line import Line, is_file, read_pairs
from modellab.corpora.stretch import Durations, Stretch, parse_stretch, refuse_overlaps
from modellab.speech.utterance import Corpus, Utterance, corpus_of

RECORDINGS = "wav.scp"

_TO_THE_END = {"-1", "-1.0"}  # how `segments` says that there is no end


def read_kaldi(folder: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of a data folder. Paths in `wav.scp` are relative to it; nothing in it is ever run.

    Raises:
        BadManifest: naming file and line, on a piped command, a missing recording, a segment that cannot be, an id that
            stands twice, or one that stands in some files and not in others.
    """
    recordings = _recordings(folder / RECORDINGS)
    segments = folder / "segments"
    stretches = _segments(segments, recordings) if segments.is_file() else _wholes(folder / RECORDINGS, recordings)
    refuse_overlaps(stretch for _, stretch in stretches.values())
    texts = _facts(folder / "text", "`<utterance> <text>`", stretches, may_be_empty=True)
    speakers = _optional(folder / "utt2spk", "`<utterance> <speaker>`", stretches)
    languages = _optional(folder / "utt2lang", "`<utterance> <language>`", stretches)
    return corpus_of(name, tuple(_utterances(stretches, texts, speakers, languages, language)))


def _utterances(
    stretches: Mapping[str, tuple[Line, Stretch]],
    texts: Mapping[str, str],
    speakers: Mapping[str, str],
    languages: Mapping[str, str],
    language: str,
) -> Iterator[Utterance]:
    durations = Durations()
    for id_, (_, stretch) in stretches.items():
        yield Utterance(
            id=id_,
            audio=stretch.recording,
            duration_s=stretch.duration_s(durations[stretch.recording]),
            reference=texts[id_],
            language=languages.get(id_, language),
            speaker=speakers.get(id_),
            start_s=stretch.start_s,
            end_s=stretch.end_s,
        )


def _recordings(path: Path) -> dict[str, Path]:
    found = {}
    for id_, line in read_pairs(path, "`<recording> <path>`").items():
        if line.text.endswith("|") or line.text.startswith("|"):
            raise line.refusal(
                f"recording {id_!r} is the output of a command, which is never run: {line.text!r:.120}; "
                "decode it to a file and name that"
            )
        found[id_] = path.parent / line.text
        if not is_file(found[id_]):
            raise line.refusal(f"no audio file at {found[id_]} (paths in {path.name} are relative to its folder)")
    return found


def _wholes(path: Path, recordings: Mapping[str, Path]) -> dict[str, tuple[Line, Stretch]]:
    lines = read_pairs(path, "`<recording> <path>`")
    return {id_: (lines[id_], parse_stretch(audio, "0", None, lines[id_].where)) for id_, audio in recordings.items()}


def _segments(path: Path, recordings: Mapping[str, Path]) -> dict[str, tuple[Line, Stretch]]:
    found = {}
    form = "`<utterance> <recording> <start> <end>`"
    for id_, line in read_pairs(path, form).items():
        words = line.text.split()
        if len(words) != 3:  # noqa: PLR2004
            raise line.refusal(f"a line is {form}, not {id_ + ' ' + line.text!r:.80}")
        recording, start, end = words
        if recording not in recordings:
            raise line.refusal(f"no recording {recording!r} in {RECORDINGS}")
        found[id_] = line, parse_stretch(recordings[recording], start, None if end in _TO_THE_END else end, line.where)
    return found


def _optional(path: Path, form: str, stretches: Mapping[str, tuple[Line, Stretch]]) -> dict[str, str]:
    return _facts(path, form, stretches) if path.is_file() else {}


def _facts(
    path: Path, form: str, stretches: Mapping[str, tuple[Line, Stretch]], *, may_be_empty: bool = False
) -> dict[str, str]:
    """Give what a file says of each utterance; it says something of all of them and of no other."""
    facts = read_pairs(path, form, may_be_empty=may_be_empty)
    for id_, line in facts.items():
        if id_ not in stretches:
            raise line.refusal(f"no utterance {id_!r} in segments or {RECORDINGS}")
    for id_, (line, _) in stretches.items():
        if id_ not in facts:
            raise line.refusal(f"utterance {id_!r} has no line in {path}")
    return {id_: line.text for id_, line in facts.items()}
