"""Wish: what a client asks of a transcription, checked against what a model can do."""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from modellab.backends.base import DecodeOptions, Task, Timestamps
from modellab.errors import Refused
from modellab.server.hearing.formats import TIMED, Format
from modellab.server.hearing.listeners import Listener, Listeners

Granularity: TypeAlias = Literal["segment", "word"]

WINDOW_S = 30.0
"""Up to so many seconds a model writes best when it is asked for no times; by them it finds its way through more."""

_PARAMETERS = {"timestamps": "timestamp_granularities", "temperatures": "temperature", "task": "model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for, in OpenAI's words. `temperature` and `language` of None leave the choice to the server."""

    task: Task = "transcribe"
    response_format: Format = "json"
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    granularities: tuple[Granularity, ...] = ()
    stream: bool = False

    def refuse_odd(self) -> None:
        """Refuse what does not go together.

        Raises:
            Refused: naming the parameter, and what would go.
        """
        if self.granularities and self.response_format != "verbose_json":
            raise _refused("timestamp_granularities", "timestamp_granularities needs response_format verbose_json")
        if self.stream and self.response_format not in {"json", "text"}:
            raise _refused("stream", f"{self.response_format} is not streamed: response_format json or text is")

    def decode(self, listeners: Listeners, listener: Listener, duration_s: float) -> DecodeOptions:
        """Give how a model is to listen.

        Raises:
            Refused: naming the parameter that the model or its runtime cannot follow. None is passed over.
        """
        if self.language and not _speaks(listener, self.language):
            told = ", ".join(listener.languages)
            raise _refused("language", f"{listener.id} does not know {self.language!r}: it knows {told}")
        if self.task == "translate" and listener.languages == ("en",):
            raise _refused("model", f"{listener.id} knows English alone, so that there is nothing to translate")
        base = listeners.roster.decode
        asked = replace(base, **self._changes(base))
        if lost := set(listeners.not_honoured(listener, asked)) - set(listeners.not_honoured(listener, base)):
            names = ", ".join(sorted(_PARAMETERS.get(name, name) for name in lost))
            raise _refused(names, f"{listener.id} cannot follow {names}: leave it out, or choose another model")
        if asked.timestamps == "none" and duration_s > WINDOW_S:
            timed = replace(asked, timestamps="segment")
            return asked if "timestamps" in listeners.not_honoured(listener, timed) else timed
        return asked

    def _changes(self, base: DecodeOptions) -> dict[str, Any]:
        """Give the options that differ from the server's own."""
        given: dict[str, Any] = {"language": self.language, "prompt": self.prompt}
        given["temperatures"] = None if self.temperature is None else (self.temperature,)
        timestamps: Timestamps = "word" if "word" in self.granularities else "segment"
        timed = self.response_format in TIMED and base.timestamps != "word"
        given["timestamps"] = timestamps if timed else None
        return {"task": self.task} | {name: value for name, value in given.items() if value is not None}


def _speaks(listener: Listener, language: str) -> bool:
    return "*" in listener.languages or language in listener.languages


def _refused(param: str, words: str) -> Refused:
    return Refused(words, status=400, code="unsupported_value", param=param)
