"""Weights: verified files of one checkpoint on this disk, in one layout."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Layout = Literal["ctranslate2", "openai", "transformers", "ggml", "lfm2-audio", "sherpa-onnx", "vosk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A checkpoint in the layout that a runtime reads.

    `sha256` is that of the upstream weights file, whatever the layout, so that every runtime's records name the
    same weights alike. `languages` are ISO 639-1 codes; `("*",)` means many.
    """

    checkpoint: str
    layout: str
    revision: str
    sha256: str
    languages: tuple[str, ...]
    folder: Path

    @property
    def english_only(self) -> bool:
        """Whether the checkpoint knows no language but English."""
        return self.languages == ("en",)
