"""What the reports count of jobs and rejects that are purged, and when that was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState
from storage.database.bulk import among
from storage.runs.cost_sums import TAKEN
from storage.tables.audience import campaigns
from storage.tables.retention import purged_jobs, purged_rejects
from storage.tables.runs import runs


@frozen
class JobGroup:
    """Jobs that ended alike."""

    state: JobState
    reason: str | None
    code: str | None
    count: int


@frozen
class PurgedRejects:
    """Rejects of one code."""

    code: str
    reason: str
    count: int
    first_line: int


async def purged_states(
    connection: AsyncConnection, campaign_id: int, only: ColumnElement[bool] | None = None
) -> list[JobGroup]:
    """How many of the campaign's purged jobs ended how; without tests, and of a person's tries the newest. `only`
    restricts the runs."""
    gone = purged_jobs.c
    columns = (gone.state, gone.reason, gone.code)
    found = await connection.execute(
        select(*columns, _whole(gone.jobs))
        .join(runs, runs.c.id == gone.run_id)
        .where(runs.c.campaign_id == campaign_id, gone.counts, *([] if only is None else [only]))
        .group_by(*columns)
    )
    return [
        JobGroup(JobState(state), reason or None, code or None, count) for state, reason, code, count in found
    ]


async def purged_reject_groups(connection: AsyncConnection, campaign_id: int) -> list[PurgedRejects]:
    """The campaign's purged rejects by code."""
    columns = [purged_rejects.c[name] for name in ("code", "reason", "rows", "first_line")]
    found = await connection.execute(select(*columns).where(purged_rejects.c.campaign_id == campaign_id))
    return [PurgedRejects(*row) for row in found]


def purged_ledger(run_ids: Select[tuple[int]] | Sequence[int]) -> Select[Any]:
    """The runs' purged messages that the provider took, as rows of the cost report: what is null in each of the
    jobs is null in their sum."""
    gone = purged_jobs.c
    return select(
        gone.run_id,
        null().label("category"),
        func.nullif(gone.region, "").label("region"),
        null().label("form"),
        null().label("card_id"),
        (gone.state == JobState.FAILED.value).label("failed"),
        gone.jobs,
        case((gone.settled, gone.cost_micros), else_=null()).label("cost_micros"),
        func.nullif(gone.currency, "").label("currency"),
        case((gone.priced, gone.price_micros), else_=null()).label("price_micros"),
        func.nullif(gone.price_currency, "").label("price_currency"),
    ).where(gone.run_id.in_(run_ids), gone.taken, gone.state.in_(TAKEN))


async def purged_since(connection: AsyncConnection, campaign_id: int) -> datetime | None:
    """When details of the campaign were first purged; None: they are all there."""
    first = select(func.min(runs.c.purged_at)).where(runs.c.campaign_id == campaign_id).scalar_subquery()
    row = select(campaigns.c.purged_at, first).where(campaigns.c.id == campaign_id)
    times = (await connection.execute(row)).one()
    return min((moment for moment in times if moment is not None), default=None)


async def runs_purged_since(connection: AsyncConnection, run_ids: Sequence[int]) -> datetime | None:
    """When details of the first of these runs were purged; None: they are all there."""
    first = select(runs.c.purged_at).where(runs.c.id.in_(run_ids), runs.c.purged_at.is_not(None))
    return await connection.scalar(first.order_by(runs.c.purged_at).limit(1))


async def purged_tokens(connection: AsyncConnection, tokens: Sequence[str]) -> set[str]:
    """Which of these tokens are of runs whose jobs are purged."""
    if not tokens:
        return set()
    gone = select(runs.c.token).where(among(connection, runs.c.token, tokens), runs.c.purged_at.is_not(None))
    return set(await connection.scalars(gone))


def _whole(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)
