"""One embedded runner to a database: the second is refused, and a dead one holds nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from campaigns.errors import Locked
from storage.engine import Engine, advisory_lock, database_file


@asynccontextmanager
async def sole_runner(engine: Engine) -> AsyncIterator[None]:
    """Hold the database's runner lock; raises Locked where another process does.

    The operating system, or PostgreSQL, gives it up with the process that held it.
    """
    path = database_file(engine)
    if path is None:
        async with advisory_lock(engine) as held:
            if not held:
                raise _refusal(engine.url.database or "the database")
            yield
        return
    lock = FileLock(Path(f"{path}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise _refusal(str(path)) from error
    try:
        yield
    finally:
        lock.release()


def _refusal(what: str) -> Locked:
    return Locked(
        f"Another runner is working on {what}.",
        hint="Let it do the work, or stop it first; one runner drives all campaigns of a database.",
    )
