"""What arrived by webhook, for people: how much waits, what could not be read and why, what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables.receipts import webhook_refusals, webhooks

MOST: Final = 1_000
"""Webhooks among which each account's newest is looked for."""


@frozen
class SetAside:
    """A webhook that could not be read."""

    id: int
    account: str
    received_at: datetime
    problem: str
    waits: bool
    """Whether it is about to be read again."""


@frozen
class Refusals:
    account: str
    count: int
    """Webhooks ever refused for a wrong or missing signature."""
    last_at: datetime


async def list_set_aside(
    connection: AsyncConnection, limit: int, *, before: int | None = None
) -> Sequence[SetAside]:
    """The newest first; `before`: only those with a smaller number."""
    w = webhooks.c
    waits = w.processed_at.is_(None)
    query = (
        select(w.id, w.account, w.received_at, w.problem, waits)
        .where(w.problem.is_not(None))
        .order_by(w.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(w.id < before)
    return [SetAside(*row) for row in await connection.execute(query)]


async def list_refusals(connection: AsyncConnection) -> Sequence[Refusals]:
    r = webhook_refusals.c
    query = select(r.account, r.count, r.last_at).order_by(r.account)
    return [Refusals(*row) for row in await connection.execute(query)]


async def newest_arrivals(connection: AsyncConnection) -> dict[str, datetime]:
    """When the newest webhook of each account arrived, among the newest MOST of all."""
    newest = (
        select(webhooks.c.account, webhooks.c.received_at)
        .order_by(webhooks.c.id.desc())
        .limit(MOST)
        .subquery()
    )
    at = func.max(newest.c.received_at, type_=newest.c.received_at.type)
    rows = await connection.execute(select(newest.c.account, at).group_by(newest.c.account))
    return dict(rows.all())


async def read_again(connection: AsyncConnection, webhook_ids: Sequence[int]) -> int:
    """Have these set-aside webhooks read again; how many there were."""
    w = webhooks.c
    done = await connection.execute(
        update(webhooks)
        .where(w.id.in_(webhook_ids), w.problem.is_not(None))
        .values(processed_at=None, problem=None)
    )
    return done.rowcount
