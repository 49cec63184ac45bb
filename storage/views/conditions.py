"""States of a database that people are notified of: what is in doubt, silent, or used up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import AWAITING_RECEIPT, JobState, RunState
from storage.tables.audience import imports
from storage.tables.money import budgets
from storage.tables.predicates import OPEN
from storage.tables.receipts import webhooks
from storage.tables.runs import jobs, runs

NEWEST: Final = 1_000
"""Webhooks among which an account's newest is looked for."""


@frozen
class Doubtful:
    """Messages of a run that are in doubt."""

    run_id: int
    campaign_id: int
    messages: int


@frozen
class UsedBudget:
    """`key`: CAMPAIGN:run:ID, CAMPAIGN:day:YYYY-MM-DD or CAMPAIGN:month:YYYY-MM."""

    key: str
    micros: int
    """Spent or reserved."""


@frozen
class RejectedRows:
    import_id: int
    campaign_id: int
    rejected: int
    rows: int


async def doubtful_runs(connection: AsyncConnection, since: datetime) -> list[Doubtful]:
    """Runs with messages that have been in doubt since `since` or longer; tests left out."""
    counted = (
        select(jobs.c.run_id, runs.c.campaign_id, func.count())
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(
            OPEN, jobs.c.state == JobState.IN_DOUBT.value, jobs.c.updated_at <= since, runs.c.kind != "test"
        )
        .group_by(jobs.c.run_id, runs.c.campaign_id)
        .order_by(jobs.c.run_id)
    )
    return [Doubtful(*row) for row in await connection.execute(counted)]


async def doubtful_phones(connection: AsyncConnection, run_id: int, limit: int) -> list[str]:
    """Numbers whose message of the run is in doubt."""
    mine = (jobs.c.run_id == run_id, jobs.c.state == JobState.IN_DOUBT.value)
    return list(await connection.scalars(select(jobs.c.phone).where(*mine).order_by(jobs.c.id).limit(limit)))


async def newest_webhook(connection: AsyncConnection, account: str) -> datetime | None:
    """When the account's newest webhook came. Where none of it is among the NEWEST of all, it came before the oldest of
    those: that one's time then; None where no webhook has come at all."""
    newest = select(webhooks.c.account, webhooks.c.received_at).order_by(webhooks.c.id.desc()).limit(NEWEST)
    kept = newest.subquery()
    kind = kept.c.received_at.type
    mine = func.max(kept.c.received_at, type_=kind).filter(kept.c.account == account)
    found = select(mine, func.min(kept.c.received_at, type_=kind), func.count())
    own, oldest, count = (await connection.execute(found)).one()
    return own or (oldest if count == NEWEST else None)


async def awaits_receipt(
    connection: AsyncConnection, lanes: Collection[str], after: datetime, until: datetime
) -> bool:
    """Whether a message that was accepted on these lanes after `after`, and by `until`, has no receipt."""
    states = [state.value for state in AWAITING_RECEIPT]
    running = select(runs.c.id).where(runs.c.state == RunState.RUNNING.value)
    waiting = select(jobs.c.id).where(
        jobs.c.run_id.in_(running),
        jobs.c.state.in_(states),
        jobs.c.lane.in_(lanes),
        jobs.c.accepted_at > after,
        jobs.c.accepted_at <= until,
    )
    return (await connection.execute(waiting.limit(1))).first() is not None


async def budgets_of(connection: AsyncConnection, keys: Collection[str]) -> list[UsedBudget]:
    """Of these budgets and, of a key that ends in `:`, the newest that begins so."""
    used = (budgets.c.reserved_micros + budgets.c.spent_micros).label("micros")
    exact = [key for key in keys if not key.endswith(":")]
    queries: list[Any] = [select(budgets.c.key, used).where(budgets.c.key.in_(exact))] if exact else []
    for key in keys:
        if key.endswith(":"):
            begins = budgets.c.key.startswith(key, autoescape=True)
            queries.append(select(budgets.c.key, used).where(begins).order_by(budgets.c.key.desc()).limit(1))
    return [UsedBudget(*row) for query in queries for row in await connection.execute(query)]


async def rejected_rows(connection: AsyncConnection, since: datetime, above: int) -> list[RejectedRows]:
    """Loads since then with more rejected rows than that."""
    columns = [imports.c[name] for name in ("id", "campaign_id", "rejected", "rows")]
    found = select(*columns).where(imports.c.created_at >= since, imports.c.rejected > above)
    return [RejectedRows(*row) for row in await connection.execute(found.order_by(imports.c.id))]
