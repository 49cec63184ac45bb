"""Reads an account's message templates from its provider and stores them, for commands and for the runner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from campaigns.errors import DrumbeatError, Unavailable, UsageError
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.untrusted import LONGEST_TEXT, clean
from scheduler.actions.template_checks import resume_fitting
from scheduler.sending.template_pauses import apply_changes
from storage.audience.templates import (
    find_list,
    find_templates,
    note_problem,
    store_templates,
)
from storage.database.engine import Engine, writing

if TYPE_CHECKING:
    from scheduler.sending.lanes import Account

PATIENCE: Final = 60.0
"""The most seconds that a list may take."""


async def fetch_templates(account: Account) -> Sequence[ProviderTemplate]:
    """The templates as the provider lists them now. Raises UsageError where the account has no list, Unavailable,
    AccountError, NotFound."""
    if (why := account.adapter.templates_unlisted()) is not None:
        raise UsageError(why, hint=f"The account is [providers.{account.name}] in drumbeat.toml.")
    try:
        async with asyncio.timeout(PATIENCE):
            return await account.adapter.list_templates(account.http)
    except TimeoutError:
        raise Unavailable(f"The list of templates was not complete after {PATIENCE:g} seconds.") from None


async def sync_templates(engine: Engine, account: Account, now: datetime) -> Sequence[ProviderTemplate]:
    """Fetch and store them. Raises as `fetch_templates`; that the provider refused or did not answer is stored."""
    try:
        found = await fetch_templates(account)
    except UsageError:
        raise
    except DrumbeatError as error:
        await keep_problem(engine, account.name, error, now)
        raise
    await keep_templates(engine, account.name, found, now)
    return found


async def keep_templates(
    engine: Engine, name: str, found: Sequence[ProviderTemplate], asked_at: datetime
) -> None:
    """Store what was asked for at that time, and pause and resume what the changes concern. What is older than the last
    event about a template is dropped: the list is read again."""
    async with writing(engine) as connection:
        known = await find_list(connection, name)
        if known.expired_at is not None and known.expired_at > asked_at:
            return
        before = {
            (each.name, each.language): (each.status, each.category)
            for each in await find_templates(connection, name)
        }
        await store_templates(connection, name, found, asked_at)
        changed = [
            each for each in found if before.get((each.name, each.language)) != (each.status, each.category)
        ]
        await apply_changes(connection, name, changed, asked_at)
        await resume_fitting(connection, name, asked_at)


async def keep_problem(engine: Engine, name: str, error: DrumbeatError, now: datetime) -> None:
    async with writing(engine) as connection:
        await note_problem(connection, name, clean(str(error), LONGEST_TEXT), now)
