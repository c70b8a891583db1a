"""Defaults: what `bench.toml` says is run when the command line says nothing."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from modellab.backends.base import DecodeOptions, JsonValue
from modellab.errors import BadDefinition
from modellab.scenarios.programme import Programme
from modellab.sources.table import Table

_LISTS = ("model", "backend", "device", "corpus", "timed_corpus", "nonspeech_corpus")
_TABLES = ("compute_type", "decode", "environment", "options", "performance")
_KEYS = ("schema", *_LISTS, "batch_size", "rounds", "seed", *_TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The bench as it is run by default.

    `compute_types` is by backend; `default` is for those not named. `options` are those that only one backend has, by
    backend. `environments` names the environment that a backend runs in, by backend; the others run in this one.
    """

    models: tuple[str, ...]
    backends: tuple[str, ...]
    devices: tuple[str, ...]
    corpora: tuple[str, ...]
    timed_corpora: tuple[str, ...]
    nonspeech_corpora: tuple[str, ...]
    compute_types: Mapping[str, tuple[str, ...]]
    batch_size: int
    rounds: int
    seed: int
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    options: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    environments: Mapping[str, str] = field(default_factory=dict)
    programme: Programme = field(default_factory=Programme)

    def compute_types_of(self, backend: str) -> tuple[str, ...]:
        """Give the compute types that a backend is run in."""
        return self.compute_types.get(backend, self.compute_types["default"])


def read_defaults(path: Path) -> Defaults:
    """Give the defaults that a TOML file holds.

    Raises:
        BadDefinition: naming the file, the key and what is allowed.
    """
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadDefinition(f"cannot read the bench's defaults from {path}: {error}") from error
    table = Table.read(document, str(path), _KEYS)
    types = table.table("compute_type")
    if "default" not in types.values:
        raise types.refusal("default", "a list of compute types")
    return Defaults(
        models=table.texts("model"),
        backends=table.texts("backend"),
        devices=table.texts("device"),
        corpora=table.texts("corpus"),
        timed_corpora=table.texts("timed_corpus"),
        nonspeech_corpora=table.texts("nonspeech_corpus") if "nonspeech_corpus" in table.values else (),
        compute_types={backend: types.texts(backend) for backend in types.values},
        batch_size=table.optional_count("batch_size") or 1,
        rounds=table.optional_count("rounds") or 1,
        seed=table.optional_count("seed") or 0,
        decode=_decode(table.table("decode", [f.name for f in fields(DecodeOptions)])),
        options=_options(table),
        environments=_environments(table),
        programme=_programme(table),
    )


def _decode(table: Table) -> DecodeOptions:
    values: dict[str, Any] = dict(table.values)
    if "temperatures" in values:
        values["temperatures"] = tuple(values["temperatures"])
    return DecodeOptions(**values)


def _options(table: Table) -> Mapping[str, Mapping[str, Any]]:
    if "options" not in table.values:
        return {}
    backends = table.table("options")
    return {name: dict(backends.table(name).values) for name in backends.values}


def _environments(table: Table) -> Mapping[str, str]:
    if "environment" not in table.values:
        return {}
    named = table.table("environment")
    return {backend: named.text(backend) for backend in named.values}


def _programme(table: Table) -> Programme:
    if "performance" not in table.values:
        return Programme()
    own = table.table("performance", [f.name for f in fields(Programme)])
    defaults = Programme()
    return Programme(**{name: _like(getattr(defaults, name), own, name) for name in own.values})


def _like(default: object, table: Table, key: str) -> Any:  # noqa: ANN401 - as the default is
    if isinstance(default, tuple):
        return table.counts(key)
    return table.optional_count(key) if isinstance(default, int) else table.optional_number(key)
