"""Keeps the stored limits of senders up to date: before a shift sends, and while a runner runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import ClassVar

from campaigns.errors import DrumbeatError
from providers.adapter import NumberLimits
from scheduler.sending.account_reads import EVERY, AccountReads
from scheduler.sending.lanes import Account
from scheduler.sending.limits import fetch_limits, keep_limits, keep_limits_problem
from storage.database.engine import Connection
from storage.sending.limits import find_limits


class SenderLimits(AccountReads[Mapping[str, NumberLimits]]):
    """The limits of the accounts whose provider shows them."""

    what: ClassVar[str] = "limits"

    @staticmethod
    def is_shown(account: Account) -> bool:
        return account.adapter.capabilities.shows_limits

    async def due(self, connection: Connection, accounts: Collection[Account], now: datetime) -> set[str]:
        names = [account.name for account in accounts]
        known = {one.lane: one for one in await find_limits(connection, names)}
        stored = {
            account.name: [known.get(f"{account.name}/{sender.name}") for sender in account.settings.senders]
            for account in accounts
        }
        return {
            name
            for name, found in stored.items()
            if any(one is None or one.is_due(EVERY, now) for one in found)
        }

    async def fetch(self, account: Account) -> Mapping[str, NumberLimits]:
        return await fetch_limits(account)

    async def keep(self, account: Account, found: Mapping[str, NumberLimits], asked_at: datetime) -> None:
        await keep_limits(self._engine, account, found, asked_at)

    async def keep_problem(self, account: Account, error: DrumbeatError, asked_at: datetime) -> None:
        await keep_limits_problem(self._engine, account, error)
