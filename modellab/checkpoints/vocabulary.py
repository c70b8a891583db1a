"""Vocabulary: the tokens of a Whisper checkpoint that steer it, by their numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import BadCheckpoint

_START, _END = "<|startoftranscript|>", "<|endoftext|>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The special tokens of a `tokenizer.json`, by text."""

    path: Path
    special: Mapping[str, int]

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Give the special tokens.

        Raises:
            BadCheckpoint: when the file is missing or is no tokenizer.
        """
        try:
            added = json.loads(path.read_text(encoding="utf-8"))["added_tokens"]
            special = {token["content"]: int(token["id"]) for token in added if token["special"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadCheckpoint(f"{path} is no tokenizer: {error!r}") from error
        return cls(path=path, special=special)

    def number(self, token: str) -> int:
        """Give the number of a token.

        Raises:
            BadCheckpoint: when there is no such token.
        """
        if token not in self.special:
            raise BadCheckpoint(f"{self.path} has no token {token}")
        return self.special[token]

    @property
    def start(self) -> int:
        """What a transcript begins with."""
        return self.number(_START)

    @property
    def end(self) -> int:
        """What a transcript ends with; what pads it too."""
        return self.number(_END)

    @property
    def languages(self) -> dict[str, int]:
        """The language tokens, such as `<|de|>`: those between the start and the tasks."""
        last = self.number("<|translate|>")
        return {token: number for token, number in self.special.items() if self.start < number < last}

    @property
    def control(self) -> tuple[str, ...]:
        """The control tokens by number, those of times left out."""
        last = self.number("<|notimestamps|>")
        return tuple(token for token in sorted(self.special, key=self.number) if self.special[token] <= last)
