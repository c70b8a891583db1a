"""Keys: who is let in. What a client keeps is `mlab_<id>_<secret>`; the server keeps a hash of it."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self, TypeAlias, cast, get_args

from sqlalchemy import Column, Row, String, Table, insert, select, update

from modellab.errors import BadDefinition, CannotServe, DatabaseUnavailable, Refused, UnknownName
from modellab.machine.clock import now_utc
from modellab.server.database import METADATA, Database
from modellab.server.settings import ServerSettings

Scope: TypeAlias = Literal["read", "transcribe", "evaluate", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
SHAPE = re.compile(r"mlab_([0-9a-f]{12})_([a-z2-7]{52})")
LONGEST_NAME = 100
NOTED_EVERY = timedelta(minutes=1)

_SECRET_BYTES = 32
_NOBODYS = "0" * 64  # a digest that belongs to no key, so that an unknown id takes as long as a known one

_keys = Table(
    "keys",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("name", String(LONGEST_NAME), nullable=False),
    Column("scopes", String(64), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32)),
    Column("last_used_at", String(32)),
    Column("revoked_at", String(32)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the server knows it: everything but what is secret. Times have a zone; None for never.

    Attributes:
        id: the part of it that may be shown.
        name: what whoever made it calls it.
        scopes: what it may do.
        created_at: when it was made.
        expires_at: from when on it is refused.
        last_used_at: when it was last used, to the minute.
        revoked_at: when it was taken back.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def prefix(self) -> str:
        """The beginning of what its owner keeps."""
        return f"mlab_{self.id}"


class Keys:
    """The keys of a server. All methods may be called from any thread.

    Args:
        database: where they are kept.
        secret: gives what they are hashed with; servers that share a database need the same.
        now: gives the time, with its zone.
    """

    def __init__(self, database: Database, secret: Callable[[], bytes], now: Callable[[], datetime] = now_utc) -> None:
        self._database = database
        self._give_secret = secret
        self._now = now
        self._noted: dict[str, datetime] = {}

    @classmethod
    def of(cls, settings: ServerSettings, database: Database) -> Self:
        """Give the keys of a server; its secret is read, or made, when it is first needed."""
        return cls(database, lambda: server_secret(settings))

    def create(self, name: str, scopes: Iterable[str], expires_at: datetime | None = None) -> tuple[Key, str]:
        """Make a key; give it, and what its owner is to keep, which nobody can read again.

        Raises:
            BadDefinition: when the name is empty or too long, there is no scope, or the time is past or has no zone.
            UnknownName: when there is no such scope.
            DatabaseUnavailable: when it cannot be kept.
        """
        made_at = self._now()
        key = Key(
            id=secrets.token_hex(6),
            name=_checked_name(name),
            scopes=_checked_scopes(scopes),
            created_at=made_at,
            expires_at=_checked_end(expires_at, made_at),
        )
        plain = f"{key.prefix}_{_letters(secrets.token_bytes(_SECRET_BYTES))}"
        row = {
            "id": key.id,
            "digest": self._digest(plain),
            "name": key.name,
            "scopes": " ".join(sorted(key.scopes)),
            "created_at": _text(key.created_at),
            "expires_at": _text(key.expires_at),
        }
        with self._database.writing() as connection:
            connection.execute(insert(_keys).values(row))
        return key, plain

    def list(self) -> tuple[Key, ...]:
        """Give all keys, the oldest first, those included that are refused by now."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_keys).order_by(_keys.c.created_at, _keys.c.id)).all()
        return tuple(_key(row) for row in rows)

    def any(self) -> bool:
        """Say whether a key was ever made; one that was revoked counts, so that a server never opens by itself."""
        with self._database.reading() as connection:
            return connection.execute(select(_keys.c.id).limit(1)).first() is not None

    def revoke(self, id: str) -> Key:  # noqa: A002 - what it is called everywhere
        """Take a key back, at once and for ever; give it. One that was taken back before stays as it is.

        Raises:
            UnknownName: when there is no such key.
        """
        with self._database.writing() as connection:
            live = _keys.c.id == id, _keys.c.revoked_at.is_(None)
            connection.execute(update(_keys).where(*live).values(revoked_at=_text(self._now())))
            row = connection.execute(select(_keys).where(_keys.c.id == id)).first()
            if row is None:
                known = connection.scalars(select(_keys.c.id))
                raise UnknownName("key", id, known, "`modellab server keys list` shows them.")
        return _key(row)

    def check(self, plain: str) -> Key:
        """Give the key that somebody shows, and note that it was used.

        Raises:
            Refused: with status 401, when it is none, has expired or was revoked.
            DatabaseUnavailable: when nobody can tell.
        """
        shape = SHAPE.fullmatch(plain)
        if shape is None:
            raise _refusal("bad_key", "this is no key of Model Lab: they look like mlab_<id>_<secret>")
        with self._database.reading() as connection:
            row = connection.execute(select(_keys).where(_keys.c.id == shape[1])).first()
        if not hmac.compare_digest(self._digest(plain), row.digest if row else _NOBODYS) or row is None:
            raise _refusal("bad_key", "this key is not known here")
        key = _key(row)
        now = self._now()
        if key.revoked_at is not None:
            raise _refusal("key_revoked", f"the key {key.prefix} was revoked at {key.revoked_at}: ask for another")
        if key.expires_at is not None and key.expires_at <= now:
            raise _refusal("key_expired", f"the key {key.prefix} expired at {key.expires_at}: ask for another")
        self._note(key, now)
        return key

    def _note(self, key: Key, now: datetime) -> None:
        """Note that a key was used, once a minute; a database that cannot be written to now keeps nobody out."""
        noted_at = max((at for at in (key.last_used_at, self._noted.get(key.id)) if at is not None), default=None)
        if noted_at is not None and abs(now - noted_at) < NOTED_EVERY:
            return
        self._noted[key.id] = now
        with suppress(DatabaseUnavailable), self._database.writing() as connection:
            connection.execute(update(_keys).where(_keys.c.id == key.id).values(last_used_at=_text(now)))

    def _digest(self, plain: str) -> str:
        return hmac.new(self._secret, plain.encode(), hashlib.sha256).hexdigest()

    @cached_property
    def _secret(self) -> bytes:
        return self._give_secret()


def server_secret(settings: ServerSettings) -> bytes:
    """Give what a server hashes keys with: of its settings, else of the file `secret` in its data, made if missing.

    Raises:
        CannotServe: when the file cannot be made or read, or is damaged.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.data / "secret"
    try:
        if not path.exists():
            _make_secret(path)
        found = path.read_bytes()
    except OSError as error:
        raise CannotServe(f"{path} holds what keys are hashed with, and cannot be used: {error.strerror}") from error
    if len(found) < _SECRET_BYTES:
        raise CannotServe(f"{path} is damaged: put it back, or delete it and make new keys")
    return found


def refuse_open_bind(settings: ServerSettings, keys: Keys) -> None:
    """Do nothing where a server may listen as its settings say.

    Raises:
        CannotServe: when others than this machine could reach it, and there is no key that they would need.
        DatabaseUnavailable: when nobody can tell.
    """
    if is_loopback(settings.host) or settings.insecure or keys.any():
        return
    raise CannotServe(
        f"{settings.host} can be reached from beyond this machine, and there is no key: make one by `modellab server "
        "keys create`, listen on 127.0.0.1, or say insecure if everybody may use it"
    )


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine alone; a name other than localhost counts as one that is not.

    An IPv4 address within an IPv6 one is what it is by itself.
    """
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _make_secret(path: Path) -> None:
    """Write a secret, whole or not at all; who comes second leaves the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # for its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_letters(secrets.token_bytes(_SECRET_BYTES)).encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def _letters(code: bytes) -> str:
    return base64.b32encode(code).decode().rstrip("=").lower()


def _refusal(code: str, message: str) -> Refused:
    return Refused(message, status=401, code=code)


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadDefinition(f"a key has a name of 1 to {LONGEST_NAME} letters, not {name[:LONGEST_NAME]!r}")
    return name


def _checked_scopes(scopes: Iterable[str]) -> frozenset[Scope]:
    asked = frozenset(scopes)
    if not asked:
        raise BadDefinition(f"a key without a scope may do nothing: give it some of {', '.join(SCOPES)}")
    for scope in sorted(asked.difference(SCOPES)):
        raise UnknownName("scope", scope, SCOPES)
    return cast("frozenset[Scope]", asked)


def _checked_end(expires_at: datetime | None, made_at: datetime) -> datetime | None:
    if expires_at is None:
        return None
    if expires_at.tzinfo is None:
        raise BadDefinition(f"{expires_at} has no zone: say when a key expires as 2027-01-31T12:00:00Z")
    if expires_at <= made_at:
        raise BadDefinition(f"{expires_at} is past: the key could never be used")
    return expires_at


def _key(row: Row[tuple[str, ...]]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=cast("frozenset[Scope]", frozenset(row.scopes.split())),
        created_at=datetime.fromisoformat(row.created_at),
        expires_at=_time(row.expires_at),
        last_used_at=_time(row.last_used_at),
        revoked_at=_time(row.revoked_at),
    )


def _text(time: datetime | None) -> str | None:
    """Give a time so that the order of texts is that of times."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
