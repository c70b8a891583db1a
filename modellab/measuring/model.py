"""Model: a backend on the bench, loaded when first needed."""

from collections.abc import Callable
from typing import Generic, Protocol

from typing_extensions import TypeVar

from modellab.backends.base import Recogniser
from modellab.backends.spec import ModelSpec


class Listener(Recogniser, Protocol):
    """A recogniser that is loaded before and closed after, as a backend and a worker are."""

    def load(self) -> None:
        """Read the weights."""

    def close(self) -> None:
        """Give the memory back; harmless when called again."""


ListenerT_co = TypeVar("ListenerT_co", bound=Listener, default=Listener, covariant=True)


class Model(Generic[ListenerT_co]):
    """A model by its spec. What listens is made and loaded at first use; a failed load is not tried again."""

    def __init__(self, spec: ModelSpec, languages: tuple[str, ...], make: Callable[[], ListenerT_co]) -> None:
        self.spec = spec
        self.languages = languages
        self._make = make
        self._backend: ListenerT_co | None = None
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        return f"<model {self.id}>"

    @property
    def id(self) -> str:
        """The id of the spec."""
        return self.spec.id

    @property
    def backend(self) -> ListenerT_co:
        """What listens, loaded.

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
        """Give its memory back; harmless when called again."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _load(self) -> ListenerT_co:
        try:
            backend = self._make()
            backend.load()
        except Exception as error:
            self._failure = error
            raise
        return backend
