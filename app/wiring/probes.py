"""A harmless request to an account's provider: does it answer, accept the key, and can each sender send?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, UsageError
from campaigns.frozen import frozen

if TYPE_CHECKING:
    from scheduler.sending.lanes import Account


@frozen
class Probe:
    """One answer. `sender` is None for the account as a whole."""

    account: str
    """Its name."""
    sender: str | None
    """Its sender; null: the account as a whole."""
    ok: bool
    """Whether it works."""
    said: str
    """What the provider answered, or why it does not work."""
    hint: str = ""
    """What to do about it; empty: nothing."""


@asynccontextmanager
async def connected(settings: Settings, name: str) -> AsyncIterator[Account]:
    """The account with an open connection. Raises NotFound, and UsageError if its secret is missing."""
    from scheduler.sending.lanes import open_account

    account = open_account(name, settings.account(name))
    try:
        yield account
    finally:
        await account.http.aclose()


def chosen_accounts(settings: Settings, name: str | None) -> list[str]:
    """The account of that name, or all. Raises NotFound, and UsageError if there is none at all."""
    if name is not None:
        settings.account(name)
        return [name]
    if not settings.accounts:
        raise UsageError("No provider is set up.", hint="drumbeat init writes a drumbeat.toml to start from.")
    return list(settings.accounts)


async def probe(settings: Settings, name: str) -> list[Probe]:
    """The account's answer, then each sender's. Never raises for the provider's answer."""
    try:
        async with connected(settings, name) as account:
            found = [Probe(name, None, True, await account.adapter.check(account.http))]
            for sender in account.settings.senders:
                problem = await account.adapter.sender_problem(account.http, sender)
                found.append(Probe(name, sender.name, problem is None, problem or "can send"))
            return found
    except DrumbeatError as error:
        return [Probe(name, None, False, str(error), error.hint)]
