"""Models: those that a server offers, as OpenAI's clients list them, and with what is known of each."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from modellab.pool.holding import Held, Holding
from modellab.server.hearing.listeners import Listener, Listeners
from modellab.server.http.access import needs
from modellab.server.http.problem import answers, envelopes
from modellab.server.service import Served

router = APIRouter(tags=["models"])

Id = Annotated[str, Path(min_length=1, max_length=200)]


class OpenAIModel(BaseModel):
    """A model as OpenAI's API has it. Nobody knows when it was made, so that `created` is 0."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "modellab"


class OpenAIModels(BaseModel):
    """All models that can be asked, by their ids and by their other names."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


class HeldBody(BaseModel):
    """A model that is in memory: what it takes of the machine's and of a GPU's, and since when nobody uses it."""

    state: Literal["loading", "idle", "leased", "closing"]
    leases: int
    ram_bytes: int
    vram_bytes: int
    idle_s: float | None


class ModelBody(BaseModel):
    """A model: why it cannot run here, if so, and how it is held, where it is."""

    id: str
    backend: str
    checkpoint: str
    device: str
    compute_type: str
    languages: list[str]
    license: str
    aliases: list[str]
    runtime_version: str | None
    refusal: str | None
    held: HeldBody | None


class PoolBody(BaseModel):
    """What all models together take and may take; a bound of null is none."""

    models: int
    most_models: int
    ram_bytes: int
    most_ram_bytes: int | None
    waiting: int


class ModelsBody(BaseModel):
    """All models that this server was told to offer, and the pool that holds them."""

    models: list[ModelBody]
    pool: PoolBody


@router.get("/v1/models", dependencies=[needs("transcribe")], responses=envelopes())
def list_openai_models(service: Served) -> OpenAIModels:
    """Give all models that can be asked here."""
    return OpenAIModels(data=[OpenAIModel(id=name) for name in _names(service.listeners)])


@router.get(
    "/v1/models/{model:path}",
    dependencies=[needs("transcribe")],
    responses=envelopes(404),
)
def read_openai_model(model: Id, service: Served) -> OpenAIModel:
    """Give one model."""
    service.listeners.find(model)
    return OpenAIModel(id=model)


@router.get("/api/models", dependencies=[needs("read")], responses=answers())
def list_models(service: Served) -> ModelsBody:
    """Give all models, also those that cannot run here, and what the pool holds."""
    holding = service.listeners.holding()
    held = {model.key: model for model in holding.models}
    every = service.listeners.by_id.values()
    return ModelsBody(
        models=[_model(service.listeners, listener, held.get(listener.id)) for listener in every],
        pool=_pool(holding),
    )


@router.get("/api/models/{model:path}", dependencies=[needs("read")], responses=answers(404))
def read_model(model: Id, service: Served) -> ModelBody:
    """Give one model, by its id or another name."""
    listener = service.listeners.named(model)
    held = {held.key: held for held in service.listeners.holding().models}
    return _model(service.listeners, listener, held.get(listener.id))


def _names(listeners: Listeners) -> list[str]:
    able = [listener.id for listener in listeners.by_id.values() if listener.refusal is None]
    return [*able, *(name for name, id_ in listeners.aliases.items() if id_ in able)]


def _model(listeners: Listeners, listener: Listener, held: Held | None) -> ModelBody:
    spec = listener.spec
    return ModelBody(
        id=listener.id,
        backend=spec.backend,
        checkpoint=spec.checkpoint,
        device=spec.device,
        compute_type=spec.compute_type,
        languages=list(listener.languages),
        license=listeners.roster.checkpoints.get(spec.checkpoint).license,
        aliases=[name for name, id_ in listeners.aliases.items() if id_ == listener.id],
        runtime_version=listeners.roster.runtime_version(spec),
        refusal=listener.refusal,
        held=_held(held) if held else None,
    )


def _held(held: Held) -> HeldBody:
    return HeldBody(
        state=held.state,
        leases=held.leases,
        ram_bytes=held.size.ram_bytes,
        vram_bytes=held.size.vram_bytes,
        idle_s=held.idle_s,
    )


def _pool(holding: Holding) -> PoolBody:
    return PoolBody(
        models=len(holding.models),
        most_models=holding.capacity.models,
        ram_bytes=holding.size.ram_bytes,
        most_ram_bytes=holding.capacity.ram_bytes,
        waiting=holding.waiting,
    )
