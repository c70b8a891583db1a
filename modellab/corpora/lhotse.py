"""Lhotse's cut manifests: JSON lines, gzipped or not, each a cut of a recording with what is said in it.

Source: https://github.com/lhotse-speech/lhotse (Apache-2.0), whose layout of a cut is read here without the library: it
runs sources of the type "command" in a shell, and here nothing is ever run, unpickled or fetched.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from modellab.corpora.alignment import aligned, parse_word
from modellab.corpora.line import Line, is_file
from modellab.corpora.manifest import parse_object
from modellab.corpora.stretch import Durations, Stretch, parse_stretch, refuse_overlaps
from modellab.corpora.tongue import stated_language
from modellab.errors import BadManifest
from modellab.speech.transcript import Word
from modellab.speech.utterance import Corpus, Utterance, corpus_of

MANIFESTS = ("cuts.jsonl.gz", "cuts.jsonl")

_OTHER_CUTS = ("MixedCut", "MultiCut", "PaddingCut")
_KEYS = {"id", "start", "duration", "channel", "supervisions"}
_GZIP = b"\x1f\x8b"
_WHOLE_WITHIN_S = 0.05  # a duration in samples is rounded
_DECIMALS = 8  # as Lhotse rounds times


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A cut as its line states it, and the file of its recording, with the seconds that file states."""

    line: Line
    facts: Mapping[str, Any]
    audio: Path
    recording_s: float


def lists_cuts(path: Path) -> bool:
    """Tell whether the first line of a file is a cut."""
    try:
        line = next(_lines(path), None)
        return line is not None and _is_cut(parse_object(line.text, line.where))
    except BadManifest:
        return False


def read_lhotse(path: Path, name: str, language: str = "") -> Corpus:
    """Give the corpus of a cut manifest: one utterance a supervision, which is a stretch of the cut's recording.

    A relative path is relative to the manifest's folder or, as in Lhotse, to the working one. `language` is for
    supervisions that state none. Word alignments become the utterance's words; features and arrays are not read.
    Mixed, padded and multichannel cuts, cuts in which nobody speaks and supervisions without a text are left out and
    counted.

    Raises:
        BadManifest: naming file and line, on a line that is no cut, a recording that is no plain file (a command, a
            URL), is transformed or is not there, a stretch or an alignment that cannot be, or an id that stands twice.
    """
    left_out: Counter[str] = Counter()
    stretches: list[Stretch] = []
    utterances = tuple(_utterances(path, language, stretches, left_out))
    if left_out and not utterances:
        raise BadManifest(f"{path} has no utterances, and leaves out {dict(left_out)}")
    refuse_overlaps(stretches)
    return corpus_of(name, utterances, left_out)


def _utterances(path: Path, language: str, stretches: list[Stretch], left_out: Counter[str]) -> Iterator[Utterance]:
    durations, first_seen = Durations(), dict[str, str]()
    for line, facts in _single_cuts(path, left_out):
        audio = _recording(line, facts)
        cut = _Cut(line=line, facts=facts, audio=audio, recording_s=durations[audio])
        said = _objects(line, facts, "supervisions")
        if not said:
            left_out["cut without supervisions"] += 1
        for supervision in said:
            if supervision.get("text") is None:
                left_out["supervision without text"] += 1
                continue
            utterance = _utterance(cut, supervision, language)
            if utterance.id in first_seen:
                raise line.refusal(f"supervision {utterance.id!r} stands at {first_seen[utterance.id]} already")
            first_seen[utterance.id] = line.where
            stretches.append(_stretch_of(utterance, line.where))
            yield utterance


def _single_cuts(path: Path, left_out: Counter[str]) -> Iterator[tuple[Line, Mapping[str, Any]]]:
    """Give the cuts of one channel of one recording, counting the others."""
    for line in _lines(path):
        cut = parse_object(line.text, line.where)
        if cut.get("type") in _OTHER_CUTS:
            left_out[str(cut["type"])] += 1
        elif _is_cut(cut):
            yield line, cut
        else:
            raise line.refusal(f"not a cut: its type is {cut.get('type')!r:.80}, and its keys {sorted(cut)!r:.200}")


def _is_cut(row: Mapping[str, Any]) -> bool:
    kind = row.get("type")
    return kind in _OTHER_CUTS or (kind in (None, "MonoCut", "Cut") and set(row) >= _KEYS)


def _utterance(cut: _Cut, supervision: Mapping[str, Any], language: str) -> Utterance:
    for key in ("id", "text"):
        if not isinstance(supervision.get(key), str):
            raise cut.line.refusal(f"a supervision's {key} is a text, not {supervision.get(key)!r:.80}")
    stretch = _stretch(cut, supervision)
    duration_s = stretch.duration_s(cut.recording_s)
    return Utterance(
        id=supervision["id"],
        audio=cut.audio,
        duration_s=duration_s,
        reference=supervision["text"],
        language=stated_language(str(supervision.get("language") or "")) or language,
        speaker=None if supervision.get("speaker") is None else str(supervision["speaker"]),
        extra=_extra(cut.facts, supervision),
        start_s=stretch.start_s,
        end_s=stretch.end_s,
        words=aligned(_words(cut.line, supervision, stretch.start_s), duration_s, cut.line.where),
    )


def _stretch(cut: _Cut, supervision: Mapping[str, Any]) -> Stretch:
    """Give where a supervision lies in its recording: it counts its own start from that of its cut."""
    start_s = round(_seconds(cut.line, cut.facts, "start") + _seconds(cut.line, supervision, "start"), _DECIMALS)
    end_s = round(start_s + _seconds(cut.line, supervision, "duration"), _DECIMALS)
    is_whole = cut.recording_s and not start_s and abs(end_s - cut.recording_s) < _WHOLE_WITHIN_S
    return parse_stretch(cut.audio, repr(start_s), None if is_whole else repr(end_s), cut.line.where)


def _stretch_of(utterance: Utterance, where: str) -> Stretch:
    return Stretch(recording=utterance.audio, start_s=utterance.start_s, end_s=utterance.end_s, where=where)


def _words(line: Line, supervision: Mapping[str, Any], start_s: float) -> Iterator[Word]:
    """Give the aligned words. Lhotse counts their times from the recording's start, and pauses are empty words."""
    alignment = supervision.get("alignment") or {}
    listed = alignment.get("word") or [] if isinstance(alignment, dict) else alignment
    if not isinstance(listed, list) or not all(isinstance(item, list) and len(item) > 2 for item in listed):  # noqa: PLR2004
        raise line.refusal(f"an alignment of words is a list of [word, start, duration], not {listed!r:.80}")
    said = [(item[0], *_times(line, item)) for item in listed if item[0] != ""]
    for text, begins_s, lasts_s in sorted(said, key=lambda item: item[1]):
        begins_in_s = round(begins_s - start_s, _DECIMALS)
        yield parse_word(text, begins_in_s, round(begins_in_s + lasts_s, _DECIMALS), line.where)


def _times(line: Line, item: list[Any]) -> tuple[float, float]:
    times = {"start": item[1], "duration": item[2]}
    return _seconds(line, times, "start"), _seconds(line, times, "duration")


def _recording(line: Line, cut: Mapping[str, Any]) -> Path:
    """Give the file of a cut's recording, which holds its channel alone."""
    recording = cut.get("recording")
    if not isinstance(recording, dict):
        raise line.refusal(f"cut {cut['id']!r} has no recording; features alone cannot be heard")
    if transforms := recording.get("transforms"):
        raise line.refusal(
            f"the recording of cut {cut['id']!r} is transformed, which is not done here: {transforms!r:.120}; "
            "save the audio as it is to be heard (`cuts.save_audios`) and give the manifest of that"
        )
    sources = _objects(line, recording, "sources")
    for source in sources:
        _refuse_unlike_a_file(line, cut, source)
    holding = [each for each in sources if cut["channel"] in _channels(each)]
    if not holding:
        raise line.refusal(f"no source of cut {cut['id']!r} holds its channel, {cut['channel']!r:.80}")
    source = holding[0]
    if len(_channels(source)) > 1:
        raise line.refusal(
            f"channel {cut['channel']} of {source['source']}, which has several: channels are averaged and cannot be "
            "heard alone; write each to a file of its own"
        )
    return _file(line, source["source"])


def _refuse_unlike_a_file(line: Line, cut: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    kind, named = source.get("type"), source.get("source")
    if kind == "command":
        raise line.refusal(
            f"the recording of cut {cut['id']!r} is the output of a command, which is never run: {named!r:.120}; "
            "decode it to a file and name that"
        )
    if kind != "file":
        raise line.refusal(
            f"the recording of cut {cut['id']!r} is of the type {kind!r:.80}, and only 'file' is read; "
            "save it to a file (`cuts.save_audios`) and give the manifest of that"
        )
    if not isinstance(named, str) or not named:
        raise line.refusal(f"the recording of cut {cut['id']!r} names no file")


def _channels(source: Mapping[str, Any]) -> list[Any]:
    channels = source.get("channels")
    return channels if isinstance(channels, list) else []


def _file(line: Line, named: str) -> Path:
    audio = line.path.parent / named
    if not is_file(audio) and is_file(Path(named)):
        return Path(named)
    if not is_file(audio):
        raise line.refusal(f"no audio file at {audio} (nor in the working folder)")
    return audio


def _extra(cut: Mapping[str, Any], supervision: Mapping[str, Any]) -> dict[str, str]:
    facts: dict[str, Any] = {"cut": cut["id"], "recording": cut["recording"].get("id")}
    for custom in (cut.get("custom"), supervision.get("custom")):
        facts |= custom if isinstance(custom, dict) else {}
    facts |= {"gender": supervision["gender"]} if supervision.get("gender") else {}
    return {key: str(value) for key, value in facts.items() if isinstance(value, str | int | float)}


def _objects(line: Line, holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = holder.get(key)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise line.refusal(f"{key!r} must be a list of objects, not {listed!r:.80}")
    return listed


def _seconds(line: Line, holder: Mapping[str, Any], key: str) -> float:
    value = holder.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise line.refusal(f"{key!r} must be seconds, not {value!r:.80}")
    return float(value)


def _lines(path: Path) -> Iterator[Line]:
    """Give the lines that are not blank, one at a time: manifests of cuts are long."""
    number = 0
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(len(_GZIP)) == _GZIP
        with gzip.open(path, "rb") if is_packed else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8").rstrip("\r\n")
                if text.strip():
                    yield Line(path=path, number=number, text=text)
    except UnicodeDecodeError as error:
        raise BadManifest(f"{path}:{number}: not UTF-8: {error}; save the file as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadManifest(f"{path}:{number + 1}: cannot be read: {error}") from error
