"""Check: what a corpus holds, and what in it may not be as it seems."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from modellab.corpora.script import SCRIPTS, foreign_script
from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Recording, Samples, read_recording, stated_duration_s
from modellab.speech.utterance import Corpus, Utterance

EXAMPLES = 5
FULL_SCALE = 1 - 2**-15  # the largest sample that 16 bits hold
CLIPPED_SAMPLES = 3  # so many at full scale in a row are no peak of a wave
SILENT_BELOW = 1e-3  # -60 dB of full scale
MISSING_S = 0.1  # a codec pads or trims less than this
_RIFF_HEADER = 12
_CHUNK_HEADER = 8
_LENGTH_UNKNOWN = 0x7FFF_0000  # what a recorder writes that does not know yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is true of some utterances: their number, and the first few with the details."""

    what: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusCheck:
    """What a corpus holds, and what was found in it. `languages` counts utterances, "" where none is stated.

    `duration_s` is what the corpus and its headers state, `heard_s` what could be read; `rates_hz` counts readable
    utterances by sampling rate; `unjudged` names languages whose script this module does not know.
    """

    name: str
    revision: str
    utterances: int
    readable: int
    duration_s: float
    heard_s: float
    languages: Mapping[str, int]
    speakers: int
    without_speaker: int
    rates_hz: Mapping[int, int]
    left_out: Mapping[str, int]
    unjudged: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one utterance sounds like; `failure` says why it does not."""

    utterance: Utterance
    failure: str = ""
    missing_s: float = 0.0
    duration_s: float = 0.0
    rate_hz: int = 0
    digest: str = ""
    peak: float = 0.0
    is_clipped: bool = False


def check(corpus: Corpus) -> CorpusCheck:
    """Give what a corpus holds, reading all of its audio, one utterance at a time."""
    heard = tuple(_hear(utterance) for utterance in corpus)
    readable = tuple(each for each in heard if not each.failure)
    languages = Counter(utterance.language for utterance in corpus)
    return CorpusCheck(
        name=corpus.name,
        revision=corpus.revision,
        utterances=len(corpus),
        readable=len(readable),
        duration_s=corpus.duration_s,
        heard_s=sum(each.duration_s for each in readable),
        languages=dict(sorted(languages.items())),
        speakers=len({utterance.speaker for utterance in corpus} - {None}),
        without_speaker=sum(utterance.speaker is None for utterance in corpus),
        rates_hz=dict(sorted(Counter(each.rate_hz for each in readable).items())),
        left_out=dict(corpus.left_out),
        unjudged=tuple(sorted(set(languages) - set(SCRIPTS) - {""})),
        findings=tuple(_findings(corpus, heard, readable)),
    )


def _findings(corpus: Corpus, heard: tuple[_Heard, ...], readable: tuple[_Heard, ...]) -> Iterator[Finding]:
    yield _finding("cannot be read", {each.utterance.id: each.failure for each in heard if each.failure})
    yield _finding(
        "truncated: more is stated than can be read",
        {each.utterance.id: f"{each.missing_s:.2f} s missing" for each in heard if each.missing_s > MISSING_S},
    )
    yield _finding("audio that another utterance has too", _duplicates(readable))
    yield _finding("empty reference", {u.id: u.audio.name for u in corpus if not u.reference.strip()})
    yield _finding("clipped", {each.utterance.id: f"peak {each.peak:.3f}" for each in readable if each.is_clipped})
    yield _finding(
        "silent", {each.utterance.id: f"peak {each.peak:.5f}" for each in readable if each.peak < SILENT_BELOW}
    )
    yield _finding(
        f"sampling rate other than {SAMPLE_RATE_HZ} Hz",
        {each.utterance.id: f"{each.rate_hz} Hz" for each in readable if each.rate_hz != SAMPLE_RATE_HZ},
    )
    yield _finding("reference in another script than the language's", dict(_foreign(corpus)))


def _finding(what: str, details: Mapping[str, str]) -> Finding:
    examples = tuple(f"{id_}: {detail}" for id_, detail in list(details.items())[:EXAMPLES])
    return Finding(what=what, count=len(details), examples=examples)


def _duplicates(readable: tuple[_Heard, ...]) -> dict[str, str]:
    """Give the utterances that sound like an earlier one, sample for sample, whatever file they lie in."""
    first: dict[str, str] = {}
    found = {}
    for each in readable:
        earlier = first.setdefault(each.digest, each.utterance.id)
        if earlier != each.utterance.id:
            found[each.utterance.id] = f"same as {earlier}"
    return found


def _foreign(corpus: Corpus) -> Iterator[tuple[str, str]]:
    for utterance in corpus:
        if script := foreign_script(utterance.reference, utterance.language):
            yield utterance.id, f"{script} letters, language {utterance.language!r}: {utterance.reference:.40}"


def _hear(utterance: Utterance) -> _Heard:
    try:
        recording = _recording(utterance)
        audio = recording.heard()
    except BadAudio as error:
        stated_s = stated_duration_s(utterance.audio)  # 0 where it is no audio at all
        return _Heard(utterance=utterance, failure=str(error), missing_s=min(stated_s, utterance.duration_s))
    return _Heard(
        utterance=utterance,
        missing_s=_missing_s(utterance, recording),
        duration_s=recording.duration_s,
        rate_hz=recording.rate_hz,
        digest=sha256(audio.samples.tobytes()).hexdigest(),
        peak=float(np.abs(recording.samples).max()),
        is_clipped=_is_clipped(recording.samples),
    )


def _recording(utterance: Utterance) -> Recording:
    """Give an utterance as its file has it; what effects leave of it where there are any."""
    if utterance.effects:
        return Recording(samples=utterance.hear().samples[:, np.newaxis], rate_hz=SAMPLE_RATE_HZ)
    return read_recording(utterance.audio, utterance.start_s, utterance.end_s)


def _is_clipped(samples: Samples) -> bool:
    """Tell whether any channel stays at full scale, on one side, for some samples on end."""
    for side in (samples >= FULL_SCALE, samples <= -FULL_SCALE):
        run = side[: side.shape[0] - CLIPPED_SAMPLES + 1].copy()
        for later in range(1, CLIPPED_SAMPLES):
            run &= side[later : later + run.shape[0]]
        if run.any():
            return True
    return False


def _missing_s(utterance: Utterance, recording: Recording) -> float:
    """Give the seconds that the corpus, the file or its header states and reading did not give."""
    if utterance.is_cut or utterance.effects:
        return max(utterance.duration_s - recording.duration_s, 0.0)
    stated_s = max(utterance.duration_s, stated_duration_s(utterance.audio))
    return max(stated_s - recording.duration_s, _lost_share(utterance.audio) * recording.duration_s, 0.0)


def _lost_share(path: Path) -> float:
    """Give how much more a wav's header states than the file holds, as a share of what it holds; libsndfile is silent.

    Source: the RIFF layout, a tag of four bytes and a length of four before each chunk.
    """
    with path.open("rb") as file:
        if file.read(_RIFF_HEADER)[:4] != b"RIFF":
            return 0.0
        size = path.stat().st_size
        while len(header := file.read(_CHUNK_HEADER)) == _CHUNK_HEADER:
            stated, held = int.from_bytes(header[4:], "little"), size - file.tell()
            if header[:4] == b"data":
                return (stated - held) / held if 0 < held < stated < _LENGTH_UNKNOWN else 0.0
            file.seek(stated + stated % 2, 1)
    return 0.0
