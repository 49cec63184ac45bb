"""A campaign at a glance: its runs, its paused lanes and its budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.states import CampaignState, JobState, RunState
from storage.runs.editions import rejected_of_run
from storage.runs.occurrences import SCHEDULED
from storage.tables.audience import campaigns
from storage.tables.counts import job_counts
from storage.tables.lanes import lanes
from storage.tables.predicates import IS_PAUSED
from storage.tables.runs import runs
from storage.views.budgets import BudgetUse, newest_use

UNSENT = (JobState.PENDING, JobState.SENDING, JobState.IN_DOUBT)


@frozen
class RunLine:
    """One run of the campaign."""

    id: int
    """Its number."""
    kind: str
    """scheduled, retry or test."""
    parent_id: int | None
    """The run that a retry belongs to; null: it is no retry."""
    nominal_at: datetime
    """Its time by the schedule."""
    state: RunState
    """Its state now."""
    reason: str | None
    """Why it is in that state; null: no reason is recorded."""
    jobs: int
    """Its messages."""
    rejected: int
    """Rows of its list that were rejected; of side runs, none."""


@frozen
class LanePause:
    """A paused lane."""

    lane: str
    """The sender, as account/sender."""
    reason: str
    """Why it is paused."""
    until: datetime | None
    """None: until its sender is well, or a person resumes it."""


@frozen
class UnsentCampaign:
    """A campaign that has messages to send."""

    name: str
    state: CampaignState
    start_at: datetime | None
    """When its next run starts."""
    unsent: int
    """Messages of its runs that are not sent, or are in doubt."""


async def unsent_campaigns(connection: AsyncConnection) -> list[UnsentCampaign]:
    """The campaigns that a runner would go on with, by name."""
    its_runs = select(runs.c.id).where(runs.c.campaign_id == campaigns.c.id)
    unsent = (
        select(func.coalesce(cast(func.sum(job_counts.c.jobs), BigInteger), 0))
        .where(job_counts.c.run_id.in_(its_runs), job_counts.c.state.in_(UNSENT))
        .scalar_subquery()
    )
    living = (CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED)
    found = select(campaigns.c.name, campaigns.c.state, campaigns.c.start_at, unsent)
    rows = await connection.execute(found.where(campaigns.c.state.in_(living)).order_by(campaigns.c.name))
    return [UnsentCampaign(name, CampaignState(state), *rest) for name, state, *rest in rows]


async def newest_runs(connection: AsyncConnection, campaign_id: int, limit: int) -> list[RunLine]:
    """The campaign's runs of every kind, the newest first."""
    columns = [runs.c[name] for name in field_names(RunLine) if name != "rejected"]
    rejected = case((SCHEDULED, rejected_of_run()), else_=0).label("rejected")
    newest = select(*columns, rejected).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id.desc())
    rows = await connection.execute(newest.limit(limit))
    return [RunLine(**{**row, "state": RunState(row["state"])}) for row in rows.mappings()]


async def paused_lanes(connection: AsyncConnection, names: Sequence[str], now: datetime) -> list[LanePause]:
    """Those of the lanes that are paused."""
    columns = (lanes.c.name, lanes.c.paused_reason, lanes.c.paused_until)
    paused = select(*columns).where(lanes.c.name.in_(names), IS_PAUSED).order_by(lanes.c.name)
    return [LanePause(*row) for row in await connection.execute(paused, {"now": now})]


async def budget_use(connection: AsyncConnection, campaign_id: int, limit: int = 3) -> list[BudgetUse]:
    """The newest budgets of each kind that were drawn on."""
    return (await newest_use(connection, [campaign_id], limit)).get(campaign_id, [])


async def held_before_start(connection: AsyncConnection, now: datetime) -> list[tuple[str, str | None]]:
    """(name, reason) of campaigns whose time has come and that are paused without ever having been launched."""
    launched = select(runs.c.id).where(runs.c.campaign_id == campaigns.c.id, runs.c.kind == "scheduled")
    held = select(campaigns.c.name, campaigns.c.reason).where(
        campaigns.c.state == CampaignState.PAUSED, campaigns.c.start_at <= now, ~launched.exists()
    )
    return [(row.name, row.reason) for row in await connection.execute(held.order_by(campaigns.c.name))]
