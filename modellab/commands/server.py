"""modellab server: keep a server: its settings, its runs, its backups and its keys."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console
from modellab.commands.serve import add_places, server_installed, settings_of
from modellab.errors import CannotServe
from modellab.machine.clock import now_utc

if TYPE_CHECKING:
    from modellab.server.backup.manifest import Manifest
    from modellab.server.database import Database
    from modellab.server.keys import Keys
    from modellab.server.retention import Orphan, Plan
    from modellab.server.settings import ServerSettings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    server = commands.add_parser("server", help="keep a server: its settings, runs, backups and keys")
    verbs = server.add_subparsers(required=True, metavar="config|gc|backup|verify|restore|keys")
    _add_config(verbs)
    _add_gc(verbs)
    _add_backups(verbs)
    _add_keys(verbs)


def _add_config(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    config = verbs.add_parser("config", help="print the settings, without secrets")
    config.add_argument("--example", action="store_true", help="print a file .env with every setting and its default")
    config.set_defaults(run=_config)


def _add_gc(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    gc = verbs.add_parser(
        "gc",
        help="delete old runs and evaluations, as the settings of retention say",
        description="Delete the oldest runs beyond what the settings MODELLAB_SERVER_RETENTION__* allow, evaluations "
        "that ended long ago, and what was left lying about. A run that is pinned, in progress or was changed within "
        "the hour stays.",
    )
    add_places(gc)
    gc.add_argument("--dry-run", action="store_true", help="only say what would be deleted, and why")
    gc.set_defaults(run=_gc)


def _add_backups(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    backup = verbs.add_parser("backup", help="write the runs and the database into a file, while all goes on")
    add_places(backup)
    backup.add_argument("--to", type=Path, required=True, metavar="FILE.tar.gz", help="the file; it must not be there")
    backup.add_argument("--with-secret", action="store_true", help="with what keys are hashed with")
    backup.set_defaults(run=_backup)
    verify = verbs.add_parser("verify", help="read a backup to its end, as if it were put back")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.set_defaults(run=_verify)
    restore = verbs.add_parser(
        "restore",
        help="put a backup back; no server may run meanwhile",
        description="Verify a backup and put it back: into the folders that the settings name, or with --into into "
        "runs and .modellab below another.",
    )
    add_places(restore)
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--into", type=Path, metavar="FOLDER", help="the folder to make runs and .modellab in")
    restore.add_argument("--force", action="store_true", help="replace all runs and the database that are there")
    restore.set_defaults(run=_restore)


def _add_keys(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = verbs.add_parser("keys", help="make, list and revoke keys")
    verbs = keys.add_subparsers(required=True, metavar="create|list|revoke")
    create = verbs.add_parser(
        "create",
        help="make a key, and print it once",
        description="Make a key. It is printed to standard output, once; nobody can read it again.",
    )
    create.add_argument("name", metavar="NAME", help="who or what it is for")
    create.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help="what it may do: read, transcribe, evaluate or admin; may be given again (read, transcribe)",
    )
    create.add_argument("--days", type=_days, metavar="N", help="after how many days it expires (never)")
    create.set_defaults(run=_create_key)
    listing = verbs.add_parser("list", help="list the keys, without what is secret")
    listing.set_defaults(run=_list_keys)
    revoke = verbs.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("id", metavar="ID", help="the first part of it, as `keys list` shows it")
    revoke.set_defaults(run=_revoke_key)
    for verb in (create, listing, revoke):
        verb.add_argument("--data", type=Path, metavar="FOLDER", help="where the server keeps its own (.modellab)")


def _days(written: str) -> float:
    days = float(written)
    if not 0 < days <= timedelta.max.days:
        raise argparse.ArgumentTypeError("must be above 0")
    return days


def _config(options: argparse.Namespace) -> None:
    with server_installed():
        from modellab.server.variables import effective, example
    print(example() if options.example else effective(settings_of(options)), end="")


def _gc(options: argparse.Namespace) -> None:
    with server_installed():
        from modellab.server import retention
        from modellab.server.disk import disk_free_bytes
        from modellab.server.folders import remove
        from modellab.server.variables import require_runs
    settings = settings_of(options)
    require_runs(settings)
    runs, unread = retention.scan(settings.runs)
    plan = retention.plan(runs, settings.retention, disk_free_bytes(settings.runs), now_utc())
    known, old = _jobs(settings)
    orphans = tuple(retention.orphans(settings.runs, settings.data, known - old, now_utc()))
    _print_plan(plan, old, orphans)
    for line in (*unread, *plan.unmet):
        print(f"modellab: {line}", file=sys.stderr)
    left_bytes = sum(orphan.size_bytes for orphan in orphans)
    if options.dry_run:
        gone = f"{_count(len(plan.deletions), 'run')} and {_count(len(old), 'evaluation')}"
        print(f"{gone} would be deleted, {_size(plan.freed_bytes + left_bytes)} freed")
        return
    _forget(settings, old)
    freed = retention.apply(plan, settings.runs, now_utc)
    for orphan in orphans:
        remove(orphan.path)
    for name in freed.spared:
        print(f"modellab: {name} was spared: it was pinned or changed just now, or is gone", file=sys.stderr)
    gone = f"{_count(freed.runs, 'run')} and {_count(len(old), 'evaluation')}"
    print(f"{gone} deleted, {_size(freed.size_bytes + left_bytes)} freed")


def _jobs(settings: "ServerSettings") -> tuple[frozenset[str], frozenset[str]]:
    """Give the ids of the jobs, and of those that may go; none before a first job has left a log."""
    if not (settings.data / "jobs").is_dir():
        return frozenset(), frozenset()
    from sqlalchemy import select

    from modellab.server.jobs.tables import ended_before, jobs

    days = settings.retention.max_job_age_days
    with _database(settings) as database, database.reading() as connection:
        known = frozenset(connection.scalars(select(jobs.c.id)))
        old = frozenset() if days is None else ended_before(connection, now_utc() - timedelta(days=days))
        return known, old


def _forget(settings: "ServerSettings", ids: frozenset[str]) -> None:
    if ids:
        from modellab.server.jobs.tables import forget

        with _database(settings) as database, database.writing() as connection:
            forget(connection, ids)


def _print_plan(plan: "Plan", old: frozenset[str], orphans: "tuple[Orphan, ...]") -> None:
    if not plan.deletions and not old and not orphans:
        return
    table = Table("what", "age", "size", "why", box=None)
    for deletion in plan.deletions:
        run = deletion.run
        days = (now_utc() - run.created_at) / timedelta(days=1)
        table.add_row(Text(run.folder.name), f"{days:.1f} days", _size(run.size_bytes), deletion.why)
    if old:
        table.add_row(_count(len(old), "evaluation"), "", "", "ended long ago")
    for orphan in orphans:
        table.add_row(Text(str(orphan.path), overflow="fold"), "", _size(orphan.size_bytes), orphan.why)
    console().print(table)


def _backup(options: argparse.Namespace) -> None:
    with server_installed():
        from modellab.server.backup.making import back_up
        from modellab.server.variables import require_runs
    settings = settings_of(options)
    require_runs(settings)
    manifest = back_up(settings, options.to, now_utc, with_secret=options.with_secret)
    _tell_backup(f"backed up to {options.to} ({_size(options.to.stat().st_size)})", manifest)


def _verify(options: argparse.Namespace) -> None:
    with server_installed():
        from modellab.server.backup.restoring import verify
    _tell_backup(f"{options.file} is whole", verify(options.file))


def _restore(options: argparse.Namespace) -> None:
    with server_installed():
        from modellab.server.backup.restoring import restore
    settings = settings_of(options)
    runs, data = (options.into / "runs", options.into / ".modellab") if options.into else (settings.runs, settings.data)
    manifest = restore(options.file, runs, data, force=options.force)
    _tell_backup(f"put back into {runs} and {data}", manifest)
    if manifest.database == "sqlite" and settings.database_url is not None:
        print("modellab: MODELLAB_SERVER_DATABASE_URL names another database than the one put back", file=sys.stderr)


def _tell_backup(done: str, manifest: "Manifest") -> None:
    print(f"{done}: {_count(manifest.runs, 'run')}, {_size(manifest.size_bytes)}, of {manifest.created_at}")
    if manifest.database == "elsewhere":
        print("modellab: the database is not in it: back it up by its own tools (pg_dump)", file=sys.stderr)
    if manifest.database == "sqlite" and not manifest.secret:
        print(
            "modellab: what keys are hashed with is not in it (--with-secret): without it, keys are to be made anew",
            file=sys.stderr,
        )


def _create_key(options: argparse.Namespace) -> None:
    expires_at = None if options.days is None else now_utc() + timedelta(days=options.days)
    with _keys(options) as keys:
        key, plain = keys.create(options.name, options.scope or ("read", "transcribe"), expires_at)
    until = "for ever" if key.expires_at is None else f"until {key.expires_at:%Y-%m-%d %H:%M} UTC"
    print(f"modellab: a key for {key.name}, that may {', '.join(sorted(key.scopes))} {until}", file=sys.stderr)
    print("modellab: keep it now: nobody can read it again", file=sys.stderr)
    print(plain)


def _list_keys(options: argparse.Namespace) -> None:
    with _keys(options) as keys:
        found = keys.list()
    table = Table("id", "name", "may", "made", "expires", "last used", "revoked", box=None)
    for key in found:
        times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
        shown = ("never" if time is None else f"{time:%Y-%m-%d %H:%M}" for time in times)
        table.add_row(key.id, Text(key.name), ", ".join(sorted(key.scopes)), *shown)
    if found:
        console().print(table)
    else:
        print("modellab: there is no key", file=sys.stderr)


def _revoke_key(options: argparse.Namespace) -> None:
    with _keys(options) as keys:
        key = keys.revoke(options.id)
    print(f"modellab: {key.prefix}, for {key.name}, is refused from now on", file=sys.stderr)


@contextmanager
def _keys(options: argparse.Namespace) -> "Iterator[Keys]":
    with server_installed():
        from modellab.server.keys import Keys
    settings = settings_of(options)
    with _database(settings) as database:
        yield Keys.of(settings, database)


@contextmanager
def _database(settings: "ServerSettings") -> "Iterator[Database]":
    from modellab.server.database import Database

    try:
        database = Database.open(settings.database.get_secret_value())
    except OSError as error:
        raise CannotServe(f"the folder {settings.data} cannot be written to: {error.strerror}") from error
    with closing(database):
        yield database


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _size(size_bytes: int) -> str:
    mebibytes = size_bytes / (1 << 20)
    return f"{mebibytes:.1f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"  # noqa: PLR2004 - MiB a GiB
