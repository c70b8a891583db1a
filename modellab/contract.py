"""BackendContract: what every backend keeps, as tests that one in anybody's package inherits in two lines."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class, refusal
from modellab.machine.memory import memory, trim
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.transcript import Segment, Transcript, Word

TONES_HZ = (220, 330, 440)
SILENCE_S = 2.0
LONG_S = 31.0  # beyond the window of a Whisper model, where some options first count
ROUNDS = 8
GROWTH_BYTES = 16 << 20  # what every round keeps is a leak; caches fill in some, and keep nothing in others
CHILD_TIMEOUT_S = 120
CHANGED = DecodeOptions(
    language="en",
    task="translate",
    beam_size=2,
    temperatures=(0.4,),
    condition_on_previous_text=True,
    vad=True,
    timestamps="word",
    prompt="Dashwood",
    max_new_tokens=32,
)
IMPORTED = """
import sys
import modellab
from modellab.backends.registry import backend_class
backend_class(sys.argv[1])
print(*sys.modules)
"""
WITHOUT = """
import sys
import importlib.metadata as metadata
_, name, package, *modules = sys.argv
found = metadata.version
def version(asked):
    if asked == package:
        raise metadata.PackageNotFoundError(asked)
    return found(asked)
metadata.version = version
sys.modules.update(dict.fromkeys(modules))
from modellab.backends.registry import refusal
print(refusal(name, "cpu", "float32"))
"""


class BackendContract:
    """What a backend promises. `class TestMyRuntime(BackendContract):` and `name = "my-runtime"` are all it takes.

    A runtime that wants weights or options overrides `make`; one that is to hear words overrides `speech`. Without
    words, three tones are heard, which proves little of a model that writes nothing of them.

    Attributes:
        name: what the entry point of the backend is called.
        language: what is spoken in `speech`.
        words_in_silence: how many words it may write of two seconds of silence: 0, or what its model is known to make
            up there.
        slack_s: how far its times may lie beyond the end of an audio and before one another, by rounding.
    """

    name: ClassVar[str]
    language: ClassVar[str | None] = "en"
    words_in_silence: ClassVar[int] = 0
    slack_s: ClassVar[float] = 0.02

    @classmethod
    def make(cls) -> Backend:
        """Give a backend that is not loaded, on a device and in a type that it has here."""
        return backend_class(cls.name)(weights=None)

    @classmethod
    def speech(cls) -> Sequence[Audio]:
        """Give two or more audios of which different things are written."""
        return [_tone(hz, duration_s) for duration_s, hz in enumerate(TONES_HZ, 1)]

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls) -> Iterator[Backend]:
        """The backend, loaded once for the class."""
        with cls.make() as backend:
            yield backend

    @pytest.fixture(scope="class")
    @classmethod
    def audios(cls) -> Sequence[Audio]:
        """The audios, read once for the class."""
        return cls.speech()

    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls, loaded: Backend, audios: Sequence[Audio]) -> Sequence[Transcript]:
        """What it writes of each audio alone."""
        return [_heard(loaded, audio, cls.language) for audio in audios]

    def test_transcripts_are_finished(self, loaded: Backend, audios: Sequence[Audio]) -> None:
        """One call gives a sequence of one transcript per audio; text without space around it, which segments hold."""
        written = loaded.transcribe(audios, self.language)
        assert isinstance(written, Sequence), f"transcribe gives a {type(written).__name__}, which is not finished"
        assert len(written) == len(audios), f"{len(written)} transcripts of {len(audios)} audios"
        for transcript in written:
            assert isinstance(transcript, Transcript), f"a {type(transcript).__name__} is no transcript"
            assert transcript.text == transcript.text.strip(), f"{transcript.text!r} has space around it"
            assert isinstance(transcript.segments, tuple), "segments are a tuple"
            if transcript.segments:
                assert _letters(segment.text for segment in transcript.segments) == _letters([transcript.text])

    def test_a_batch_gives_what_single_calls_give(
        self, loaded: Backend, audios: Sequence[Audio], alone: Sequence[Transcript]
    ) -> None:
        """A batch, backwards and with one audio twice, gives the text of each alone, in the order of the batch."""
        order = [*reversed(range(len(audios))), 0]
        batch = loaded.transcribe([audios[place] for place in order], self.language)
        assert [transcript.text for transcript in batch] == [alone[place].text for place in order]
        if len({transcript.text for transcript in alone}) == 1:
            pytest.skip(f"order shows nothing: it writes {alone[0].text!r} of every audio; override speech()")

    def test_the_same_audio_is_the_same_text(
        self, loaded: Backend, audios: Sequence[Audio], alone: Sequence[Transcript]
    ) -> None:
        """An audio heard again gives the same text, and its samples are left alone."""
        assert _heard(loaded, audios[0], self.language).text == alone[0].text
        softer = Audio(samples=audios[0].samples * np.float32(0.5))  # never heard before, so never written into
        before = softer.samples.copy()
        _heard(loaded, softer, self.language)
        assert np.array_equal(softer.samples, before), "transcribe wrote into the samples"

    @pytest.mark.parametrize("count", [1, round(SILENCE_S * SAMPLE_RATE_HZ)], ids=["one sample", "two seconds"])
    def test_silence_has_no_words(self, loaded: Backend, count: int) -> None:
        """Silence, of one sample too, gives no words, or no more than `words_in_silence` says."""
        silence = Audio(samples=np.zeros(count, np.float32))
        transcript = _heard(loaded, silence, self.language)
        said = f"{transcript.text!r} of silence: declare words_in_silence where the model is known for it"
        words = [word for word in transcript.text.split() if any(map(str.isalnum, word))]
        assert len(words) <= self.words_in_silence, said
        self._assert_within(transcript.segments, silence.duration_s)

    def test_segments_are_told(self, loaded: Backend, audios: Sequence[Audio], alone: Sequence[Transcript]) -> None:
        """Who listens along is told each segment in order, or the text where there are none, of the same transcript."""
        told: list[Segment] = []
        transcript = loaded.narrate(audios[0], self.language, told.append)
        assert transcript.text == alone[0].text
        assert "".join(segment.text for segment in told).strip() == transcript.text.strip()

    @pytest.mark.parametrize("timestamps", ["segment", "word"])
    def test_times_are_inside_the_audio(self, loaded: Backend, audios: Sequence[Audio], timestamps: str) -> None:
        """Segments and words follow one another within the audio; words are given, or said not to be."""
        backend = loaded.asked(DecodeOptions(timestamps=timestamps))  # type: ignore[arg-type]
        lost = "timestamps" in backend.not_honoured()
        for transcript, audio in zip(backend.transcribe(audios, self.language), audios, strict=True):
            words = [word for segment in transcript.segments for word in segment.words]
            self._assert_within(transcript.segments, audio.duration_s)
            self._assert_within(words, audio.duration_s)
            told = words if timestamps == "word" else transcript.segments
            assert told or lost or not transcript.text, f"no times of {timestamps}s, and not_honoured() says nothing"

    def test_it_may_be_asked_otherwise(self, loaded: Backend, audios: Sequence[Audio]) -> None:
        """Asked for times of words it gives, over what is loaded, what one gives that was loaded to give them."""
        way = DecodeOptions(timestamps="word")
        with replace(self.make(), decode=way) as backend:
            (written,) = backend.transcribe(audios[:1], self.language)
        (otherwise,) = loaded.asked(way).transcribe(audios[:1], self.language)
        assert otherwise == written, "asked() does not give what it gives when it is loaded so"

    def test_closing_twice_is_safe(self, audios: Sequence[Audio], alone: Sequence[Transcript]) -> None:
        """It may be closed before it is loaded, and twice after; loaded again, it hears as before."""
        backend = self.make()
        backend.close()
        for _ in range(2):
            backend.load()
            assert _heard(backend, audios[0], self.language).text == alone[0].text
            backend.close()
            backend.close()

    def test_memory_comes_back(self, audios: Sequence[Audio]) -> None:
        """After the first round of loading, hearing and closing, one of some more leaves nothing behind."""
        backend, kept = self.make(), []
        before = _held_after(backend, audios[0], self.language)
        for _ in range(ROUNDS):
            after = _held_after(backend, audios[0], self.language)
            if before is None or after is None:
                pytest.skip("this machine does not tell how much memory is held")
            kept.append(after - before)
            if kept[-1] <= GROWTH_BYTES:
                return
            before = after
        pytest.fail(f"each round of load, transcribe and close kept {min(kept) >> 20} MiB or more")

    def test_unknown_options_are_refused(self) -> None:
        """An option that it lacks is refused where it is given, and a device that there is not, by its name."""
        with pytest.raises((TypeError, ValueError)):
            replace(self.make(), no_such_option=1)  # type: ignore[call-arg]
        assert "no-such-device" in (refusal(self.name, "no-such-device", "float32") or ""), "no word of the device"

    def test_options_that_it_cannot_honour_are_declared(self, audios: Sequence[Audio]) -> None:
        """Each option of `DecodeOptions` that it never reads, in short audio or long, is in `not_honoured`."""
        read: set[str] = set()
        backend = replace(self.make(), decode=_watched(read))
        known = {option.name for option in fields(DecodeOptions)}
        assert backend.cannot_honour <= known, f"no options: {sorted(backend.cannot_honour - known)}"
        read.clear()
        with backend:
            _heard(backend, audios[0], self.language)
            _heard(backend, _long(audios), self.language)
        if getattr(backend.weights, "english_only", False):
            read.add("task")  # English into English is what it does anyway
        for name in sorted(known - read):
            asked = replace(backend, decode=DecodeOptions(**{name: getattr(CHANGED, name)}))
            told = f"{name} is never read: follow it, or name it in cannot_honour"
            assert name in asked.not_honoured(), told

    def test_importing_imports_no_sdk(self) -> None:
        """`import modellab`, and the class of the backend, load nothing of its runtime."""
        sdk = {module.partition(".")[0] for module in backend_class(self.name).modules}
        early = sdk.intersection(_told(IMPORTED, self.name).split())
        assert not early, f"imported too early: {', '.join(sorted(early))}; import it in the methods that need it"

    def test_a_missing_sdk_says_what_to_install(self) -> None:
        """Where its package is not installed, the backend is still found, and the refusal says what to install."""
        backend = backend_class(self.name)
        modules = [module.partition(".")[0] for module in backend.modules]
        said = _told(WITHOUT, self.name, backend.package, *modules)
        assert backend.package in said, f"{said!r} does not name {backend.package}"
        assert "pip install" in said, f"{said!r} does not say what to install"

    def _assert_within(self, timed: Sequence[Segment | Word], duration_s: float) -> None:
        for each in timed:
            inside = 0 <= each.start_s <= each.end_s <= duration_s + self.slack_s + 1e-6
            assert inside, f"{each.text!r} from {each.start_s} s to {each.end_s} s, in audio of {duration_s} s"
        for before, after in pairwise(timed):
            assert before.end_s - self.slack_s <= after.start_s + 1e-6, f"{after.text!r} begins within {before.text!r}"


def _heard(backend: Backend, audio: Audio, language: str | None) -> Transcript:
    (only,) = backend.transcribe([audio], language)
    return only


def _held_after(backend: Backend, audio: Audio, language: str | None) -> int | None:
    """Give what this process holds after a round of loading, hearing and closing, in bytes."""
    with backend:
        _heard(backend, audio, language)
    gc.collect()
    trim()
    return memory().resident_bytes


def _tone(hz: float, duration_s: float) -> Audio:
    times_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return Audio(samples=(0.3 * np.sin(2 * np.pi * hz * times_s)).astype(np.float32))


def _long(audios: Sequence[Audio]) -> Audio:
    """Give the audios one after another, over and over, until a window of Whisper is full."""
    once = np.concatenate([audio.samples for audio in audios])
    return Audio(samples=np.resize(once, max(once.size, round(LONG_S * SAMPLE_RATE_HZ))))


def _letters(texts: Iterable[str]) -> str:
    return "".join("".join(texts).split())


def _watched(read: set[str]) -> DecodeOptions:
    """Give options that note in `read` what is read of them."""

    class Watched(DecodeOptions):
        def __getattribute__(self, name: str) -> object:
            read.add(name)
            return object.__getattribute__(self, name)

    return Watched()


def _told(script: str, *arguments: str) -> str:
    """Give the last line that a script prints in a fresh interpreter that finds what this one finds."""
    done = subprocess.run(  # noqa: S603 - this interpreter, and a script of this module
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=CHILD_TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]
