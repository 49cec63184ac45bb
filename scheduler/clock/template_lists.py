"""Keeps the stored lists of templates up to date while a runner runs: an account that refuses or does not answer is
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
from scheduler.actions.templates import fetch_templates, keep_problem, keep_templates
from scheduler.clock.supervision import unless_stopped
from scheduler.sending.lanes import Account
from storage.audience.templates import find_lists
from storage.database.engine import Engine, reading

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=4)
AGAIN: Final = 900.0
"""Seconds after which an account is asked again that could not be asked."""


class TemplateLists:
    """The lists of the accounts that have one."""

    def __init__(self, engine: Engine, accounts: Iterable[Account], stop: asyncio.Event, now: Now) -> None:
        listed = [account for account in accounts if account.adapter.templates_unlisted() is None]
        self._accounts = {account.name: account for account in listed}
        self._engine = engine
        self._stop = stop
        self._now = now
        self._not_before: dict[str, float] = {}
        """Until when, by the monotonic clock, an account is not asked again."""

    async def sync_due(self) -> None:
        """Read the lists that are due, until a stop."""
        if not self._accounts:
            return
        async with reading(self._engine) as connection:
            known = await find_lists(connection, self._accounts.keys())
        for name, account in self._accounts.items():
            rests = time.monotonic() < self._not_before.get(name, 0.0)
            if not rests and known[name].is_due(EVERY, self._now()):
                await self._sync(account)

    async def _sync(self, account: Account) -> None:
        ids = {"account": account.name}
        self._not_before[account.name] = time.monotonic() + AGAIN
        asked_at = self._now()
        try:
            found = await unless_stopped(self._stop, fetch_templates(account))
        except DrumbeatError as error:
            await keep_problem(self._engine, account.name, error, asked_at)
            ids["action"] = "templates_failed"
            logger.warning("The templates of %s could not be read: %s", account.name, error, extra=ids)
            return
        if found is not None:
            self._not_before.pop(account.name)  # an event may show a moment later that it has changed
            await keep_templates(self._engine, account.name, found, asked_at)
            ids["action"] = "templates_synced"
            logger.info("%s has %d templates.", account.name, len(found), extra=ids)
