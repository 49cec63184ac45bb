"""One runner, or one leading clock, to a database: a second one is refused or waits, and a dead one holds nothing."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout

from campaigns.errors import Locked
from storage.database.advisory import advisory_lock
from storage.database.engine import Engine, database_file, refuse_linked

logger = logging.getLogger(__name__)

CHECK: Final = 0.5
"""Seconds between two looks at whether the lock's file is still there."""
SETTLED: Final = 5.0
"""Seconds after which a runner whose lock file was taken away has noticed it and written down its last answers."""
NOTE: Final = (
    b"The runner at work holds this file. Leave it in place: without it a second runner could start.\n"
)


LOOK_EVERY: Final = 0.02
"""Seconds for which a check of the files is reused: `held` is called several times for each message."""


class Hold(Protocol):
    """The runner's lock while it is held."""

    @property
    def held(self) -> bool:
        """Whether it is certain that no other process has it."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the holder before us has noticed by now."""
        ...

    async def lost(self) -> None:
        """Return once it is no longer held; raises Locked where it cannot be had again."""
        ...


class _FileHold:
    """A lock on a file goes with its process, or with the file: removing or replacing the lock's file, or the
    database's, lets another runner in."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock_file = Path(f"{database}.lock")
        self._database_is = _identity(database)
        self._lock_is: tuple[int, int] | None = None
        self._since = time.monotonic()
        self._fresh = False
        self._looked_at = -math.inf
        self._held = False
        self._lock = FileLock(self._lock_file, timeout=0, mode=0o600, on_acquired=self._note)

    def acquire(self) -> None:
        """Take it; raises Locked where another process has it, or its file cannot be used."""
        try:
            self._lock.acquire()
        except Timeout as error:
            raise _refusal(str(self._database)) from error
        except OSError as error:
            raise Locked(
                f"{self._lock_file} cannot be locked: {error.strerror}.",
                hint="It must be a file that this user may write to, on a local disk.",
            ) from error

    def _note(self, descriptor: int) -> None:
        """A file without our note is new: the previous one may have been removed while a runner was working."""
        found = os.fstat(descriptor)
        self._lock_is = found.st_dev, found.st_ino
        self._fresh = not found.st_size
        if self._fresh:
            os.write(descriptor, NOTE)

    def release(self) -> None:
        self._lock.release()

    @property
    def held(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY:
            self._held = _identity(self._lock_file) == self._lock_is and not self._database_moved
            self._looked_at = now
        return self._held

    @property
    def settled(self) -> bool:
        return not self._fresh or time.monotonic() >= self._since + SETTLED

    async def lost(self) -> None:
        while self.held:  # noqa: ASYNC110  # files do not call back
            await asyncio.sleep(CHECK)
        if self._database_moved:
            raise Locked(
                f"{self._database} was moved, removed or replaced while the runner worked on it.",
                hint="Put the file back, or see what is in its place, and start the runner again.",
            )
        logger.warning(
            "%s was removed or replaced while the runner held it.",
            self._lock_file,
            extra={"action": "runner_lock_lost"},
        )

    @property
    def _database_moved(self) -> bool:
        return _identity(self._database) != self._database_is


def _identity(path: Path) -> tuple[int, int] | None:
    """The file's identity, whatever its name; None if there is none."""
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
    refuse_linked(path)
    file_hold = _FileHold(path)
    file_hold.acquire()
    try:
        yield file_hold
    finally:
        file_hold.release()


def _refusal(what: str) -> Locked:
    return Locked(
        f"Another runner is working on {what}.",
        hint="Let it do the work, or stop it first; one runner drives all campaigns of a database.",
    )
