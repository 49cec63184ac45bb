"""Runs: launched once, set-based; paused, resumed, cancelled, completed by guarded updates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from campaigns.frozen import frozen
from campaigns.notify_events import NotifyEvent
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.spec.stored import read_stored
from campaigns.states import FINAL, CampaignState, JobState, RunState
from campaigns.time.clock import NEVER
from storage.database.bulk import among
from storage.database.vacuum import learn_growth
from storage.notify.events import add_event
from storage.runs.editions import edition_of, of_audience
from storage.runs.first_jobs import has_any, has_due_anywhere, has_held
from storage.runs.history import AT_ONCE, NOT_WAITING, in_order, move
from storage.runs.local_times import LocalTimes, local_times, place_of
from storage.runs.pausing import of_run
from storage.tables.audience import campaigns, recipients
from storage.tables.predicates import IS_PENDING
from storage.tables.runs import events, jobs, runs
from storage.tables.types import NOW

WORLD: Final = timedelta(hours=26)
"""How long a time of day takes from the first clock on earth to the last."""
TOO_LATE: Final = "too_late"
_LAUNCHABLE: Final = (CampaignState.SCHEDULED, CampaignState.RUNNING)
_DUE: Final = (campaigns.c.id, campaigns.c.name, campaigns.c.spec, campaigns.c.start_at)


@frozen
class DueCampaign:
    id: int
    name: str
    spec: str
    start_at: datetime


@frozen
class RunRow:
    id: int
    campaign_id: int
    name: str
    state: RunState
    reason: str | None
    expires_at: datetime | None
    token: str
    kind: str = "scheduled"
    parent_id: int | None = None
    priority: int = 0

    @property
    def is_test(self) -> bool:
        """Whether it goes to a person's own named numbers: no cap counts it."""
        return self.kind == "test"


@cache
def _come() -> Select[Any]:
    """Campaigns that start by `now`, or by `soon` where each recipient's own clock counts."""
    local = campaigns.c.spec.contains('"recipient_local_time":true', autoescape=True)
    queued = and_(campaigns.c.spec.contains('"overlap":"queue"', autoescape=True), _is_sending())
    come = or_(campaigns.c.start_at <= NOW, and_(campaigns.c.start_at <= bindparam("soon"), local))
    due = select(*_DUE).where(campaigns.c.state.in_(_LAUNCHABLE), come, ~queued)
    return due.order_by(campaigns.c.start_at, campaigns.c.id)


async def due_campaigns(connection: AsyncConnection, now: datetime) -> list[DueCampaign]:
    """Campaigns with a run that is due, oldest first; not those whose run waits for the previous one."""
    due = await connection.execute(_come(), {"now": now, "soon": now + WORLD})
    found = [DueCampaign(*row) for row in due]
    return [campaign for campaign in found if campaign.start_at <= now or _opens_at(campaign) <= now]


def _opens_at(campaign: DueCampaign) -> datetime:
    """When it is launched; a campaign file that cannot be read is reported at its nominal time."""
    try:
        schedule = read_stored(ScheduleSpec, json.loads(campaign.spec)["schedule"])
    except (ValueError, KeyError):
        return campaign.start_at
    return schedule.opens_at(campaign.start_at)


_NEXT_START: Final = (
    select(campaigns.c.start_at)
    .where(campaigns.c.state.in_(_LAUNCHABLE), campaigns.c.start_at > NOW)
    .order_by(campaigns.c.start_at)
    .limit(1)
)


async def next_start(connection: AsyncConnection, now: datetime) -> datetime | None:
    """The next nominal time of any campaign after `now`."""
    return (await connection.execute(_NEXT_START, {"now": now})).scalar()


_NEXT_NOMINAL: Final = select(func.min(campaigns.c.start_at)).where(campaigns.c.start_at > NOW)


async def next_nominal(connection: AsyncConnection, after: datetime) -> datetime | None:
    """The next nominal time of any campaign, also of one that is paused."""
    found: datetime | None = await connection.scalar(_NEXT_NOMINAL, {"now": after})
    return found


async def next_launch(connection: AsyncConnection, now: datetime) -> datetime:
    """When there may be something to launch, at the latest; a time that has come where there is."""
    first, later = await next_nominal(connection, now), await next_nominal(connection, now + WORLD)
    come = await connection.execute(_come(), {"now": now, "soon": now + WORLD})
    opening = [_opens_at(DueCampaign(*row)) for row in come]
    return min([first or NEVER, later - WORLD if later else NEVER, *opening])


async def lock_due(connection: AsyncConnection, campaign_id: int) -> DueCampaign | None:
    """The campaign as it is now, its row locked until the transaction ends; None where no run is to come, or where
    another transaction has it locked: a list that is being loaded delays no other campaign."""
    found = select(*_DUE).where(
        campaigns.c.id == campaign_id,
        campaigns.c.state.in_(_LAUNCHABLE),
        campaigns.c.start_at.is_not(None),
    )
    row = (await connection.execute(found.with_for_update(skip_locked=True))).first()
    return None if row is None else DueCampaign(*row)


async def is_sending(connection: AsyncConnection, campaign_id: int, now: datetime) -> bool:
    """Whether a run of the campaign still has messages to send that are due or held back.

    Receipts may be out, and messages whose own time is yet to come may wait: those hold up no other run.
    """
    found = select(campaigns.c.id).where(campaigns.c.id == campaign_id, _is_sending())
    return (await connection.execute(found, {"now": now})).first() is not None


def _is_sending() -> ColumnElement[bool]:
    unsent = select(runs.c.id).where(
        runs.c.campaign_id == campaigns.c.id,
        runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]),
        runs.c.kind != "test",
        or_(has_any(JobState.SENDING), has_held(), has_due_anywhere()),
    )
    return unsent.exists()


async def launch_run(
    connection: AsyncConnection,
    campaign: DueCampaign,
    *,
    lanes: Sequence[str],
    priority: int,
    expires_at: datetime | None,
    now: datetime,
    local: LocalTimes | None = None,
) -> int:
    """Freeze the campaign into its run of `start_at`, with one pending job per recipient; its id. The caller holds the
    campaign's lock.

    A contact keeps its lane: the lane follows from the recipient's bucket and the order of `lanes`. `local`: the jobs
    are due at the stored local times; None: at once. A recipient's own send_at may be later.
    """
    run = insert(runs).values(
        campaign_id=campaign.id,
        nominal_at=campaign.start_at,
        state=RunState.RUNNING,
        priority=priority,
        spec=campaign.spec,
        jobs=0,
        launched_at=now,
        expires_at=expires_at,
        edition=edition_of(campaign.id),
    )
    run_id = int((await connection.execute(run.returning(runs.c.id))).scalar_one())
    # Without the option psycopg does not report how many rows an INSERT ... SELECT made.
    expanded = _expand(campaign.id, run_id, lanes, now, local)
    made = await connection.execute(expanded, execution_options={"preserve_rowcount": True})
    await connection.execute(update(runs).where(runs.c.id == run_id).values(jobs=made.rowcount))
    await learn_growth(connection, jobs, made.rowcount)
    if local is not None:
        await connection.execute(_add_skip_events(run_id, now))
    return run_id


def _expand(
    campaign_id: int, run_id: int, lanes: Sequence[str], now: datetime, local: LocalTimes | None
) -> Insert:
    share = recipients.c.bucket % len(lanes)
    moment = literal(now, jobs.c.due_at.type)
    own = local_times.c.due_at if local else moment
    due_at = case((own > moment, own), else_=moment)
    late = own < literal(local.not_before, own.type) if local and local.not_before else false()
    source = (
        select(
            literal(run_id),
            recipients.c.id,
            recipients.c.phone,
            case(*((share == place, literal(name)) for place, name in enumerate(lanes))),
            case((late, JobState.SKIPPED.value), else_=JobState.PENDING.value),
            case((late, TOO_LATE), else_=null()),
            case((recipients.c.send_at > due_at, recipients.c.send_at), else_=due_at),
            moment,
        )
        .where(of_audience(campaign_id))
        .order_by(recipients.c.line)
    )
    if local is not None:
        source = source.join(local_times, local_times.c.place == place_of(local.regions))
    return insert(jobs).from_select(
        ["run_id", "recipient_id", "phone", "lane", "state", "reason", "due_at", "updated_at"], source
    )


def _add_skip_events(run_id: int, now: datetime) -> Insert:
    moment = literal(now, events.c.at.type)
    skipped = select(
        jobs.c.id, moment, moment, literal("launch"), literal(JobState.SKIPPED.value), literal(TOO_LATE)
    ).where(jobs.c.run_id == run_id, jobs.c.state == JobState.SKIPPED)
    return insert(events).from_select(["job_id", "at", "stored_at", "source", "event", "detail"], skipped)


async def move_on(
    connection: AsyncConnection,
    campaign_id: int,
    now: datetime,
    *,
    launched: bool,
    next_at: datetime | None,
) -> None:
    """Set the campaign's next nominal time, None where no run is left; it is over then once its runs are."""
    values: dict[str, object] = {"start_at": next_at, "updated_at": now}
    if launched:
        values |= {"state": CampaignState.RUNNING, "reason": None}
    await connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(**values))
    if not launched and next_at is None:
        await _settle(connection, [campaign_id], [CampaignState.SCHEDULED, CampaignState.RUNNING], now)


OPEN: Final = (RunState.RUNNING, RunState.PAUSED)
_IS_OPEN: Final = runs.c.state.in_(OPEN)
RUN_ROWS: Final = (
    select(
        runs.c.id,
        runs.c.campaign_id,
        campaigns.c.name,
        runs.c.state,
        runs.c.reason,
        runs.c.expires_at,
        runs.c.token,
        runs.c.kind,
        runs.c.parent_id,
        runs.c.priority,
    )
    .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    .order_by(runs.c.priority.desc(), runs.c.nominal_at, runs.c.id)
)
_OPENED: Final = RUN_ROWS.where(_IS_OPEN)


async def open_runs(connection: AsyncConnection) -> list[RunRow]:
    """Runs that are running or paused, highest priority first, then oldest first."""
    return await read_runs(connection, _OPENED)


async def runs_open_since(connection: AsyncConnection, since: datetime) -> list[RunRow]:
    """Those, and the runs that have ended since."""
    return await read_runs(connection, RUN_ROWS.where(or_(_IS_OPEN, runs.c.ended_at >= since)))


async def read_runs(
    connection: AsyncConnection, wanted: Select[Any], asked: Mapping[str, Any] | None = None
) -> list[RunRow]:
    rows = (await connection.execute(wanted, asked)).mappings()
    return [RunRow(**{**row, "state": RunState(row["state"])}) for row in rows]


async def find_run(connection: AsyncConnection, run_id: int) -> RunRow:
    [run] = await read_runs(connection, RUN_ROWS.where(runs.c.id == run_id))
    return run


async def run_spec(connection: AsyncConnection, run_id: int) -> str:
    """The campaign file as it was frozen at the run's launch, JSON."""
    return str((await connection.execute(select(runs.c.spec).where(runs.c.id == run_id))).scalar_one())


_OVER: Final = select(runs.c.id).where(
    runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]), runs.c.expires_at <= NOW
)
_LEFT_BEHIND: Final = select(runs.c.id).where(runs.c.state == RunState.CANCELLED, has_any(JobState.PENDING))


def _is_complete() -> ColumnElement[bool]:
    unfinished = [has_any(state) for state in JobState if state not in FINAL]
    return and_(runs.c.state == RunState.RUNNING, ~or_(*unfinished))


@cache
def _to_finish() -> Select[tuple[bool]]:
    complete = select(runs.c.id).where(_is_complete())
    return select(or_(*(found.exists() for found in (_OVER, _LEFT_BEHIND, complete))))


async def any_to_finish(connection: AsyncConnection, now: datetime) -> bool:
    """Whether there is something to end, as far as can be seen without locking it: most often there is not."""
    return bool(await connection.scalar(_to_finish(), {"now": now}))


async def expire_jobs(connection: AsyncConnection, now: datetime) -> int:
    """End pending jobs of runs whose time ran out, AT_ONCE of them, whatever holds them; how many."""
    over = (await connection.scalars(_OVER, {"now": now})).all()
    return await _end_pending(connection, over, JobState.EXPIRED, "expired", now)


async def cancel_jobs(connection: AsyncConnection, now: datetime) -> int:
    """The same of what is pending though its run was cancelled: its call was under way then, or it was not reached."""
    over = (await connection.scalars(_LEFT_BEHIND)).all()
    return await _end_pending(connection, over, JobState.CANCELLED, "run_cancelled", now)


async def _end_pending(
    connection: AsyncConnection, over: Sequence[int], state: JobState, reason: str, now: datetime
) -> int:
    pending = select(jobs.c.id).where(jobs.c.run_id.in_(over), IS_PENDING).limit(AT_ONCE)
    ids = list(await connection.scalars(in_order(pending))) if over else []  # an UPDATE may limit twice
    guard = and_(among(connection, jobs.c.id, ids), IS_PENDING)
    return await move(
        connection, guard, {"state": state, "reason": reason, **dict.fromkeys(NOT_WAITING)}, "clock", now
    )


@cache
def _complete() -> ReturningUpdate[tuple[int, int, str]]:
    return (
        update(runs)
        .where(_is_complete())
        .values(state=RunState.COMPLETED, ended_at=NOW)
        .returning(runs.c.id, runs.c.campaign_id, runs.c.kind)
    )


async def complete_runs(connection: AsyncConnection, now: datetime) -> list[int]:
    """Complete every running run whose jobs are all final, and its campaign where no run is left; their ids."""
    rows = (await connection.execute(_complete(), {"now": now})).all()
    if rows:
        await _settle(connection, [row.campaign_id for row in rows], [CampaignState.RUNNING], now)
    for row in rows:
        if row.kind != "test":
            await add_event(connection, of_run(NotifyEvent.FINISHED, row.id, row.campaign_id), now)
    return [row.id for row in rows]


async def _settle(
    connection: AsyncConnection, ids: Sequence[int], sources: Sequence[CampaignState], now: datetime
) -> None:
    """Of campaigns without an open run, those with a run to come are scheduled again, the others are completed."""
    opened = select(runs.c.id).where(
        runs.c.campaign_id == campaigns.c.id,
        runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]),
        runs.c.kind != "test",
    )
    over = case(
        (campaigns.c.start_at.is_(None), CampaignState.COMPLETED.value), else_=CampaignState.SCHEDULED.value
    )
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.id.in_(ids), campaigns.c.state.in_(sources), ~opened.exists())
        .values(state=over, updated_at=now)
    )
