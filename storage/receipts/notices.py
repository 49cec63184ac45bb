"""What providers have reported about accounts: notices, and as one of them the account's balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.receipts import not_understood, notices

NOT_UNDERSTOOD: Final = "not_understood"
"""The kind of the lines that count what was not understood."""
BALANCE: Final = "balance"
"""The kind of the one notice of an account that holds its balance: `4990 XOF`, its subject the messages left."""


@frozen
class NoticeRow:
    account: str
    """The account that it is about."""
    kind: str
    """What it is about, such as template; not_understood: webhooks that could not be read."""
    subject: str
    """The template, number or other thing that it is about."""
    text: str
    """What the provider reported."""
    at: datetime
    """When."""


@frozen
class LastBalance:
    amount: Money
    remaining_messages: int | None
    at: datetime


async def newest_notices(connection: AsyncConnection, accounts: Sequence[str], limit: int) -> list[NoticeRow]:
    """The accounts' notices, the newest first."""
    columns = (notices.c.account, notices.c.kind, notices.c.subject, notices.c.text, notices.c.at)
    found = select(*columns).where(notices.c.account.in_(accounts), notices.c.kind != BALANCE)
    newest = found.order_by(notices.c.at.desc(), notices.c.id.desc()).limit(limit)
    return [NoticeRow(*row) for row in await connection.execute(newest)]


async def keep_balance(
    connection: AsyncConnection, account: str, amount: Money, remaining_messages: int | None, now: datetime
) -> None:
    """Store the account's balance, in place of the one before."""
    await connection.execute(delete(notices).where(_balance_of(account)))
    balance = {"kind": BALANCE, "text": f"{amount.amount} {amount.currency}", "at": now}
    left = "" if remaining_messages is None else str(remaining_messages)
    await connection.execute(insert(notices).values(account=account, subject=left, **balance))


async def last_balance(connection: AsyncConnection, account: str) -> LastBalance | None:
    """The account's balance as its provider last reported it."""
    found = select(notices.c.text, notices.c.subject, notices.c.at).where(_balance_of(account))
    row = (await connection.execute(found.order_by(notices.c.id.desc()).limit(1))).first()
    if row is None:
        return None
    amount, currency = row.text.split(" ")
    return LastBalance(Money(Decimal(amount), currency), int(row.subject) if row.subject else None, row.at)


async def count_not_understood(
    connection: AsyncConnection, account: str, kinds: Mapping[str, int], now: datetime
) -> None:
    """Add to how many parts of the account's webhooks were not understood, by kind."""
    if not kinds:
        return
    add = upsert_into(is_sqlite(connection), not_understood)
    both = {"count": not_understood.c["count"] + add.excluded["count"], "last_at": add.excluded.last_at}
    rows = [
        {"account": account, "kind": kind, "count": n, "last_at": now} for kind, n in sorted(kinds.items())
    ]
    await connection.execute(
        add.on_conflict_do_update(index_elements=list(not_understood.primary_key), set_=both), rows
    )


async def list_not_understood(connection: AsyncConnection, accounts: Sequence[str]) -> list[NoticeRow]:
    """What the accounts' webhooks held that was not understood, the most recent first."""
    found = select(not_understood).where(not_understood.c.account.in_(accounts))
    newest = found.order_by(not_understood.c.last_at.desc(), not_understood.c.kind)
    return [
        NoticeRow(row["account"], NOT_UNDERSTOOD, row["kind"], f"{row['count']:,} times", row["last_at"])
        for row in (await connection.execute(newest)).mappings()
    ]


def _balance_of(account: str) -> ColumnElement[bool]:
    return and_(notices.c.account == account, notices.c.kind == BALANCE)
