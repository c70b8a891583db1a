"""Vocabulary: the tokens of a Whisper checkpoint that steer it, by their numbers, and what the others spell."""

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


def spellings(path: Path) -> list[bytes]:
    """Give the bytes that each token of a `tokenizer.json` spells, by number; orders are spelt as they are written.

    Raises:
        BadCheckpoint: when the file is missing, is no tokenizer of bytes, or skips a number.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        orders = {int(token["id"]): token["content"].encode() for token in written["added_tokens"]}
        spelt = {
            int(number): bytes(_BYTES[letter] for letter in token)
            for token, number in written["model"]["vocab"].items()
            if int(number) not in orders
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{path} is no tokenizer of bytes: {error!r}") from error
    every = spelt | orders
    if sorted(every) != list(range(len(every))):
        raise BadCheckpoint(f"{path} has {len(every)} tokens, but not numbered from 0 on without a gap")
    return [every[number] for number in range(len(every))]


def _letters() -> dict[str, int]:
    """Give the byte that each letter of a byte-level vocabulary stands for: itself where it can be seen.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(_BYTE_VALUES) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(_BYTE_VALUES + place): byte for place, byte in enumerate(unseen)}


_BYTE_VALUES = 256
_BYTES = _letters()
