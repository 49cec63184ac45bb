"""Keeps what providers show about accounts up to date: an account that refuses or does not answer is asked again
later."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Generic, TypeVar

from campaigns.errors import DrumbeatError
from campaigns.time.clock import Now
from scheduler.sending.lanes import Account
from storage.database.engine import Connection, Engine, reading

T = TypeVar("T")
Found = TypeVar("Found")
logger = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=4)
AGAIN: Final = 900.0
"""Seconds after which an account is asked again that could not be asked."""


class AccountReads(ABC, Generic[T]):
    """One kind of what is read from the accounts whose provider shows it."""

    what: ClassVar[str]
    """`templates` or `limits`, for the log."""

    def __init__(self, engine: Engine, accounts: Iterable[Account], stop: asyncio.Event, now: Now) -> None:
        self._accounts = [account for account in accounts if self.is_shown(account)]
        self._engine = engine
        self._stop = stop
        self._now = now

    @staticmethod
    @abstractmethod
    def is_shown(account: Account) -> bool:
        """Whether the account's provider shows it."""

    @abstractmethod
    async def due(self, connection: Connection, accounts: Collection[Account], now: datetime) -> set[str]:
        """The names of the accounts that have not been read for EVERY, or have changed since."""

    @abstractmethod
    async def fetch(self, account: Account) -> T:
        """Ask the provider. Raises DrumbeatError."""

    @abstractmethod
    async def keep(self, account: Account, found: T, asked_at: datetime) -> None:
        """Store what was asked for at that time."""

    @abstractmethod
    async def keep_problem(self, account: Account, error: DrumbeatError, asked_at: datetime) -> None:
        """Store why it could not be read."""

    async def sync_due(self) -> None:
        """Read what is due, until a stop. Of several who want the same of an account, one reads it."""
        for account in self._accounts:
            reads = account.reads[self.what]
            async with reads.lock:
                if time.monotonic() >= reads.not_before and await self._is_due(account):
                    await self._sync(account)

    async def _is_due(self, account: Account) -> bool:
        async with reading(self._engine) as connection:
            return account.name in await self.due(connection, [account], self._now())

    async def _sync(self, account: Account) -> None:
        ids: dict[str, Any] = {"account": account.name}
        reads = account.reads[self.what]
        reads.not_before = time.monotonic() + AGAIN
        asked_at = self._now()
        try:
            found = await unless_stopped(self._stop, self.fetch(account))
        except DrumbeatError as error:
            await self.keep_problem(account, error, asked_at)
            ids["action"] = f"{self.what}_failed"
            logger.warning("The %s of %s could not be read: %s", self.what, account.name, error, extra=ids)
            return
        if found is not None:
            reads.not_before = 0.0  # an event may show a moment later that it has changed
            await self.keep(account, found, asked_at)
            ids["action"] = f"{self.what}_synced"
            logger.info("The %s of %s were read.", self.what, account.name, extra=ids)


async def unless_stopped(stop: asyncio.Event, asking: Coroutine[Any, Any, Found]) -> Found | None:
    """What is asked for; None: a stop came first."""
    stopping, asked = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(asking)
    try:
        await asyncio.wait({stopping, asked}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        asked.cancel()
        await asyncio.wait({stopping, asked})
    return None if asked.cancelled() else asked.result()
