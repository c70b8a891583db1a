"""Target: what a checkpoint is to be converted to, as a person writes it: `ct2:int8`, `ggml:q5_1`, `openai`."""

from collections.abc import Mapping
from dataclasses import dataclass

from modellab.checkpoints.convert import QUANTISATIONS
from modellab.checkpoints.ggml import FILE_TYPES
from modellab.errors import UnknownName

SHORT_NAMES = {"ct2": "ctranslate2"}

# By layout, what its weights can be stored in; the first is meant where none is named, "" keeps the source's type.
TARGETS: Mapping[str, tuple[str, ...]] = {
    "ctranslate2": ("", *QUANTISATIONS),
    "ggml": tuple(FILE_TYPES),
    "openai": ("",),
    "transformers": ("",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A layout, and the type that weights are stored in; empty where that of the source is kept."""

    family: str
    quantisation: str

    @property
    def layout(self) -> str:
        """The layout's full name: `ctranslate2`, `ctranslate2:int8`, `ggml:q5_1`."""
        return f"{self.family}:{self.quantisation}" if self.quantisation else self.family


def parse_target(written: str) -> Target:
    """Give the target that is written so.

    Raises:
        UnknownName: when nothing is known of the layout, or it has no such quantisation; with those there are.
    """
    name, colon, quantisation = written.partition(":")
    family = SHORT_NAMES.get(name, name)
    if family not in TARGETS:
        raise UnknownName("layout", name, (*TARGETS, *SHORT_NAMES))
    known = TARGETS[family]
    if colon and (quantisation not in known or not quantisation):
        raise UnknownName(f"quantisation of {family}", quantisation, filter(None, known))
    return Target(family=family, quantisation=quantisation or known[0])
