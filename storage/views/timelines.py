"""One recipient's timeline in a campaign, for `drumbeat why`: the row, the jobs of every run, and their events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.money.costs import NO_CURRENCY, Money, from_micros
from campaigns.states import JobState, RunState
from storage.database.bulk import among
from storage.runs.editions import edition_of, of_audience
from storage.sending.intents import DueJob
from storage.tables.audience import imports, recipients, rejects
from storage.tables.lanes import lanes
from storage.tables.runs import attempts, events, jobs, runs

SHOWN_REJECTS: Final = 5
TAIL: Final = 7
"""Digits at its end by which a number is found however it is written."""
SPACING: Final = " -.()/"
"""What people put between the digits of a number."""


@frozen
class JobHistory:
    """One job of a number, its run, and what may stop both."""

    id: int
    run_id: int
    run_kind: str
    run_state: RunState
    run_reason: str | None
    nominal_at: datetime
    launched_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    lane: str
    state: JobState
    reason: str | None
    code: str | None
    due_at: datetime
    held_by: str | None
    held_since: datetime | None
    variant: str | None
    form: str | None
    price_micros: int | None
    price_currency: str | None
    cost_micros: int | None
    currency: str | None
    lane_reason: str | None
    lane_until: datetime | None

    @property
    def price(self) -> Money | None:
        """What its newest call was expected to cost."""
        if self.price_micros is None or self.price_currency is None:
            return None
        return Money(from_micros(self.price_micros), self.price_currency)

    @property
    def cost(self) -> Money | None:
        """What the provider charges; where it names no currency, that of the price."""
        if self.cost_micros is None or self.currency is None:
            return None
        named = self.currency if self.currency != NO_CURRENCY else self.price_currency
        return Money(from_micros(self.cost_micros), named or "")


@frozen
class Moment:
    """One thing that happened to a job, or concerns its person."""

    at: datetime
    """When."""
    event: str
    """What happened, such as `attempt 1` or `delivered`."""
    detail: str | None
    """More about it; null: nothing more is known."""
    run: datetime | None = None
    """The nominal time of the run; None: it belongs to none."""


@frozen
class AttemptHistory:
    """One call; what its answer was, and as what the message went."""

    number: int
    intent_at: datetime
    form: str | None
    """text, image, …, template; None: not kept."""
    ended_at: datetime | None
    outcome: str | None
    http_status: int | None
    code: str | None
    detail: str | None
    request_id: str | None
    latency_ms: int | None


@frozen
class Row:
    """The recipient as the file has it."""

    job: DueJob
    """As a launch would make it; its id is 0."""
    line: int
    source: str
    bucket: int
    send_at: datetime | None
    loaded_at: datetime


@frozen
class RejectHistory:
    """A row that was not accepted."""

    line: int
    """The line on which the row begins."""
    column: str | None
    """The column that is wrong; null: the whole row."""
    code: str
    """Why it was rejected, as a code of the list reference."""
    reason: str
    """The same as a sentence."""
    source: str
    """The list's name."""
    at: datetime
    """When it was loaded."""


_JOB: Final = (
    *(jobs.c[name] for name in ("id", "run_id")),
    runs.c.kind.label("run_kind"),
    runs.c.state.label("run_state"),
    runs.c.reason.label("run_reason"),
    *(runs.c[name] for name in ("nominal_at", "launched_at", "expires_at", "ended_at")),
    *(jobs.c[name] for name in ("lane", "state", "reason", "code", "due_at", "held_by", "held_since")),
    *(jobs.c[name] for name in ("variant", "form", "price_micros", "price_currency")),
    *(jobs.c[name] for name in ("cost_micros", "currency")),
    lanes.c.paused_reason.label("lane_reason"),
    lanes.c.paused_until.label("lane_until"),
)


async def find_jobs(connection: AsyncConnection, campaign_id: int, phone: str) -> list[JobHistory]:
    """The number's jobs of all runs, the oldest first; tests before all others."""
    found = await connection.execute(
        select(*_JOB)
        .select_from(
            jobs.join(runs, runs.c.id == jobs.c.run_id).outerjoin(lanes, lanes.c.name == jobs.c.lane)
        )
        .where(runs.c.campaign_id == campaign_id, jobs.c.phone == phone)
        .order_by(runs.c.kind != "test", jobs.c.id)
    )
    return [
        JobHistory(**{**row, "state": JobState(row["state"]), "run_state": RunState(row["run_state"])})
        for row in found.mappings()
    ]


async def find_row(connection: AsyncConnection, campaign_id: int, phone: str) -> Row | None:
    """The number's row in the campaign's audience as it is now."""
    return await _row(connection, phone, of_audience(campaign_id), recipients.c.phone == phone)


async def row_of_job(connection: AsyncConnection, job_id: int, phone: str) -> Row | None:
    """The row that the job was made from; None where it was a test with another person's row."""
    its = select(jobs.c.recipient_id).where(jobs.c.id == job_id).scalar_subquery()
    return await _row(connection, phone, recipients.c.id == its, recipients.c.phone == phone)


async def _row(connection: AsyncConnection, phone: str, *which: ColumnElement[bool]) -> Row | None:
    person = recipients.c
    query = (
        select(
            person.region,
            person.timezone,
            person.consent_at,
            person.line,
            imports.c.source,
            person.bucket,
            person.send_at,
            imports.c.created_at,
        )
        .join(imports, imports.c.id == person.import_id)
        .where(*which)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    region, timezone, consent_at, *rest = row
    return Row(DueJob(0, 0, phone, 0, None, "{}", region, timezone, consent_at, None), *rest)


async def due_job(connection: AsyncConnection, job_id: int) -> DueJob:
    """The job as a shift claims it, but not locked, and without the row's cells."""
    person = recipients.c
    query = (
        select(
            jobs.c.run_id,
            jobs.c.phone,
            jobs.c.attempts,
            jobs.c.held_by,
            person.region,
            person.timezone,
            person.consent_at,
            jobs.c.variant,
            jobs.c.goes_alone,
            jobs.c.free_refused_at,
        )
        .join(recipients, person.id == jobs.c.recipient_id)
        .where(jobs.c.id == job_id)
    )
    row = (await connection.execute(query)).mappings().one()
    return DueJob(id=job_id, vars="{}", **row)


async def find_rejects(connection: AsyncConnection, campaign_id: int, text: str) -> list[RejectHistory]:
    """The newest rejected rows that may contain the number: those with its last digits, with or without spaces; for a
    text with few digits, those that contain the text."""
    digits = "".join(filter(str.isdigit, text))
    raw: ColumnElement[str] = rejects.c.raw
    if len(digits) >= TAIL:
        for character in SPACING:
            raw = func.replace(raw, character, "")
        text = digits[-TAIL:]
    columns = (rejects.c.line, rejects.c.column, rejects.c.code, rejects.c.reason)
    found = await connection.execute(
        select(*columns, imports.c.source, imports.c.created_at)
        .join(imports, imports.c.id == rejects.c.import_id)
        .where(rejects.c.campaign_id == campaign_id, raw.contains(text, autoescape=True))
        .where(imports.c.edition <= edition_of(campaign_id))
        .order_by(rejects.c.id.desc())
        .limit(SHOWN_REJECTS)
    )
    return [RejectHistory(*row) for row in found]


async def nearest_number(
    connection: AsyncConnection, campaign_id: int, phone: str, typos: Collection[str]
) -> str | None:
    """A recipient whose number is one of `typos`, else one with the same digits behind another country code."""
    mine = select(recipients.c.phone).where(of_audience(campaign_id))
    close = mine.where(among(connection, recipients.c.phone, typos)).order_by(recipients.c.phone).limit(1)
    alike = mine.where(recipients.c.phone.endswith(phone[-TAIL:])).order_by(recipients.c.phone).limit(1)
    for query in (close, alike) if len(phone) > TAIL else ():
        if (found := await connection.scalar(query)) is not None:
            return str(found)
    return None


async def attempts_of(connection: AsyncConnection, job_id: int) -> list[AttemptHistory]:
    """Every call that was made for the job."""
    rows = await connection.execute(
        select(attempts).where(attempts.c.job_id == job_id).order_by(attempts.c.number)
    )
    return [_attempt(dict(row)) for row in rows.mappings()]


def _attempt(row: dict[str, Any]) -> AttemptHistory:
    content = orjson.loads(row["content"]) if row["content"] else {}
    names = [name for name in field_names(AttemptHistory) if name != "form"]
    return AttemptHistory(form=content.get("type"), **{name: row[name] for name in names})


async def events_of(connection: AsyncConnection, job_id: int) -> list[tuple[datetime, str, str, str | None]]:
    """What is noted of the job: (when, event, source, detail)."""
    noted = select(events.c.at, events.c.event, events.c.source, events.c.detail)
    rows = await connection.execute(noted.where(events.c.job_id == job_id).order_by(events.c.id))
    return [(at, event, source, detail) for at, event, source, detail in rows]


@frozen
class Ahead:
    """Pending jobs that fall due at the same moment, before the one that is asked about."""

    due_at: datetime
    own: bool
    """Whether they are of its own run; else of one that goes before it."""
    count: int


async def stream_ahead(
    connection: AsyncConnection, job: JobHistory, sooner_runs: Sequence[int]
) -> AsyncIterator[Ahead]:
    """What is sent on the job's lane before it, by its `due_at`, in the order of falling due."""
    before = or_(jobs.c.due_at < job.due_at, and_(jobs.c.due_at == job.due_at, jobs.c.id < job.id))
    own = jobs.c.run_id == job.run_id
    counted = (
        select(jobs.c.due_at, own, func.count())
        .where(jobs.c.lane == job.lane, jobs.c.state == JobState.PENDING.value, jobs.c.id != job.id)
        .where(or_(and_(own, before), and_(jobs.c.run_id.in_(sooner_runs), jobs.c.due_at <= job.due_at)))
        .group_by(jobs.c.due_at, own)
        .order_by(jobs.c.due_at)
    )
    async for row in await connection.stream(counted.execution_options(yield_per=1000)):
        yield Ahead(*row)


async def count_due(
    connection: AsyncConnection, lane: str, run_ids: Sequence[int], due_at: datetime
) -> list[int]:
    """How many messages of each of these runs, of those that have any, fall due on the lane by then."""
    counted = (
        select(func.count())
        .where(jobs.c.run_id.in_(run_ids), jobs.c.lane == lane, jobs.c.due_at <= due_at)
        .where(jobs.c.state == JobState.PENDING.value)
        .group_by(jobs.c.run_id)
    )
    return list(await connection.scalars(counted))


async def rows_before(connection: AsyncConnection, campaign_id: int, row: Row, lanes_count: int) -> int:
    """How many rows of the same lane a launch puts before this one."""
    same_lane = recipients.c.bucket % lanes_count == row.bucket % lanes_count
    counted = select(func.count()).where(of_audience(campaign_id), same_lane, recipients.c.line < row.line)
    return (await connection.execute(counted)).scalar_one()
