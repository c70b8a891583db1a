"""Fields: which column of a dataset holds what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modellab.errors import BadManifest

TEXT = ("text", "sentence", "transcription", "transcript", "normalized_text", "raw_text")

_AUDIO = "audio"  # which one, where there are several
_SPEAKER = ("speaker_id", "speaker", "client_id")
_LANGUAGE = ("language", "locale")
_STRINGS = {"string", "large_string", "string_view"}
_SCALARS = ("string", "large_string", "string_view", "int", "uint", "float", "double", "bool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The columns that are read, empty where there is none; `rest` are the other columns of plain values.

    `labels` are the names that stand for the numbers of a column, by column.
    """

    audio: str
    text: str
    id: str
    speaker: str
    language: str
    rest: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]

    @property
    def read(self) -> list[str]:
        """Every column that is read, once."""
        named = (self.audio, self.text, self.id, self.speaker, self.language, *self.rest)
        return list(dict.fromkeys(filter(None, named)))

    def value(self, row: Mapping[str, Any], column: str) -> str | int | float | None:
        """Give what a row says in a column, by its name where it is one of named numbers; None where nothing."""
        value = row.get(column) if column else None
        names = self.labels.get(column, ())
        if names and isinstance(value, int):
            return names[value] if 0 <= value < len(names) else None
        return value if isinstance(value, str | int | float) else None


def find_fields(features: Mapping[str, Any], where: str) -> Fields:
    """Give the fields of a dataset from its features: the audio by its type, all others by name.

    Raises:
        BadManifest: when there is no audio or no text, naming the columns there are.
    """
    audio = _audio(features, where)
    text = _first(TEXT, (name for name in features if _dtype(features[name]) in _STRINGS))
    if not text:
        raise _refusal(features, where, f"no column of text ({', '.join(TEXT)})")
    plain = [name for name in features if _is_plain(features[name])]
    named = {role: _first(names, plain) for role, names in {"speaker": _SPEAKER, "language": _LANGUAGE}.items()}
    taken = {text, "id", *named.values()}
    return Fields(
        audio=audio,
        text=text,
        id=_first(("id",), plain),
        rest=tuple(name for name in plain if name not in taken),
        labels={name: tuple(features[name].names) for name in plain if getattr(features[name], "names", None)},
        **named,
    )


def _audio(features: Mapping[str, Any], where: str) -> str:
    found = [name for name, feature in features.items() if _is_audio(feature)]
    if _AUDIO in found:
        return _AUDIO
    if len(found) != 1:
        raise _refusal(features, where, f"{len(found) or 'no'} columns of audio, and none named {_AUDIO!r}")
    return found[0]


def _is_audio(feature: object) -> bool:
    """Tell whether a feature is audio; a table that another program wrote has it as bytes with a path."""
    if isinstance(feature, dict):
        return set(feature) in ({"bytes", "path"}, {"bytes"}) and "binary" in _dtype(feature["bytes"])
    return type(feature).__name__ == "Audio"


def _is_plain(feature: object) -> bool:
    return _dtype(feature).startswith(_SCALARS)


def _dtype(feature: object) -> str:
    return str(getattr(feature, "dtype", ""))


def _first(names: Iterable[str], there: Iterable[str]) -> str:
    found = set(there)
    return next((name for name in names if name in found), "")


def _refusal(features: Mapping[str, Any], where: str, reason: str) -> BadManifest:
    return BadManifest(f"{where}: {reason}; found: {', '.join(map(repr, features)) or 'nothing'}")
