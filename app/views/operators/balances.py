"""The balance of an account: from its provider, or from the last answer to a send."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from app.wiring.databases import opened
from app.wiring.probes import connected
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, NotFound, UsageError
from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.time.clock import Now, utc_now
from storage.database.engine import reading
from storage.receipts.notices import last_balance

if TYPE_CHECKING:
    from app.views.answers.operators import BalanceOfAccount


@frozen
class Left:
    """One account's balance. `problem` is why there is none."""

    account: str
    amount: Money | None = None
    remaining_messages: int | None = None
    at: datetime | None = None
    problem: str = ""
    hint: str = ""
    ok: bool = True
    """Whether the provider, if asked, answered and knows the account."""

    @property
    def json(self) -> BalanceOfAccount:
        """As `provider balance --json` prints it."""
        return {
            "account": self.account,
            "balance": self.amount.amount if self.amount else None,
            "currency": self.amount.currency if self.amount else None,
            "remaining_messages": self.remaining_messages,
            "at": self.at,
            "said": self.problem,
        }


async def left_on(settings: Settings, name: str, now: Now = utc_now) -> Left:
    """Raises NotFound for an unknown account."""
    settings.account(name)
    try:
        async with connected(settings, name) as account:
            found = await account.adapter.balance(account.http)
            return Left(name, found.amount, found.remaining_messages, now())
    except UsageError as error:
        return await _last_reported(settings, name) or Left(name, problem=str(error), hint=error.hint)
    except DrumbeatError as error:
        return Left(name, problem=str(error), hint=error.hint, ok=False)


async def _last_reported(settings: Settings, name: str) -> Left | None:
    try:
        async with opened(settings, create=False) as engine, reading(engine) as connection:
            last = await last_balance(connection, name)
    except NotFound:
        return None
    return Left(name, last.amount, last.remaining_messages, last.at) if last else None
