"""Keeps the stored lists of templates up to date while a runner runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar

from campaigns.errors import DrumbeatError
from campaigns.message.provider_templates import ProviderTemplate
from scheduler.actions.templates import fetch_templates, keep_problem, keep_templates
from scheduler.sending.account_reads import EVERY, AccountReads
from scheduler.sending.lanes import Account
from storage.audience.templates import find_lists
from storage.database.engine import Connection


class TemplateLists(AccountReads[Sequence[ProviderTemplate]]):
    """The lists of the accounts that have one."""

    what: ClassVar[str] = "templates"

    @staticmethod
    def is_shown(account: Account) -> bool:
        return account.adapter.templates_unlisted() is None

    async def due(self, connection: Connection, accounts: Collection[Account], now: datetime) -> set[str]:
        known = await find_lists(connection, [account.name for account in accounts])
        return {name for name, found in known.items() if found.is_due(EVERY, now)}

    async def fetch(self, account: Account) -> Sequence[ProviderTemplate]:
        return await fetch_templates(account)

    async def keep(self, account: Account, found: Sequence[ProviderTemplate], asked_at: datetime) -> None:
        await keep_templates(self._engine, account.name, found, asked_at)

    async def keep_problem(self, account: Account, error: DrumbeatError, asked_at: datetime) -> None:
        await keep_problem(self._engine, account.name, error, asked_at)
