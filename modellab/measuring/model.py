"""Model: a backend on the bench, loaded when first needed."""

from collections.abc import Callable

from modellab.backends.base import Backend
from modellab.backends.spec import ModelSpec


class Model:
    """A model by its spec. The backend is made and loaded at first use; a failed load is not tried again."""

    def __init__(self, spec: ModelSpec, languages: tuple[str, ...], make: Callable[[], Backend]) -> None:
        self.spec = spec
        self.languages = languages
        self._make = make
        self._backend: Backend | None = None
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        return f"<model {self.id}>"

    @property
    def id(self) -> str:
        """The id of the spec."""
        return self.spec.id

    @property
    def backend(self) -> Backend:
        """The loaded backend.

        Raises:
            Exception: whatever making or loading it raised, each time it is asked for.
        """
        if self._failure is not None:
            raise self._failure
        if self._backend is None:
            self._backend = self._load()
        return self._backend

    def speaks(self, languages: tuple[str, ...]) -> bool:
        """Whether the checkpoint knows all these languages."""
        return "*" in self.languages or set(languages) <= set(self.languages)

    def close(self) -> None:
        """Give the backend's memory back; harmless when called again."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _load(self) -> Backend:
        try:
            backend = self._make()
            backend.load()
        except Exception as error:
            self._failure = error
            raise
        return backend
