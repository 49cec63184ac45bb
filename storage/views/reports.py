"""The reports' numbers, counted in SQL in one snapshot. Shapes follow the design's `--json`.

A campaign that was not launched has no jobs: its recipients count as jobs in state pending (or cancelled),
so that rows = rejected + jobs, and jobs = the sum of states, at every moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.money.costs import NO_CURRENCY, from_micros
from campaigns.states import AWAITING_RECEIPT, RANK, CampaignState, JobState
from storage.audience.campaigns import Campaign, was_launched
from storage.retention.purged_totals import PurgedJobs, purged_ledger, purged_reject_groups, purged_states
from storage.runs.editions import counted_rejects, of_audience
from storage.runs.retries import ALREADY_ARRIVED, tried_again
from storage.tables import attempts, campaigns, jobs, recipients, rejects, runs

ARRIVED: Final = (JobState.DELIVERED, JobState.READ)
NEVER_LEFT: Final = (JobState.PENDING, JobState.SKIPPED, JobState.EXPIRED, JobState.CANCELLED)
PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of every row."""

    rejected: int
    states: dict[JobState, int]
    skipped: dict[str, int]
    failed: dict[str, int]

    @property
    def jobs(self) -> int:
        return sum(self.states.values())

    @property
    def rows(self) -> int:
        return self.rejected + self.jobs

    @property
    def awaiting(self) -> int:
        """Messages that are on their way: their receipt may still come, for days."""
        return sum(self.states.get(state, 0) for state in AWAITING_RECEIPT)

    @property
    def delivery_rate(self) -> float | None:
        """Delivered or read, of all that left or were refused by the provider."""
        tried = self.jobs - sum(self.states.get(state, 0) for state in NEVER_LEFT)
        return _share(self._arrived, tried)

    @property
    def read_rate(self) -> float | None:
        """Read, of all that were delivered."""
        return _share(self.states.get(JobState.READ, 0), self._arrived)

    @property
    def _arrived(self) -> int:
        return sum(self.states.get(state, 0) for state in ARRIVED)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


@dataclass(frozen=True, slots=True)
class CostLine:
    """What the messages of one group cost, in one currency (None: no price is known of them)."""

    group: str | None
    currency: str | None
    messages: int
    estimated: Decimal | None
    """What they were expected to cost when they were sent; None: no price was known of any."""
    actual: Decimal
    """What the provider has charged."""
    unsettled: Decimal
    """The estimate of those whose charge the provider has not named yet."""
    unpriced: int
    """Messages with neither."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Jobs that failed, or are in doubt, for the same reason."""

    state: JobState
    code: str | None
    reason: str | None
    text: str | None
    count: int
    example: str | None
    """None: they are purged."""


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """Rows that were rejected with the same code."""

    code: str
    reason: str
    count: int
    first_line: int


async def delivery(connection: AsyncConnection, campaign: Campaign) -> Delivery:
    """How many rows were rejected and how many jobs are in each state."""
    rejected = await connection.execute(
        select(func.count()).select_from(rejects).where(counted_rejects(campaign.id))
    )
    gone = await purged_states(connection, campaign.id)
    gone_rows = await purged_reject_groups(connection, campaign.id)
    return Delivery(
        rejected=rejected.scalar_one() + sum(group.count for group in gone_rows),
        states=_states_with(await _states(connection, campaign), gone),
        skipped=await _reasons(connection, campaign.id, gone, JobState.SKIPPED, "reason"),
        failed=await _reasons(connection, campaign.id, gone, JobState.FAILED, "code"),
    )


async def _states(connection: AsyncConnection, campaign: Campaign) -> dict[JobState, int]:
    if not await was_launched(connection, campaign.id):
        waiting = await connection.execute(
            select(func.count()).select_from(recipients).where(of_audience(campaign.id))
        )
        return {_state_before_launch(campaign): waiting.scalar_one() + campaign.purged_recipients}
    counted = await connection.execute(
        select(jobs.c.state, func.count()).where(_of_campaign(campaign.id)).group_by(jobs.c.state)
    )
    return {JobState(state): number for state, number in counted}


def _states_with(found: dict[JobState, int], gone: Sequence[PurgedJobs]) -> dict[JobState, int]:
    together = Counter(found)
    for group in gone:
        together[group.state] += group.count
    return {state: together[state] for state in JobState if state in together}


async def _reasons(
    connection: AsyncConnection, campaign_id: int, gone: Sequence[PurgedJobs], state: JobState, column: str
) -> dict[str, int]:
    """How many ended in the state by their reason, or by the code if that is asked for and there is one."""
    why = jobs.c.reason if column == "reason" else func.coalesce(jobs.c.code, jobs.c.reason)
    key = func.coalesce(why, "unknown")
    counted = await connection.execute(
        select(key, func.count()).where(_of_campaign(campaign_id), jobs.c.state == state).group_by(key)
    )
    together = Counter({str(reason): number for reason, number in counted})
    for group in gone:
        if group.state is state:
            together[(group.code if column == "code" else None) or group.reason or "unknown"] += group.count
    return dict(sorted(together.items(), key=lambda one: (-one[1], one[0])))


async def cost_by_country(connection: AsyncConnection, campaign_id: int) -> list[CostLine]:
    """Per country of the number (None: it has none) and currency, the dearest first."""
    return await _costs(connection, _ledger(campaign_id), "region")


async def cost_by_category(connection: AsyncConnection, campaign_id: int) -> list[CostLine]:
    """Per category and currency."""
    return await _costs(connection, _ledger(campaign_id), "category")


def _ledger(campaign_id: int) -> Subquery:
    """The campaign's messages that the provider took, tests too: a row for each, and one for those purged alike."""
    person = recipients.c.id == jobs.c.recipient_id
    live = (
        select(
            campaigns.c.category,
            recipients.c.region,
            jobs.c.state,
            literal(1, BigInteger).label("jobs"),
            *(jobs.c[name] for name in ("cost_micros", "currency", "price_micros", "price_currency")),
        )
        .select_from(jobs.join(recipients, person).join(runs).join(campaigns))
        .where(runs.c.campaign_id == campaign_id, jobs.c.provider_message_id.is_not(None))
    )
    taken = [state.value for state in RANK]
    both = union_all(live, purged_ledger(campaign_id)).subquery()
    return select(both).where(both.c.state.in_(taken)).subquery("ledger")


async def _costs(connection: AsyncConnection, ledger: Subquery, group: str) -> list[CostLine]:
    """Tests cost money too and are counted."""
    charge = _charges(ledger, group).c
    sums = (charge.messages, charge.estimated, charge.actual, charge.unsettled, charge.unpriced)
    found = await connection.execute(
        select(charge.group, charge.currency, *map(func.sum, sums)).group_by(charge.group, charge.currency)
    )
    lines = [_cost_line(*row) for row in found]
    return sorted(
        lines, key=lambda line: (-line.actual - line.unsettled, line.group or "", line.currency or "")
    )


def _charges(ledger: Subquery, group: str) -> Subquery:
    """What each row of the ledger adds to its currency; a second row where its price is in another one."""
    row = ledger.c
    settled = row.cost_micros.is_not(None)
    charged_in = case(
        (settled & (row.currency != NO_CURRENCY), row.currency),
        (settled, func.coalesce(row.price_currency, row.currency)),
        else_=row.price_currency,
    )
    # A message that failed without a named charge owes nothing.
    owing = ~settled & (row.state != JobState.FAILED)
    nothing = literal(0, BigInteger)
    charged = select(
        row[group].label("group"),
        charged_in.label("currency"),
        row.jobs.label("messages"),
        case((row.price_currency == charged_in, row.price_micros)).label("estimated"),
        func.coalesce(row.cost_micros, nothing).label("actual"),
        case((owing, func.coalesce(row.price_micros, nothing)), else_=nothing).label("unsettled"),
        case((owing & row.price_micros.is_(None), row.jobs), else_=nothing).label("unpriced"),
    )
    priced_elsewhere = select(
        row[group], row.price_currency, nothing, row.price_micros, nothing, nothing, nothing
    ).where(row.price_currency != charged_in)
    return union_all(charged, priced_elsewhere).subquery("charges")


def _cost_line(
    group: str | None,
    currency: str | None,
    messages: int,
    estimated: int | None,
    actual: int,
    unsettled: int,
    unpriced: int,
) -> CostLine:
    return CostLine(
        group,
        currency,
        int(messages),
        None if estimated is None else from_micros(int(estimated)),
        from_micros(int(actual)),
        from_micros(int(unsettled)),
        int(unpriced),
    )


async def failures(connection: AsyncConnection, campaign_id: int) -> list[Failure]:
    """Jobs that failed or are in doubt, grouped by code, the most frequent first."""
    last = attempts.c.number == jobs.c.attempts
    counted = await connection.execute(
        select(
            jobs.c.state,
            jobs.c.code,
            jobs.c.reason,
            func.max(attempts.c.detail),
            func.count(),
            func.min(jobs.c.phone),
        )
        .select_from(jobs.outerjoin(attempts, (attempts.c.job_id == jobs.c.id) & last))
        .where(_of_campaign(campaign_id), jobs.c.state.in_([JobState.FAILED, JobState.IN_DOUBT]))
        .group_by(jobs.c.state, jobs.c.code, jobs.c.reason)
        .order_by(func.count().desc(), jobs.c.code)
    )
    found = [Failure(JobState(state), *rest) for state, *rest in counted]
    gone = await purged_states(connection, campaign_id)
    failed = (group for group in gone if group.state is JobState.FAILED)
    return _failures_with(found, failed)


def _failures_with(found: Sequence[Failure], gone: Iterable[PurgedJobs]) -> list[Failure]:
    together = {(one.state, one.code, one.reason): one for one in found}
    for group in gone:
        key = group.state, group.code, group.reason
        known = together.get(key, Failure(*key, None, 0, None))
        together[key] = replace(known, count=known.count + group.count)
    return sorted(together.values(), key=lambda one: (-one.count, one.code or ""))


async def reject_groups(connection: AsyncConnection, campaign_id: int) -> list[RejectGroup]:
    """Rejected rows grouped by code, the most frequent first."""
    counted = await connection.execute(
        select(rejects.c.code, func.min(rejects.c.reason), func.count(), func.min(rejects.c.line))
        .where(counted_rejects(campaign_id))
        .group_by(rejects.c.code)
        .order_by(func.count().desc(), rejects.c.code)
    )
    together = {row.code: RejectGroup(*row) for row in counted}
    for gone in await purged_reject_groups(connection, campaign_id):
        known = together.get(gone.code, RejectGroup(gone.code, gone.reason, 0, gone.first_line))
        line = min(known.first_line, gone.first_line)
        together[gone.code] = replace(known, count=known.count + gone.count, first_line=line)
    return sorted(together.values(), key=lambda one: (-one.count, one.code))


async def stream_recipients(connection: AsyncConnection, campaign: Campaign) -> AsyncIterator[dict[str, Any]]:
    """Every job in the order of the file, a page in memory at a time; the keys are the report's."""
    launched = await was_launched(connection, campaign.id)
    query = _jobs_of(campaign.id) if launched else _future_jobs_of(campaign)
    streamed = await connection.stream(query.execution_options(yield_per=PAGE))
    async for row in streamed.mappings():
        yield _recipient(dict(row))


def _jobs_of(campaign_id: int) -> Select[Any]:
    return (
        select(
            recipients.c.line,
            jobs.c.phone,
            jobs.c.state,
            jobs.c.reason,
            jobs.c.code,
            jobs.c.provider_message_id,
            jobs.c.attempts,
            jobs.c.form,
            jobs.c.variant,
            jobs.c.cost_micros,
            jobs.c.currency,
            jobs.c.sent_at,
            jobs.c.delivered_at,
            jobs.c.read_at,
        )
        .select_from(jobs.join(recipients, recipients.c.id == jobs.c.recipient_id))
        .where(_of_campaign(campaign_id))
        .order_by(jobs.c.id)
    )


def _future_jobs_of(campaign: Campaign) -> Select[Any]:
    missing = ("reason", "code", "provider_message_id", "form", "variant", "cost_micros", "currency")
    times = ("sent_at", "delivered_at", "read_at")
    return (
        select(
            recipients.c.line,
            recipients.c.phone,
            literal(_state_before_launch(campaign).value).label("state"),
            literal(0).label("attempts"),
            *(null().label(name) for name in (*missing, *times)),
        )
        .where(of_audience(campaign.id))
        .order_by(recipients.c.line, recipients.c.id)
    )


def _state_before_launch(campaign: Campaign) -> JobState:
    return JobState.CANCELLED if campaign.state is CampaignState.CANCELLED else JobState.PENDING


def _recipient(row: dict[str, Any]) -> dict[str, Any]:
    """The row in the report's order, its money as Decimal and its currency None where none is named."""
    micros = row.pop("cost_micros")
    currency = None if row["currency"] == NO_CURRENCY else row["currency"]
    values = {**row, "cost": None if micros is None else from_micros(micros), "currency": currency}
    return {name: values[name] for name in RECIPIENT_KEYS}


RECIPIENT_KEYS: Final = (
    "line",
    "phone",
    "state",
    "reason",
    "code",
    "provider_message_id",
    "attempts",
    "form",
    "variant",
    "cost",
    "currency",
    "sent_at",
    "delivered_at",
    "read_at",
)


def _of_campaign(campaign_id: int) -> ColumnElement[bool]:
    """Restricts jobs to those that count: no tests, and of a person's tries in one occurrence the newest."""
    real = select(runs.c.id).where(runs.c.campaign_id == campaign_id, runs.c.kind != "test")
    needless = jobs.c.reason.is_not_distinct_from(ALREADY_ARRIVED)
    return and_(jobs.c.run_id.in_(real), ~needless, jobs.c.id.not_in(tried_again(campaign_id)))
