"""Definition: what an arm runs: its models, how they listen, and the weights they are."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from modellab.backends.base import DecodeOptions
from modellab.backends.device import device_refusal
from modellab.backends.registry import COMPUTE_TYPES
from modellab.backends.spec import ModelSpec
from modellab.checkpoints.registry import Registry
from modellab.defaults import Defaults, read_defaults
from modellab.errors import BadDefinition, UnknownName
from modellab.sources.table import Table

BENCH, MODELS = "bench.toml", "models.toml"
_KEYS = ("schema", "model", "backend", "device", "compute_type", "decode", "options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The part of a definition that was asked for: names or globs that stand for a list of `bench.toml`; () is all."""

    models: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    compute_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Models, and how they are asked to listen.

    Attributes:
        path: the file that says so.
        specs: the models, in the order of the file.
        decode: the options that the file states. The rest are left to the arm: their defaults may be what changed.
        options: those that only one backend has, by backend.
        environments: the name of the environment that a backend runs in, by backend; the others run in the arm's.
        checkpoints: what the models' checkpoints are.
    """

    path: Path
    specs: tuple[ModelSpec, ...]
    decode: Mapping[str, Any]
    checkpoints: Registry
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environments: Mapping[str, str] = field(default_factory=dict)


def read_definition(fixtures: Path, backends: Iterable[str], wanted: Wanted, *, lenient: bool = False) -> Definition:
    """Give what a folder of definitions says is run, in an environment with these backends.

    `lenient` passes over what was asked for and is not there: a base may lack what the candidate adds.

    Raises:
        BadDefinition: when a file cannot be read, or says something it may not.
        UnknownName: when it names a model, backend, device or compute type that there is not.
    """
    path = fixtures / BENCH
    defaults, checkpoints = read_defaults(path), Registry.read(fixtures / MODELS)
    known_backends, models, types = tuple(backends), checkpoints.names, wanted.compute_types
    return Definition(
        path=path,
        specs=_specs(
            models=_named("checkpoint", wanted.models, defaults.models, models, path, lenient=lenient),
            backends=_named("backend", wanted.backends, defaults.backends, known_backends, path, lenient=lenient),
            devices=wanted.devices or defaults.devices,
            compute_types={name: types or defaults.compute_types_of(name) for name in known_backends},
            path=path,
        ),
        decode=_stated(path),
        options=defaults.options,
        environments=defaults.environments,
        checkpoints=checkpoints,
    )


def changed_by(definition: Definition, file: Path, backends: Iterable[str]) -> Definition:
    """Give a definition with what another file says in the place of what it says itself.

    The file is written as `bench.toml` is; it may leave out anything, and its `decode` changes single options. Its
    `compute_type` is a list for all backends, or a table of lists by backend.

    Raises:
        BadDefinition: when the file cannot be read, or says something it may not.
        UnknownName: when it names a model, backend, device or compute type that there is not.
    """
    table = Table.read(_parsed(file), str(file), _KEYS)
    if not set(table.values) - {"schema"}:
        raise BadDefinition(f"{file} changes nothing: give one or more of {', '.join(_KEYS[1:])}")
    specs = definition.specs
    own = {
        spec.backend: tuple(dict.fromkeys(s.compute_type for s in specs if s.backend == spec.backend)) for spec in specs
    }
    known = tuple(backends)

    def listed(key: str, before: Iterable[str]) -> tuple[str, ...]:
        return table.texts(key) if key in table.values else tuple(dict.fromkeys(before))

    of = _named("backend", (), listed("backend", (spec.backend for spec in specs)), known, file)
    types = {name: _types(table, name, own) for name in of}
    return replace(
        definition,
        path=file,
        specs=_specs(
            models=_named(
                "checkpoint",
                (),
                listed("model", (spec.checkpoint for spec in specs)),
                definition.checkpoints.names,
                file,
            ),
            backends=of,
            devices=listed("device", (spec.device for spec in specs)),
            compute_types=types,
            path=file,
        ),
        decode={**definition.decode, **(_stated(file) if "decode" in table.values else {})},
        options={**definition.options, **_options(table)},
    )


def backends_named(fixtures: Path, wanted: Wanted, known: Iterable[str]) -> tuple[str, ...]:
    """Give the backends that a folder of definitions names, before there is an environment to look for them in.

    Raises:
        BadDefinition: when its `bench.toml` cannot be read.
    """
    written = wanted.backends or _defaults(fixtures).backends
    offered = tuple(known)
    return tuple(
        dict.fromkeys(
            name
            for pattern in written
            for name in ([name for name in offered if fnmatchcase(name, pattern)] or [pattern])
        )
    )


def _defaults(fixtures: Path) -> Defaults:
    return read_defaults(fixtures / BENCH)


def _specs(
    *,
    models: Sequence[str],
    backends: Sequence[str],
    devices: Sequence[str],
    compute_types: Mapping[str, Sequence[str]],
    path: Path,
) -> tuple[ModelSpec, ...]:
    for device in devices:
        if refusal := device_refusal(device):
            raise BadDefinition(f"{path}: {refusal}")
    for written in {kind for backend in backends for kind in compute_types[backend]}:
        if written not in COMPUTE_TYPES:
            raise UnknownName("compute type", written, COMPUTE_TYPES, f"It stands in {path}.")
    return tuple(
        ModelSpec(backend=backend, checkpoint=model, device=device, compute_type=compute_type)
        for model in models
        for backend in backends
        for device in devices
        for compute_type in compute_types[backend]
    )


def _named(
    kind: str, asked: Sequence[str], default: Sequence[str], known: Sequence[str], path: Path, *, lenient: bool = False
) -> tuple[str, ...]:
    """Give the names that patterns match; those of a file must match something, and so must those of a person."""
    found: dict[str, None] = {}
    for pattern in asked or default:
        matches = [name for name in known if fnmatchcase(name, pattern)]
        if not matches and not (asked and lenient):
            raise UnknownName(kind, pattern, known, "" if asked else f"It stands in {path}.")
        found |= dict.fromkeys(matches)
    return tuple(found)


def _types(table: Table, backend: str, before: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    written = table.values.get("compute_type")
    if isinstance(written, Mapping):
        types = table.table("compute_type")
        for key in (backend, "default"):
            if key in written:
                return types.texts(key)
    elif written is not None:
        return table.texts("compute_type")
    if backend not in before:
        raise BadDefinition(f"{table.where}: compute_type must say what {backend} is run in: it is new to this bench")
    return before[backend]


def _options(table: Table) -> dict[str, Mapping[str, Any]]:
    """Give the options that a file states of single backends; those of a backend of the base are not ours to check."""
    if "options" not in table.values:
        return {}
    backends = table.table("options")
    return {name: dict(backends.table(name).values) for name in backends.values}


def _stated(path: Path) -> Mapping[str, Any]:
    """Give the decode options that a file states.

    Raises:
        BadDefinition: when it states one that there is not, or a value that no runtime could follow.
    """
    stated = Table.read(_parsed(path), str(path)).table("decode", [field.name for field in fields(DecodeOptions)])
    try:
        DecodeOptions(**dict(stated.values))  # type: ignore[arg-type]
    except (BadDefinition, TypeError) as error:
        raise BadDefinition(f"{path}: {error}") from error
    return dict(stated.values)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDefinition(f"no bench definition at {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDefinition(f"{path} is not TOML: {error}") from error
