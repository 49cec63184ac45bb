"""Who is still to be written to, a page at a time: what an estimate is made from. Writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Select, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.money.markets import LONGEST_PREFIX
from campaigns.phones.user_ids import PREFIX as USER_ID
from campaigns.rules.names import Rule
from campaigns.states import JobState
from storage.runs.editions import of_audience
from storage.runs.job_counts import count_states
from storage.sending.intents import DueJob
from storage.tables.audience import campaigns, recipients
from storage.tables.runs import jobs, runs

PAGE: Final = 5_000
LATEST_RECEIPT: Final = timedelta(days=30)
"""How long after it was sent a message may still arrive."""


ASKED_ANEW: Final = tuple(rule.value for rule in Rule if rule is not Rule.PAIR_LIMIT)
"""Rules whose facts show how long they hold a message: the time that is stored is only that of the next decision, and
of one that waits for an event the run's end. The pair limit may also be the provider's answer."""


class Prospect(NamedTuple):
    """A message that is still to be decided about, on its lane, and not before `due_at`. One is made for each of
    millions: as a tuple in a fifth of the time."""

    lane: str
    due_at: datetime | None
    phone: str
    region: str | None
    timezone: str | None
    consent_at: datetime | None
    id: int = 0
    """0: it would be made by a launch."""
    run_id: int = 0
    variant: str | None = None
    free_refused_at: datetime | None = None

    @property
    def job(self) -> DueJob:
        """Without the cells: no rule asks about them."""
        return DueJob(
            self.id, self.run_id, self.phone, 0, None, "{}", self.region, self.timezone, self.consent_at,
            self.variant, free_refused_at=self.free_refused_at,
        )  # fmt: skip


async def count_recipients(connection: AsyncConnection, campaign_id: int) -> int:
    there = campaigns.c.recipients - campaigns.c.purged_recipients
    found = await connection.execute(select(there).where(campaigns.c.id == campaign_id))
    return int(found.scalar_one())


async def count_pending(connection: AsyncConnection, run_id: int) -> int:
    return (await count_states(connection, [run_id])).get(JobState.PENDING, 0)


async def count_by_prefix(connection: AsyncConnection, campaign_id: int) -> list[tuple[str, int]]:
    """How many recipients' numbers begin alike, as far as a market goes: the plus and four digits. Of those who are
    known by a user id alone, a placeholder with the country."""
    country = func.coalesce(recipients.c.region, "")
    prefix = case(
        (recipients.c.phone.startswith(USER_ID), literal(f"{USER_ID}/").concat(country).concat(".0")),
        else_=func.substr(recipients.c.phone, 1, 1 + LONGEST_PREFIX),
    )
    counted = select(prefix, func.count()).where(of_audience(campaign_id)).group_by(prefix).order_by(prefix)
    return [(start, number) for start, number in await connection.execute(counted)]


async def count_delivered_service(connection: AsyncConnection, lane: str, since: datetime, most: int) -> int:
    """How many free-form messages of the lane have arrived since then; `most` where there are more."""
    arrived = func.coalesce(jobs.c.delivered_at, jobs.c.read_at)
    found = (
        select(jobs.c.id)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(
            or_(runs.c.ended_at.is_(None), runs.c.ended_at >= since - LATEST_RECEIPT),
            jobs.c.state.in_((JobState.DELIVERED, JobState.READ)),
            jobs.c.lane == lane,
            jobs.c.form != "template",
            arrived >= since,
        )
        .limit(most)
    )
    return int(await connection.scalar(select(func.count()).select_from(found.subquery())) or 0)


async def future_jobs(
    connection: AsyncConnection, campaign_id: int, lanes: Sequence[str]
) -> AsyncIterator[list[Prospect]]:
    """The jobs that a launch would make, in pages. A contact's lane follows from its bucket."""
    person = recipients.c
    query = select(
        person.bucket, person.send_at, person.phone, person.region, person.timezone, person.consent_at
    ).where(of_audience(campaign_id))
    async for rows in _pages(connection, query, person.phone):
        yield [
            Prospect(lanes[bucket % len(lanes)], send_at, phone, region, timezone, consent_at)
            for bucket, send_at, phone, region, timezone, consent_at in rows
        ]


async def pending_jobs(connection: AsyncConnection, run_id: int) -> AsyncIterator[list[Prospect]]:
    """The jobs of a run that were neither sent nor ended, in pages."""
    person = recipients.c
    own_time = case((func.coalesce(jobs.c.held_by, "").not_in(ASKED_ANEW), jobs.c.due_at))
    query = (
        select(
            jobs.c.lane, own_time, jobs.c.phone, person.region, person.timezone, person.consent_at,
            jobs.c.id, jobs.c.run_id, jobs.c.variant, jobs.c.free_refused_at,
        )
        .join(recipients, person.id == jobs.c.recipient_id)
        .where(jobs.c.run_id == run_id, jobs.c.state == JobState.PENDING)
    )  # fmt: skip
    async for rows in _pages(connection, query, jobs.c.phone):
        yield list(map(Prospect._make, rows))


async def _pages(
    connection: AsyncConnection, query: Select[Any], phone: Column[str]
) -> AsyncIterator[Sequence[Any]]:
    """By phone: the indexes of an audience and of a run have it next, so each page is read and nothing before it."""
    last = ""
    while rows := (await connection.execute(query.where(phone > last).order_by(phone).limit(PAGE))).all():
        last = rows[-1].phone
        yield rows
