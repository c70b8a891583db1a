"""Identity: everything that the words of a model follow from, as one hash."""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from sys import modules

from packaging.utils import canonicalize_name

from modellab.backends.base import NO_WEIGHTS, Backend, JsonValue
from modellab.backends.device import device_class

_NO_MATTER = frozenset({"threads", "device"})  # the device counts by its class: cuda:1 is as good as cuda:0


def identity(
    backend: type[Backend],
    device: str,
    options: Mapping[str, JsonValue],
    versions: Mapping[str, str] | None = None,
) -> str | None:
    """Give a hash that two models share only if the same audio gives the same words; None where that is not known.

    It covers the hash of the weights, the options, the kind of device, the versions of the runtime and of the
    packages that compute for it, and the source of the backend itself. Without a hash of the weights nothing is known,
    nor of a runtime that brings its own.

    Args:
        backend: the class that listens.
        device: "cpu", "cuda", "cuda:1" or "mps".
        options: what `Backend.options` gives, with the weights by name and hash.
        versions: of the packages in the environment that it runs in, by their normalised names; None for this one's.
    """
    weights = options.get("weights")
    if backend.layout == NO_WEIGHTS or not isinstance(weights, dict) or not weights.get("sha256"):
        return None
    facts = {
        "options": {name: value for name, value in options.items() if name not in _NO_MATTER},
        "device": device_class(device),
        "versions": {package: _version(package, versions) for package in (backend.package, *backend.engines)},
        "source": _source(backend.__module__),
    }
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _version(package: str, versions: Mapping[str, str] | None) -> str | None:
    if versions is not None:
        return versions.get(canonicalize_name(package))
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _source(module: str) -> str:
    return sha256(Path(str(modules[module].__file__)).read_bytes()).hexdigest()
