"""Failure: why there is no answer."""

from dataclasses import dataclass
from typing import Literal

Stage = Literal["read", "load", "transcribe", "crash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no transcript: where it went wrong, the error's class and its words."""

    stage: Stage
    kind: str
    message: str
