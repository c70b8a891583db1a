"""Recordings: what the models of a run heard, as files to be listened to, where the corpus lies on this disk."""

import io
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

import soundfile

from modellab.errors import BadAudio, Refused
from modellab.machine.clock import MONOTONIC, Clock
from modellab.records.replay import Replay
from modellab.records.run import Run
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

MOST_CORPORA = 4
MOST_BYTES = 64 << 20
_SILENT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One utterance: the audio, the same as a wav file of 16 kHz, mono and 16 bit, and a tag that tells it by."""

    audio: Audio
    wav: bytes
    tag: str

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.wav) + self.audio.samples.nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    """Why a corpus cannot be heard, and until when nobody tries again."""

    reason: str
    until_s: float


class Recordings:
    """Finds audio again by what a run says of its corpora. The last corpora and utterances are remembered."""

    def __init__(self, fixtures: Path, cache: Path, clock: Clock = MONOTONIC) -> None:
        self._fixtures, self._cache, self._clock = fixtures, cache, clock
        self._corpora: OrderedDict[tuple[str, str, str], Replay | _Silence] = OrderedDict()
        self._heard: OrderedDict[str, Recording] = OrderedDict()
        self._lock = Lock()

    def hear(self, run: Run, corpus: str, utterance: str) -> Recording:
        """Give the recording of an utterance.

        Raises:
            Refused: 404 with the reason, where it cannot be heard here.
        """
        facts = run.corpora.get(corpus)
        if facts is None:
            raise _unavailable(f"no audio: the run has no corpus {corpus!r}")
        tag = sha256(f"{corpus}\0{facts.selection}\0{facts.revision}\0{utterance}".encode()).hexdigest()[:32]
        with self._lock:
            if tag in self._heard:
                self._heard.move_to_end(tag)
                return self._heard[tag]
            audio = self._audio(run, (corpus, facts.selection, facts.revision), utterance)
            self._heard[tag] = recording = Recording(audio=audio, wav=_wav(audio), tag=tag)
            while len(self._heard) > 1 and sum(each.size_bytes for each in self._heard.values()) > MOST_BYTES:
                self._heard.popitem(last=False)
        return recording

    def _audio(self, run: Run, key: tuple[str, str, str], utterance: str) -> Audio:
        known = self._corpora.get(key)
        if isinstance(known, _Silence) and self._clock() < known.until_s:
            raise _unavailable(known.reason)
        replay = known if isinstance(known, Replay) else Replay(run=run, fixtures=self._fixtures, cache=self._cache)
        try:
            audio = replay.hear(key[0], utterance)
        except BadAudio as error:
            if not replay.knows(key[0]):
                self._keep(key, _Silence(reason=str(error), until_s=self._clock() + _SILENT_S))
            raise _unavailable(str(error)) from error
        self._keep(key, replay)
        return audio

    def _keep(self, key: tuple[str, str, str], found: Replay | _Silence) -> None:
        self._corpora[key] = found
        self._corpora.move_to_end(key)
        while len(self._corpora) > MOST_CORPORA:
            self._corpora.popitem(last=False)


def _wav(audio: Audio) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, audio.samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return target.getvalue()


def _unavailable(reason: str) -> Refused:
    return Refused(reason, status=404, code="audio_unavailable")
