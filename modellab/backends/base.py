"""Backend: what every runtime looks like to the bench. DecodeOptions: how it is asked to listen."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal, Protocol, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from typing_extensions import TypeAliasType

from modellab.checkpoints.weights import Weights
from modellab.errors import BadDefinition
from modellab.speech.audio import Audio
from modellab.speech.transcript import Segment, Transcript

JsonValue = TypeAliasType("JsonValue", "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None")

Stages: TypeAlias = Mapping[str, Sequence[tuple[object, str]]]  # by name: owners, and which attribute of theirs

NO_WEIGHTS = "none"  # the layout of a runtime that needs no weights of ours

Task = Literal["transcribe", "translate"]
Timestamps = Literal["none", "segment", "word"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How a model is asked to listen. Equal options make two runtimes comparable.

    `language` forces one language on every utterance; None passes on the one the corpus states, else the model
    detects it. `temperatures` are tried in turn where the runtime falls back. `timestamps` chooses what the model
    is asked to write beside the words: nothing, times of segments, or times of words. Recordings of more than 30 s
    want times: without them a Whisper model moves on by whole windows and cuts words at their edges.

    Raises:
        BadDefinition: on a value that no runtime could follow.
    """

    language: str | None = None
    task: Task = "transcribe"
    beam_size: int = 1
    temperatures: tuple[float, ...] = (0.0,)
    condition_on_previous_text: bool = False
    vad: bool = False
    timestamps: Timestamps = "none"
    prompt: str | None = None
    max_new_tokens: int = 224

    def __post_init__(self) -> None:
        allowed = {"task": get_args(Task), "timestamps": get_args(Timestamps)}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise BadDefinition(f"decode: {name} must be one of {', '.join(values)}, not {getattr(self, name)!r}")
        if self.beam_size < 1 or self.max_new_tokens < 1 or not self.temperatures:
            raise BadDefinition("decode: beam_size and max_new_tokens must be 1 or more, and a temperature be given")

    def changed(self) -> frozenset[str]:
        """Give the names of the options that are not at their defaults."""
        default = DecodeOptions()
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) != getattr(default, f.name))


EVERY_OPTION = frozenset(field.name for field in fields(DecodeOptions))


class Recogniser(Protocol):
    """Whatever listens: a backend, or something around one."""

    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in order."""
        ...


@dataclass(kw_only=True)
class Backend(ABC):
    """A recogniser. Its fields are its options and go into the record of what it wrote.

    A backend only listens: it holds no clock, no cache and no score. `transcribe` gives finished values in the
    order of the audios. `load` is called once before, `close` once or more after; `with backend:` does both.

    Attributes:
        layout: the checkpoint layout it reads, or NO_WEIGHTS.
        package: the distribution to install.
        modules: what importing the runtime means, so that a cold start can time it apart.
        engines: other distributions that compute for it, so that words of one version are not taken for another's.
        cannot_honour: names of the decode options it has no counterpart for.
        architectures: of the checkpoints it can run, as `models.toml` has them; None for any in its layout.
        weights: what to load, in this class's `layout`.
        device: "cpu", "cuda", "cuda:1" or "mps".
        compute_type: the precision of the arithmetic, or of the weights: one of `registry.COMPUTE_TYPES`.
        threads: processor threads the runtime may use.
        decode: how to listen.
    """

    layout: ClassVar[str]
    package: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    engines: ClassVar[tuple[str, ...]] = ()
    cannot_honour: ClassVar[frozenset[str]] = frozenset()
    architectures: ClassVar[frozenset[str] | None] = None

    weights: Weights | None
    device: str = "cpu"
    compute_type: str = "float32"
    threads: int = 1
    decode: DecodeOptions = DecodeOptions()

    @classmethod
    def layout_in(cls, compute_type: str) -> str:  # noqa: ARG003 - for runtimes whose files differ by it
        """Give the layout that weights are read from in a compute type: such as `ggml:q5_1`."""
        return cls.layout

    @classmethod
    @abstractmethod
    def refusal(cls, device: str, compute_type: str) -> str | None:
        """Say why this device and compute type cannot run here, in one sentence; None where they can.

        Called only where the runtime's package is installed; loads no weights.
        """

    @abstractmethod
    def load(self) -> None:
        """Read the weights.

        Raises:
            BadCheckpoint: when they are not in this runtime's layout.
        """

    @abstractmethod
    def transcribe(self, audios: Sequence[Audio], language: str | None = None) -> Sequence[Transcript]:
        """Give one finished transcript per audio, in order.

        Args:
            audios: one or more; together they are one batch.
            language: what is spoken in all of them, where the caller knows; `decode.language` goes before it.
        """

    def narrate(self, audio: Audio, language: str | None, tell: Callable[[Segment], None]) -> Transcript:
        """Give the transcript of one audio as `transcribe` does, and tell each segment as soon as it is written.

        What is told is the text, one piece after another, with the space between them. Where a runtime says nothing
        before it has finished, all is told at the end.
        """
        (transcript,) = self.transcribe([audio], language)
        for segment in _pieces(transcript, audio.duration_s):
            tell(segment)
        return transcript

    def asked(self, decode: DecodeOptions) -> Self:
        """Give this backend asked to listen in another way; what is loaded is shared, and this one closes it."""
        other = copy(self)
        other.decode = decode
        return other

    def close(self) -> None:  # noqa: B027 - optional: not every runtime holds anything
        """Give the memory back; harmless when called again."""

    def stages(self) -> Stages:
        """Say what a loaded backend calls at each stage, so that a stopwatch can be laid around it.

        The stages of a speech model are called features, encoder, decoder and detokenise. Each names functions of a
        module, or methods of a class or an object, that are no generators; one may call another. Empty where a runtime
        cannot be looked into.
        """
        return {}

    def encoded(self, audio: Audio) -> npt.NDArray[np.float32] | None:  # noqa: ARG002 - for runtimes that show them
        """Give what the encoder of a loaded model makes of the first window, of shape (frames, width).

        None where the runtime does not show it.
        """
        return None

    def settle(self) -> None:  # noqa: B027 - optional: most calls have computed when they return
        """Wait until the device has done all that it was asked for."""

    def not_honoured(self) -> tuple[str, ...]:
        """Give the names of the decode options that were asked for and that this runtime cannot follow."""
        return tuple(sorted(self.decode.changed() & self.cannot_honour))

    def options(self) -> dict[str, JsonValue]:
        """Give the fields as JSON values, the weights by name and hash, for the record."""
        own: dict[str, JsonValue] = {}
        for field in fields(self):
            if not field.init:
                continue
            value = getattr(self, field.name)
            if isinstance(value, Weights):
                own["weights"] = {
                    "checkpoint": value.checkpoint,
                    "layout": value.layout,
                    "revision": value.revision,
                    "sha256": value.sha256,
                }
            elif isinstance(value, DecodeOptions):
                own["decode"] = {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
            else:
                own[field.name] = as_json(value)
        return own

    def __enter__(self) -> Self:
        self.load()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _pieces(transcript: Transcript, duration_s: float) -> tuple[Segment, ...]:
    """Cut a text into what its segments hold, each with the space before it; the whole where they do not make it up."""
    text, at, pieces = transcript.text, 0, []
    for segment in transcript.segments:
        held = segment.text.strip()
        end = text.find(held, at) + len(held)
        if end < at + len(held) or text[at : end - len(held)].strip():
            break
        pieces.append(replace(segment, text=text[at:end]))
        at = end
    if at < len(text) or not pieces:
        return (Segment(text=text, start_s=0.0, end_s=duration_s),)
    return tuple(pieces)


def as_json(value: object) -> JsonValue:
    """Give the value of a field as JSON has it."""
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
