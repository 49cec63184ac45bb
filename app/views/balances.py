"""What is left on an account: asked of its provider, or as an answer to a send has told it last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.wiring.databases import opened
from app.wiring.probes import connected
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, NotFound, UsageError
from campaigns.money.costs import Money
from campaigns.time.clock import Now, utc_now
from storage.database.engine import reading
from storage.receipts.notices import last_balance


@dataclass(frozen=True)
class Left:
    """One account's balance. `said` is why there is none."""

    account: str
    amount: Money | None = None
    remaining_messages: int | None = None
    at: datetime | None = None
    said: str = ""
    hint: str = ""
    ok: bool = True
    """Whether the provider answered and knows the account, where it was asked."""


async def left_on(settings: Settings, name: str, now: Now = utc_now) -> Left:
    """Raises NotFound for an account that there is not."""
    settings.account(name)
    try:
        async with connected(settings, name) as account:
            told = await account.adapter.balance(account.http)
            return Left(name, told.amount, told.remaining_messages, now())
    except UsageError as error:
        return await _last_told(settings, name) or Left(name, said=str(error), hint=error.hint)
    except DrumbeatError as error:
        return Left(name, said=str(error), hint=error.hint, ok=False)


async def _last_told(settings: Settings, name: str) -> Left | None:
    try:
        async with opened(settings, create=False) as engine, reading(engine) as connection:
            last = await last_balance(connection, name)
    except NotFound:
        return None
    return Left(name, last.amount, last.remaining_messages, last.at) if last else None
