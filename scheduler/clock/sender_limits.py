"""Keeps the stored limits of senders up to date while a runner runs: an account that refuses or does not answer is
asked again later, and nothing waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.time.clock import Now
from scheduler.clock.supervision import unless_stopped
from scheduler.sending.lanes import Account
from scheduler.sending.limits import fetch_limits, keep_limits, keep_limits_problem
from storage.database.engine import Engine, reading
from storage.sending.limits import find_limits

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=4)
AGAIN: Final = 900.0
"""Seconds after which an account is asked again that could not be asked."""


class SenderLimits:
    """The limits of the accounts whose provider shows them."""

    def __init__(self, engine: Engine, accounts: Iterable[Account], stop: asyncio.Event, now: Now) -> None:
        self._accounts = {one.name: one for one in accounts if one.adapter.capabilities.shows_limits}
        self._engine = engine
        self._stop = stop
        self._now = now
        self._not_before: dict[str, float] = {}
        """Until when, by the monotonic clock, an account is not asked again."""

    async def sync_due(self) -> None:
        """Read the limits that are due, until a stop."""
        if not self._accounts:
            return
        async with reading(self._engine) as connection:
            known = {one.lane: one for one in await find_limits(connection, self._accounts.keys())}
        for name, account in self._accounts.items():
            stored = [known.get(f"{name}/{sender.name}") for sender in account.settings.senders]
            due = any(one is None or one.is_due(EVERY, self._now()) for one in stored)
            if due and time.monotonic() >= self._not_before.get(name, 0.0):
                await self._sync(account)

    async def _sync(self, account: Account) -> None:
        ids = {"account": account.name}
        self._not_before[account.name] = time.monotonic() + AGAIN
        asked_at = self._now()
        try:
            shown = await unless_stopped(self._stop, fetch_limits(account))
        except DrumbeatError as error:
            await keep_limits_problem(self._engine, account, error)
            ids["action"] = "limits_failed"
            logger.warning("The limits of %s could not be read: %s", account.name, error, extra=ids)
            return
        if shown is not None:
            self._not_before.pop(account.name)
            await keep_limits(self._engine, account, shown, asked_at)
            logger.info("The limits of %s were read.", account.name, extra={**ids, "action": "limits_synced"})
