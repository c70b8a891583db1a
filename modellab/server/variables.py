"""Variables: settings by the names that the environment has for them: read, written as an example, and shown."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args

from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from modellab.errors import CannotServe
from modellab.server.settings import PREFIX, Part, ServerSettings

ENV_FILE = Path(".env")
WIDTH = 118
MASK = "**********"

_BETWEEN = "__"
_WRONG = "the settings of the server are wrong:"
_HEAD = f"""\
How a server of Model Lab can be set: every setting, what it means, and what it is when nobody sets it.
Copy this file to {ENV_FILE} beside where the server is started, and take the # before a setting away to change it.
A variable of the environment wins over {ENV_FILE}, and an argument of `modellab serve` over both.
Lists stand between commas, tables are JSON. Written by `modellab server config --example`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One setting: its path from the settings down, such as (pool, models), what it means, and whether to hide it."""

    path: tuple[str, ...]
    meaning: str
    secret: bool

    @property
    def name(self) -> str:
        """Its name in the environment."""
        return PREFIX + _BETWEEN.join(self.path).upper()

    def of(self, settings: ServerSettings) -> object:
        """Give its value."""
        value: object = settings
        for part in self.path:
            value = getattr(value, part)
        return value


@cache
def variables() -> tuple[Variable, ...]:
    """Give every setting: those that stand alone first, then part by part."""
    return tuple(sorted(_below(ServerSettings, ()), key=lambda variable: len(variable.path) > 1))


def read_settings(arguments: Mapping[str, Any]) -> ServerSettings:
    """Give the settings of the environment and of the file `.env`; arguments win, but for those that are None.

    Raises:
        CannotServe: with a line for each that is wrong, named as in the environment.
    """
    try:
        return ServerSettings(**{name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        raise CannotServe("\n".join((_WRONG, *_faults(error)))) from error
    except SettingsError as error:
        raise CannotServe(f'{_WRONG}\na part as a whole is JSON, as {PREFIX}POOL={{"models": 2}}: {error}') from error
    except (OSError, UnicodeDecodeError) as error:
        raise CannotServe(f"{ENV_FILE} cannot be read: {error}") from error


def require_runs(settings: ServerSettings) -> None:
    """See that the folder of the runs is there: a wrong name would look as if there were none.

    Raises:
        CannotServe: naming the folder and the remedy.
    """
    if not settings.runs.is_dir():
        raise CannotServe(
            f"{PREFIX}RUNS: there is no folder {settings.runs}: make it (mkdir -p {settings.runs}), "
            "or name that of the runs with --runs"
        )


def unknown_variables(environment: Iterable[str]) -> tuple[str, ...]:
    """Give a line for each name, there or in the file `.env`, that begins as a setting's does and is none."""
    told = sorted({*environment, *(dotenv_values(ENV_FILE) if ENV_FILE.is_file() else ())})
    return tuple(_unknown(name) for name in told if name.upper().startswith(PREFIX) and not _is_known(name.upper()))


def example() -> str:
    """Give the text of a file `.env` in which every setting stands, commented out, as it is by default."""
    defaults = ServerSettings.model_construct()
    lines = list(_comment(_HEAD))
    part: tuple[str, ...] = ()
    for variable in variables():
        if variable.path[:-1] != part:
            part = variable.path[:-1]
            lines += ["", *_comment(f"--- {part[0]}: {_meaning(ServerSettings.model_fields[part[0]])}")]
        value = variable.of(defaults)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        lines += ["", *_comment(variable.meaning), f"#{variable.name}={written(plain)}"]
    return "\n".join(lines) + "\n"


def effective(settings: ServerSettings) -> str:
    """Give the settings as a file `.env` could say them, without what is secret."""
    return "\n".join(f"{variable.name}={_shown(variable, variable.of(settings))}" for variable in variables()) + "\n"


def written(value: object) -> str:
    """Give a value as the environment says it: a list between commas, a table as JSON, a secret masked."""
    if isinstance(value, SecretStr):
        return MASK
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _below(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Variable]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Part):
            yield from _below(field.annotation, (*path, name))
        else:
            secret = SecretStr in (field.annotation, *get_args(field.annotation))
            yield Variable(path=(*path, name), meaning=_meaning(field), secret=secret)


def _meaning(field: FieldInfo) -> str:
    """Give what a setting means; a part of them says it at its class."""
    return field.description or (field.annotation.__doc__ if field.annotation else None) or ""


def _comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (f"# {piece}" for piece in textwrap.wrap(line, WIDTH))


def _shown(variable: Variable, value: object) -> str:
    """Give what may be seen of a value: of a secret URL all but its password and what is asked in it."""
    if not isinstance(value, SecretStr) or not variable.path[-1].endswith("_url"):
        return written(value)
    scheme, is_url, rest = value.get_secret_value().partition("://")
    if not is_url:
        return MASK
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    place, asked, _ = place.partition("?")
    return f"{scheme}://{user}{colon}{MASK if colon else ''}{at}{place}{asked}{MASK if asked else ''}"


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        path = tuple(str(part) for part in fault["loc"])
        variable = next((known for known in variables() if path[: len(known.path)] == known.path), None)
        if variable is None:
            yield _unknown(PREFIX + _BETWEEN.join(path).upper())
            continue
        below = "".join(f"[{part}]" for part in path[len(variable.path) :])
        message = fault["msg"].removeprefix("Value error, ")
        said = "" if variable.secret else f" (it is {str(fault['input'])!r:.100})"
        yield f"{variable.name}{below}: {message[:1].lower()}{message[1:]}{said}"


def _unknown(name: str) -> str:
    near = get_close_matches(
        name.upper().removeprefix(PREFIX), [each.name.removeprefix(PREFIX) for each in variables()]
    )
    return f"{name}: is no setting{f'; did you mean {PREFIX}{near[0]}?' if near else ''}"


def _is_known(name: str) -> bool:
    """Whether a name is that of a setting, or of a part of them, whose settings are checked with their values."""
    parts = {PREFIX + variable.path[0].upper() for variable in variables() if len(variable.path) > 1}
    return name in {variable.name for variable in variables()} or name.partition(_BETWEEN)[0] in parts
