"""Access: who may do what."""

from typing import Any, Literal, TypeAlias

from fastapi import Depends, Request

Scope: TypeAlias = Literal["read", "transcribe", "evaluate", "admin"]


def needs(scope: Scope) -> Any:  # noqa: ANN401 - what FastAPI takes for a dependency
    """Give the dependency of a router or a path that only who has a scope may use."""

    async def admitted(_: Request) -> None:
        assert scope

    return Depends(admitted)
