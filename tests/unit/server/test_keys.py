"""Keys: what is kept of them, who is let in with them, and what they are hashed with."""

import hmac
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from modellab.errors import BadDefinition, CannotServe, DatabaseUnavailable, Refused, UnknownName
from modellab.server.database import Database
from modellab.server.keys import SHAPE, Keys, is_loopback, refuse_open_bind, server_secret
from modellab.server.settings import ServerSettings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Watch:
    """A time that stands until it is moved."""

    now: datetime = field(default=NOON)

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'server.sqlite3'}")
    yield database
    database.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def keys(database: Database, watch: Watch) -> Keys:
    return Keys(database, lambda: b"a secret of the server's own", watch)


def settings(folder: Path, **changed: object) -> ServerSettings:
    return ServerSettings(_env_file=None, data=folder / "data", **changed)


def code(keys: Keys, plain: str) -> str:
    """Give why a key is refused."""
    with pytest.raises(Refused) as refused:
        keys.check(plain)
    assert refused.value.status == 401
    return refused.value.code


def test_a_key_opens_what_it_was_made_for(keys: Keys) -> None:
    """What its owner keeps is found again, with its name and its scopes, and nothing beyond them."""
    made, plain = keys.create("the lab's page", ["read", "transcribe"])
    found = keys.check(plain)
    assert (found.id, found.name, found.created_at) == (made.id, "the lab's page", NOON)
    assert found.scopes == {"read", "transcribe"}
    assert SHAPE.fullmatch(plain)
    assert plain.startswith(f"{made.prefix}_")


def test_the_database_cannot_tell_a_key(keys: Keys, database: Database, tmp_path: Path) -> None:
    """Neither the table nor the file of the database holds what a client must show."""
    _, plain = keys.create("a", ["read"])
    secret = plain.rpartition("_")[2]
    with database.reading() as connection:
        rows = str(connection.execute(text("SELECT * FROM keys")).all())
    assert secret not in rows
    assert all(secret.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


def test_keys_differ(keys: Keys) -> None:
    """No two keys share an id or a secret."""
    plains = {keys.create("a", ["read"])[1] for _ in range(20)}
    assert len({plain.split("_")[1] for plain in plains}) == len({plain.split("_")[2] for plain in plains}) == 20


def test_what_is_not_a_key(keys: Keys) -> None:
    """A wrong secret, an id that nobody has, another form and nothing at all are refused as one."""
    _, plain = keys.create("a", ["read"])
    other = "b" if plain[-1] == "a" else "a"
    wrong = [plain[:-1] + other, "mlab_000000000000_" + "a" * 52, plain.upper(), plain + "a", " " + plain, "x", "", "é"]
    assert {code(keys, shown) for shown in wrong} == {"bad_key"}


def test_an_unknown_id_is_compared_all_the_same(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who guesses an id learns nothing from the time: a digest is made and compared whether the id exists or not."""
    _, plain = keys.create("a", ["read"])
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b))
    keys.check(plain)
    code(keys, "mlab_000000000000_" + "a" * 52)
    assert compared == [(64, 64), (64, 64)]


def test_a_key_expires(keys: Keys, watch: Watch) -> None:
    """It is good until the second it expires, and refused from then on."""
    _, plain = keys.create("a", ["read"], NOON + timedelta(hours=1))
    watch.wait(minutes=59, seconds=59)
    keys.check(plain)
    watch.wait(seconds=1)
    assert code(keys, plain) == "key_expired"


def test_a_key_is_revoked_for_ever(keys: Keys, watch: Watch) -> None:
    """It is refused at once, still listed, and revoking it again changes nothing."""
    key, plain = keys.create("a", ["read"])
    first = keys.revoke(key.id)
    watch.wait(hours=1)
    assert keys.revoke(key.id) == first
    assert first.revoked_at == NOON
    assert code(keys, plain) == "key_revoked"
    assert [known.id for known in keys.list()] == [key.id]
    assert keys.any()


def test_the_wrong_secret_of_a_revoked_key_says_nothing(keys: Keys) -> None:
    """That a key was revoked is told only to who had it."""
    key, plain = keys.create("a", ["read"])
    keys.revoke(key.id)
    assert code(keys, f"{key.prefix}_{'a' * 52}") == "bad_key"
    assert code(keys, plain) == "key_revoked"


def test_a_key_that_nobody_made_cannot_be_revoked(keys: Keys) -> None:
    """The error names those that are there."""
    key, _ = keys.create("a", ["read"])
    with pytest.raises(UnknownName, match=key.id):
        keys.revoke("nobody")


def test_the_last_use_is_noted_once_a_minute(keys: Keys, watch: Watch, database: Database) -> None:
    """A busy key costs one write a minute, not one a request."""
    _, plain = keys.create("a", ["read"])
    seen = []
    for _ in range(5):
        keys.check(plain)
        seen.append(keys.list()[0].last_used_at)
        watch.wait(seconds=25)
    at = [NOON, NOON, NOON, NOON + timedelta(seconds=75), NOON + timedelta(seconds=75)]
    assert seen == at


def test_a_database_that_cannot_be_written_keeps_nobody_out(
    keys: Keys, watch: Watch, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is known is let in though their use cannot be noted, and it is not tried anew at each request."""
    _, plain = keys.create("a", ["read"])
    tried = []

    def locked() -> None:
        tried.append(1)
        raise DatabaseUnavailable("locked")

    monkeypatch.setattr(database, "writing", locked)
    for _ in range(3):
        keys.check(plain)
    assert len(tried) == 1
    watch.wait(minutes=1)
    keys.check(plain)
    assert len(tried) == 2


def test_nobody_is_let_in_without_a_database(keys: Keys, database: Database, tmp_path: Path) -> None:
    """Where keys cannot be read, a good one is not let in either."""
    _, plain = keys.create("a", ["read"])
    database.close()
    (tmp_path / "server.sqlite3").rename(tmp_path / "away")
    (tmp_path / "server.sqlite3").mkdir()
    with pytest.raises(DatabaseUnavailable):
        keys.check(plain)


def test_another_secret_knows_none_of_the_keys(keys: Keys, database: Database, watch: Watch) -> None:
    """A copy of the database is worth nothing without the server's secret."""
    _, plain = keys.create("a", ["read"])
    assert code(Keys(database, lambda: b"another", watch), plain) == "bad_key"


@pytest.mark.parametrize("name", ["", "  ", "a" * 101, "a\nb", "\x1b[2J"])
def test_a_name_that_cannot_be_read(keys: Keys, name: str) -> None:
    """A key without a name, or one that would spoil a list of them, is not made."""
    with pytest.raises(BadDefinition, match="a key has a name"):
        keys.create(name, ["read"])
    assert not keys.any()


def test_scopes_that_are_none(keys: Keys) -> None:
    """A key that may nothing, or something nobody knows, is not made."""
    with pytest.raises(BadDefinition, match="read, transcribe, evaluate, admin"):
        keys.create("a", [])
    with pytest.raises(UnknownName, match="Did you mean 'read'"):
        keys.create("a", ["reed"])


def test_an_end_that_cannot_be(keys: Keys) -> None:
    """A key that has expired before it is made, or at a time that nobody can tell, is not made."""
    with pytest.raises(BadDefinition, match="past"):
        keys.create("a", ["read"], NOON)
    with pytest.raises(BadDefinition, match="zone"):
        keys.create("a", ["read"], datetime(2030, 1, 1))  # noqa: DTZ001 - that is what is refused


def test_the_secret_is_the_owners_alone_and_stays(tmp_path: Path) -> None:
    """It is made once, readable by who runs the server only, and the same ever after."""
    first = server_secret(settings(tmp_path))
    path = tmp_path / "data" / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server_secret(settings(tmp_path)) == first == path.read_bytes()
    assert len(first) >= 32
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_servers_that_start_at_once_agree_on_a_secret(tmp_path: Path) -> None:
    """Whoever comes second takes what the first wrote."""
    found: list[bytes] = []
    threads = [Thread(target=lambda: found.append(server_secret(settings(tmp_path)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_secret_of_the_settings(tmp_path: Path) -> None:
    """Where the settings have one, no file is made."""
    assert server_secret(settings(tmp_path, secret=SecretStr("shared"))) == b"shared"
    assert not (tmp_path / "data").exists()


def test_a_damaged_secret(tmp_path: Path) -> None:
    """A file that was cut is no secret, and one that cannot be read is named."""
    path = tmp_path / "data" / "secret"
    path.parent.mkdir()
    path.write_bytes(b"short")
    with pytest.raises(CannotServe, match="damaged"):
        server_secret(settings(tmp_path))
    path.unlink()
    path.mkdir()
    with pytest.raises(CannotServe, match="cannot be used"):
        server_secret(settings(tmp_path))


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.4", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example.org", False),
        ("lab.example.org", False),
    ],
)
def test_what_is_on_this_machine(host: str, near: bool) -> None:
    """Only addresses that no other machine reaches are loopback; a name that could mean any is not."""
    assert is_loopback(host) is near


def test_a_server_beyond_this_machine_needs_a_key(tmp_path: Path, keys: Keys) -> None:
    """It starts with a key, on loopback, or where somebody said so; else the error says how to go on."""
    with pytest.raises(CannotServe, match="keys create"):
        refuse_open_bind(settings(tmp_path, host="0.0.0.0"), keys)
    refuse_open_bind(settings(tmp_path), keys)
    refuse_open_bind(settings(tmp_path, host="0.0.0.0", insecure=True), keys)
    keys.create("a", ["read"])
    refuse_open_bind(settings(tmp_path, host="0.0.0.0"), keys)
