"""Blueprint: a backend on paper, and where it is built, so that another process can build it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from modellab.backends.base import Backend, DecodeOptions
from modellab.backends.registry import backend_class
from modellab.checkpoints.weights import Weights
from modellab.errors import BadDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A backend by its name among the installed ones and by its fields, as JSON holds them.

    `python` is the interpreter of the environment that it is to be built in; None means this process's.
    """

    backend: str
    fields: Mapping[str, Any]
    python: Path | None = None

    @classmethod
    def of(cls, name: str, backend: Backend, python: Path | None = None) -> Self:
        """Give the blueprint of a backend that is installed as `name`; what it has loaded is not in it.

        Raises:
            BadDefinition: when a field holds what JSON cannot.
        """
        own = {field.name: getattr(backend, field.name) for field in fields(backend) if field.init}
        if backend.weights:
            own["weights"] = asdict(backend.weights) | {"folder": str(backend.weights.folder)}
        own["decode"] = asdict(backend.decode)
        for field, value in own.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise BadDefinition(f"backend {name!r}: {field} cannot cross to another process: {error}") from error
        return cls(backend=name, fields=own, python=python)

    def as_dict(self) -> dict[str, Any]:
        """Give what the process that builds it needs to know."""
        return {"backend": self.backend, "fields": dict(self.fields)}

    def build(self) -> Backend:
        """Give a backend of these fields, not loaded; a list is the tuple that it was.

        Raises:
            UnknownName: when no backend of this name is installed.
            BackendUnavailable: when its class cannot be imported.
        """
        values = {name: _tuples(value) for name, value in self.fields.items()}
        values["decode"] = DecodeOptions(**values["decode"])
        if weights := values["weights"]:
            values["weights"] = Weights(**weights | {"folder": Path(weights["folder"])})
        return backend_class(self.backend)(**values)


def _tuples(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
