"""What is still to be done: whether a runner may end, and what it would wait for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import AWAITING_RECEIPT, JobState, RunState
from storage.runs.job_counts import count_states, waiting_groups
from storage.sending.lanes import LaneRow, read_lanes
from storage.sending.windows import any_unknown_window
from storage.tables.audience import campaigns
from storage.tables.predicates import OPEN
from storage.tables.runs import jobs, runs


@frozen
class IdleCheck:
    sendable: bool
    """A job is being sent, or is due on a lane that is not waiting for a person or the provider's gateway."""
    retry_at: datetime | None
    """When the next job that waits for nothing but time is due, or its lane's back-off ends."""
    doubtful: int
    awaiting: int


async def look_ahead(connection: AsyncConnection, served: Collection[str], now: datetime) -> IdleCheck:
    """What the running runs still have to do on the lanes `served`; others wait for their settings."""
    lanes = await read_lanes(connection)
    running = (await connection.scalars(select(runs.c.id).where(runs.c.state == RunState.RUNNING))).all()
    states = await count_states(connection, running)
    moments: list[datetime] = []
    for group in await waiting_groups(connection, running):
        name, due_at = group.lane, group.due_at
        lane = lanes.get(name)
        if (
            lane is None
            or name not in served
            or (lane.paused_reason is not None and lane.paused_until is None)
        ):
            continue
        moments.append(max(due_at, lane.paused_until) if lane.paused_until else due_at)
    return IdleCheck(
        sendable=any(moment <= now for moment in moments)
        or await _any_sending(connection, served)
        or await any_unknown_window(connection, _at_work(lanes, served, now)),
        retry_at=min(moments, default=None),
        doubtful=states.get(JobState.IN_DOUBT, 0),
        awaiting=sum(states.get(state, 0) for state in AWAITING_RECEIPT),
    )


def _at_work(lanes: Mapping[str, LaneRow], served: Collection[str], now: datetime) -> list[str]:
    return [name for name in served if name in lanes and not lanes[name].paused(now)]


@frozen
class Pending:
    """Messages of one campaign and lane that wait for the same rule."""

    campaign: str
    lane: str
    run_state: RunState
    held_by: str | None
    messages: int
    due_at: datetime
    """When the first of them is."""


async def pending_by_rule(connection: AsyncConnection, campaign_id: int | None = None) -> list[Pending]:
    """Everything that waits in runs that have not ended; of one campaign or of all."""
    opened = select(runs.c.id, runs.c.state, campaigns.c.name).join(
        campaigns, campaigns.c.id == runs.c.campaign_id
    )
    opened = opened.where(runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]))
    if campaign_id is not None:
        opened = opened.where(runs.c.campaign_id == campaign_id)
    known = {row.id: row for row in await connection.execute(opened)}
    found: dict[tuple[str, str, str, str | None], Pending] = {}
    for group in await waiting_groups(connection, list(known)):
        run = known[group.run_id]
        key = run.name, group.lane, run.state, group.held_by
        alike = found.get(
            key, Pending(run.name, group.lane, RunState(run.state), group.held_by, 0, group.due_at)
        )
        found[key] = replace(
            alike, messages=alike.messages + group.messages, due_at=min(alike.due_at, group.due_at)
        )
    return list(found.values())


async def _any_sending(connection: AsyncConnection, served: Collection[str]) -> bool:
    sending = (
        select(jobs.c.id)
        .where(jobs.c.lane.in_(served), jobs.c.state == JobState.SENDING.value, OPEN)
        .limit(1)
    )
    return (await connection.execute(sending)).first() is not None
