"""Check: whether this bench knows what an order names, before anybody waits for it."""

from collections.abc import Collection, Iterable
from itertools import product

from modellab.backends.device import AUTO, DEVICES, device_refusal
from modellab.backends.registry import COMPUTE_TYPES, backend_names, misfit
from modellab.backends.spec import parse_spec
from modellab.corpora.selection import parse_selection
from modellab.errors import BadDefinition, Refused, UnknownName
from modellab.roster import matching
from modellab.server.definitions import Definitions
from modellab.server.jobs.order import Order

_PARTS = ("backends", "models", "devices", "compute_types")  # as an id has them


def checked(order: Order, definitions: Definitions) -> Order:
    """Give an order all of whose names are known here; models that were named by their ids are named by their parts.

    Raises:
        Refused: naming the field, what is wrong with it, and the nearest that there is.
    """
    order = _without_ids(order)
    _look_up("models", "model", order.models, definitions.checkpoints.names)
    _look_up("backends", "backend", order.backends, backend_names())
    _look_up("compute_types", "compute type", order.compute_types, COMPUTE_TYPES)
    for device in order.devices:
        if device != AUTO and device_refusal(device):
            raise _refused("devices", UnknownName("device", device, (*DEVICES, AUTO)))
    for corpus in order.corpora:
        _look_up_corpus(corpus, definitions)
    if len(set(order.corpora)) < len(order.corpora):
        raise _refused("corpora", "one of them is named twice")
    if reason := _misfit(order, definitions):
        raise _refused("models", reason)
    return order


def models_and_backends(order: Order, definitions: Definitions) -> tuple[tuple[str, str], ...]:
    """Give every model with every backend that an order means, those of bench.toml where it names none."""
    defaults = definitions.defaults
    models = order.models or matching("model", defaults.models, definitions.checkpoints.names)
    backends = order.backends or matching("backend", defaults.backends, backend_names())
    return tuple(product(models, backends))


def _without_ids(order: Order) -> Order:
    ids = [name for name in order.models if ":" in name]
    if not ids:
        return order
    if len(ids) < len(order.models) or order.backends or order.devices or order.compute_types:
        raise _refused("models", "an id says all of a model: leave backends, devices, compute types and names out")
    try:
        specs = {parse_spec(written) for written in ids}
    except UnknownName as error:
        raise _refused("models", error) from error
    rows = {(spec.backend, spec.checkpoint, spec.device, spec.compute_type) for spec in specs}
    parts = [tuple(dict.fromkeys(part)) for part in zip(*sorted(rows), strict=True)]
    if set(product(*parts)) != rows:
        raise _refused("models", "one evaluation runs all of its checkpoints in the same ways: start one for each id")
    return order.model_copy(update=dict(zip(_PARTS, parts, strict=True)))


def _look_up(field: str, kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise _refused(field, UnknownName(kind, name, known))


def _look_up_corpus(written: str, definitions: Definitions) -> None:
    """Refuse what is not the name of a corpus that is defined, or is under a condition that is not: never a path."""
    known, conditions = definitions.corpora.definitions, definitions.conditions.definitions
    try:
        selection = parse_selection(written)
        _look_up("corpora", "corpus", [selection.source], known)
        _look_up("corpora", "condition", [each.partition(":")[0] for each in selection.conditions], conditions)
        for each in selection.conditions:
            conditions[each.partition(":")[0]].read(each)
    except BadDefinition as error:
        raise _refused("corpora", error) from error
    if str(selection) != written or selection.where:
        raise _refused("corpora", f"write {'+'.join((selection.source, *selection.conditions))!r}, not {written!r}")


def _misfit(order: Order, definitions: Definitions) -> str | None:
    """Say why none of the models is for any of the backends; None where one is."""
    reason = None
    for model, backend in models_and_backends(order, definitions):
        options = definitions.defaults.options.get(backend)
        reason = misfit(backend, definitions.checkpoints.get(model), options)
        if reason is None:
            return None
    return reason or "bench.toml names none: name some"


def _refused(field: str, reason: object) -> Refused:
    return Refused(f"{field}: {reason}", status=422, code="bad_order", param=field)
