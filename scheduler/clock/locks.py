"""One runner, or one leading clock, to a database: a second one is refused or waits, and a dead one holds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from campaigns.errors import Locked
from storage.database.advisory import advisory_lock
from storage.database.engine import Engine, database_file


class Hold(Protocol):
    """The runner's lock while it is held."""

    @property
    def held(self) -> bool:
        """Whether it is certain that nobody else has it."""
        ...

    @property
    def settled(self) -> bool:
        """Whether whoever had it before us has noticed by now."""
        ...

    async def lost(self) -> None:
        """Return once it is no longer held."""
        ...


class _FileHold:
    """A lock on a file goes with its process and not before."""

    held = True
    settled = True

    async def lost(self) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def runner_lock(engine: Engine) -> AsyncIterator[Hold]:
    """Hold the database's runner lock; raises Locked where another process does."""
    path = database_file(engine)
    if path is None:
        async with advisory_lock(engine) as hold:
            if hold is None:
                raise _refusal(engine.url.database or "the database")
            yield hold
        return
    lock = FileLock(Path(f"{path}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise _refusal(str(path)) from error
    try:
        yield _FileHold()
    finally:
        lock.release()


def _refusal(what: str) -> Locked:
    return Locked(
        f"Another runner is working on {what}.",
        hint="Let it do the work, or stop it first; one runner drives all campaigns of a database.",
    )
