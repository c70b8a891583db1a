"""Which runtimes there are: a name maps to one class, by entry point, so that anybody's package can add one."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path

from modellab.backends.base import NO_WEIGHTS, Backend, JsonValue, as_json
from modellab.backends.requirement import unmet
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Checkpoint
from modellab.checkpoints.weights import Weights
from modellab.errors import BackendUnavailable, BadDefinition, UnknownName

GROUP = "modellab.backends"
COMPUTE_TYPES = ("float32", "float16", "bfloat16", "int8", "int8_float16", "q8_0", "q5_1")


def backend_names() -> tuple[str, ...]:
    """Give the names of all installed backends, sorted."""
    return tuple(sorted(_found()))


def backend_class(name: str) -> type[Backend]:
    """Give the class of a backend; its runtime is not imported.

    Raises:
        UnknownName: when no installed package offers a backend of this name.
        BackendUnavailable: when its class cannot be imported, or is none.
    """
    found = _found()
    if name not in found:
        raise UnknownName("backend", name, found)
    try:
        loaded = found[name].load()
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable(f"backend {name!r} ({found[name].value}) cannot be imported: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise BackendUnavailable(f"backend {name!r} ({found[name].value}) is not a class derived from Backend")
    return loaded


def runtime_version(name: str) -> str | None:
    """Give the version of a backend's runtime; None where it is not installed."""
    try:
        return version(backend_class(name).package)
    except PackageNotFoundError:
        return None


def refusal(name: str, device: str, compute_type: str) -> str | None:
    """Say why a combination cannot run on this machine, and what helps; None where it can.

    Raises:
        UnknownName: when no backend has this name, or no backend knows this compute type.
    """
    backend = backend_class(name)
    if compute_type not in COMPUTE_TYPES:
        raise UnknownName("compute type", compute_type, COMPUTE_TYPES)
    if lacking := unmet(backend.package, _found()[name].dist):
        return f"backend {name!r} {lacking}"
    return backend.refusal(device, compute_type)


def options_of(name: str) -> tuple[str, ...]:
    """Give the names of the options that only this backend has.

    Raises:
        UnknownName: when no backend has this name.
    """
    return tuple(field.name for field in _own(backend_class(name)))


def unstated(name: str) -> Mapping[str, JsonValue]:
    """Give what the options that only this backend has are where nobody states them; those it wants are left out.

    Raises:
        UnknownName: when no backend has this name.
    """
    return {field.name: as_json(field.default) for field in _own(backend_class(name)) if field.default is not MISSING}


def misfit(name: str, checkpoint: Checkpoint, options: Mapping[str, JsonValue] | None = None) -> str | None:
    """Say why a backend with some options cannot run a checkpoint, whatever the machine; None where it can.

    A checkpoint that lies elsewhere is for a backend that takes its options; a backend that wants options is for
    such a checkpoint. Nothing is fetched.

    Raises:
        UnknownName: when no backend has this name.
    """
    backend = backend_class(name)
    if checkpoint.elsewhere and backend.layout != NO_WEIGHTS:
        return f"{checkpoint.name} has no files, and backend {name!r} needs weights in the layout {backend.layout!r}"
    able, options = backend.architectures, {**(options or {}), **checkpoint.options}
    if able is not None and checkpoint.architecture not in able:
        return f"{checkpoint.name} is {checkpoint.architecture}, and backend {name!r} runs {', '.join(sorted(able))}"
    own = _own(backend)
    names = [field.name for field in own]
    if unknown := ", ".join(key for key in options if key not in names):
        return f"{checkpoint.name} has options that backend {name!r} lacks: {unknown}; it has {', '.join(names)}"
    wanted = [f.name for f in own if f.default is MISSING and f.default_factory is MISSING]
    if missing := ", ".join(key for key in wanted if key not in options):
        return f"backend {name!r} wants options that {checkpoint.name} does not state: {missing}"
    try:
        backend(weights=None, **options)  # type: ignore[arg-type]
    except BadDefinition as error:
        return f"{checkpoint.name}: {error}"
    return None


def weights_for(name: str, compute_type: str, checkpoint: Checkpoint, cache: Path) -> Weights | None:
    """Give a checkpoint's weights as a backend reads them in a compute type; None where it reads none.

    Raises:
        UnknownName: when no backend has this name.
        SourceUnreachable, WrongHash, BadCheckpoint, BackendUnavailable: as `prepare` does.
    """
    layout = backend_class(name).layout_in(compute_type)
    return None if layout == NO_WEIGHTS else prepare(checkpoint, layout, cache)


def _own(backend: type[Backend]) -> list["Field[object]"]:
    shared = {field.name for field in fields(Backend)}
    return [field for field in fields(backend) if field.init and field.name not in shared]


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
