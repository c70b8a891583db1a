"""Speech: to text, as OpenAI's API has it: its clients work unchanged."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from modellab.errors import Refused
from modellab.machine.clock import MONOTONIC
from modellab.server.hearing.attendance import EventStream, Narration, heard
from modellab.server.hearing.formats import (
    Format,
    TranscriptionBody,
    VerboseBody,
    as_json,
    srt,
    usage,
    verbose,
    vtt,
)
from modellab.server.hearing.hearing import Hearing
from modellab.server.hearing.wish import Granularity, Wish
from modellab.server.http.access import needs
from modellab.server.http.problem import envelopes
from modellab.server.metrics import Metrics
from modellab.server.service import Served, Service
from modellab.speech.audio import Audio
from modellab.speech.transcript import Transcript

Body: TypeAlias = TranscriptionBody | VerboseBody

router = APIRouter(prefix="/v1", tags=["speech"], dependencies=[needs("transcribe")])

_MEDIA: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the format that was asked for; with `stream`, server-sent events.",
        "content": {"text/plain": {}, "text/vtt": {}, "application/x-subrip": {}, "text/event-stream": {}},
    }
}
_ANSWERS = _MEDIA | envelopes(404, 408, 415, 500, 507)


class TranslationForm(BaseModel):
    """What a translation into English is asked with. A field that is not here is refused."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile
    model: Annotated[str, Field(min_length=1, max_length=200)]
    prompt: Annotated[str | None, Field(max_length=4000)] = None
    response_format: Format = "json"
    temperature: Annotated[float | None, Field(ge=0, le=1)] = None

    def wish(self) -> Wish:
        """Give what is asked for."""
        return Wish(
            task="translate",
            response_format=self.response_format,
            prompt=self.prompt,
            temperature=self.temperature,
        )


class TranscriptionForm(BaseModel):
    """What a transcription is asked with. A field that is not here is refused."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile
    model: Annotated[str, Field(min_length=1, max_length=200)]
    language: Annotated[str | None, Field(pattern=r"^[a-z]{2,3}$")] = None
    prompt: Annotated[str | None, Field(max_length=4000)] = None
    response_format: Format = "json"
    temperature: Annotated[float | None, Field(ge=0, le=1)] = None
    timestamp_granularities: Annotated[list[Granularity], Field(alias="timestamp_granularities[]", max_length=2)] = []
    stream: bool = False

    def wish(self) -> Wish:
        """Give what is asked for."""
        return Wish(
            response_format=self.response_format,
            language=self.language,
            prompt=self.prompt,
            temperature=self.temperature,
            granularities=tuple(self.timestamp_granularities),
            stream=self.stream,
        )


@router.post(
    "/audio/transcriptions",
    responses=_ANSWERS,
    response_model=Body,
    summary="Transcribe",
)
async def transcribe(
    request: Request, form: Annotated[TranscriptionForm, Form(media_type="multipart/form-data")], service: Served
) -> Response:
    """Give what is said in a file, in the language in which it is said."""
    return await _answer(request, service, form.model, form.file, form.wish())


@router.post(
    "/audio/translations",
    responses=_ANSWERS,
    response_model=Body,
    summary="Translate",
)
async def translate(
    request: Request, form: Annotated[TranslationForm, Form(media_type="multipart/form-data")], service: Served
) -> Response:
    """Give what is said in a file, in English."""
    return await _answer(request, service, form.model, form.file, form.wish())


async def _answer(request: Request, service: Service, model: str, file: UploadFile, wish: Wish) -> Response:
    begun_s = MONOTONIC()
    wish.refuse_odd()
    listeners = service.listeners
    listener = await run_in_threadpool(listeners.find, model)
    audio = await _decoded(service, file)
    decode = wish.decode(listeners, listener, audio.duration_s)
    place = _counted(service.metrics, listener.id, listeners.attend(listener, audio, decode))
    if wish.stream:
        narration = Narration(request, place, listeners.threads)
        return EventStream(narration, await narration.first())
    with service.tracing.span("transcription", model=listener.id), place as hearing:
        answer = _written(await heard(request, hearing, listeners.threads), audio, wish)
    answer.headers["Server-Timing"] = f"{hearing.timing}, total;dur={(MONOTONIC() - begun_s) * 1000:.1f}"
    return answer


async def _decoded(service: Service, file: UploadFile) -> Audio:
    try:
        return await service.uploads.audio_of(file.file)
    except Refused as error:
        service.metrics.undecoded(error.code)
        raise


@contextmanager
def _counted(metrics: Metrics, model: str, place: AbstractContextManager[Hearing]) -> Iterator[Hearing]:
    """Count what comes of a hearing, also where there is no place for it."""
    kept: list[Hearing] = []
    try:
        with place as hearing:
            kept.append(hearing)
            yield hearing
    finally:
        _count(metrics, model, kept[0] if kept else None)


def _count(metrics: Metrics, model: str, hearing: Hearing | None) -> None:
    if hearing is None or hearing.outcome != "done":
        metrics.transcribed(model, hearing.outcome if hearing else "refused")
    else:
        metrics.transcribed(model, "done", audio_s=hearing.order.audio.duration_s, took_s=hearing.heard_s)
    if hearing and hearing.waited_s is not None:
        metrics.queued(hearing.waited_s)


def _written(transcript: Transcript, audio: Audio, wish: Wish) -> Response:
    duration_s = audio.duration_s
    match wish.response_format:
        case "json":
            return JSONResponse(TranscriptionBody(text=transcript.text, usage=usage(duration_s)).model_dump())
        case "verbose_json":
            told = verbose(transcript, duration_s, wish.task, wish.granularities or ("segment",))
            return JSONResponse(as_json(told))
        case "text":
            return PlainTextResponse(f"{transcript.text}\n")
        case "srt":
            return PlainTextResponse(srt(transcript), media_type="application/x-subrip")
        case "vtt":
            return PlainTextResponse(vtt(transcript), media_type="text/vtt")
