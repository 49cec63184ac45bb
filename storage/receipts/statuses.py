"""What providers report about messages, applied by rank: the strongest status is the state, in whatever order they
arrive.

A batch is dealt with as a whole: one query finds its jobs, one UPDATE moves them, one INSERT adds their events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, and_, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.money.costs import Money, from_micros
from campaigns.states import RANK, JobState, advance
from storage.database.bulk import among, fetch_rows, table_of
from storage.database.engine import lock_names
from storage.receipts.unmatched import (
    Reported,
    forget_reports,
    is_of,
    keep_reports,
    renew_reports,
    stored_reports,
)
from storage.retention.purged_totals import purged_tokens
from storage.runs.history import add_events, event, move
from storage.sending.budgets import budget_locks, reserve_again, settle
from storage.sending.contact_history import void_history
from storage.sending.freed_room import Freed, account_of, give_back_locked, locks_of, wake
from storage.sending.outcomes import FIRST_POLL
from storage.tables.predicates import OPEN
from storage.tables.runs import events, jobs, runs
from storage.tables.types import Id, to_millis

SOURCE: Final = "webhook"
_STATES: Final = {state.value: state for state in JobState}
_TIMES: Final = {
    JobState.SENT: "sent_at",
    JobState.DELIVERED: "delivered_at",
    JobState.READ: "read_at",
}
_FACTS: Final[dict[str, TypeEngine[Any]]] = {
    **dict.fromkeys(_TIMES.values(), BigInteger()),
    "cost_micros": BigInteger(),
    "currency": Text(),
}
_MOVE: Final[dict[str, TypeEngine[Any]]] = dict.fromkeys(("state", "reason", "code"), Text())


@dataclass(slots=True)
class Reached:
    """A job that reports are about: its state after those read so far, and its columns to be written."""

    id: int
    lane: str
    state: JobState
    changes: dict[str, Any] = field(default_factory=dict)
    had_failed: bool = False
    """Whether its failure was stored before these reports."""
    sent_again: bool = False
    """Whether it is pending once more: it holds nothing that it had reserved."""

    @property
    def is_to_settle(self) -> bool:
        """Whether the reports change what it costs or holds reserved: few do."""
        changes = self.changes
        return self.sent_again or self.had_failed or "cost_micros" in changes or self.has_failed

    @property
    def has_failed(self) -> bool:
        """Whether these reports made it fail."""
        return self.changes.get("state") == JobState.FAILED


def failed_ones(reached: Iterable[Reached]) -> list[int]:
    """The jobs that the reports made fail, and that nothing is sent for once more."""
    return [job.id for job in reached if job.has_failed and not job.sent_again]


Named = dict[str, list[Reached]]
"""The provider's message id -> the jobs of that message."""


async def apply_reports(
    connection: AsyncConnection,
    lane: str,
    reports: Sequence[Reported],
    source: str,
    now: datetime,
    unsettled: list[Reached] | None = None,
) -> int:
    """Move each reported job of the lane as far as its report's rank allows; how many moves were made.

    A repeated or weaker report moves nothing; times and prices are taken from whichever report names them. A caller
    that has more to do gives `unsettled`, and calls `settle_reached` with it at its end.
    """
    named = await _jobs_named(connection, reports, lambda of: of == lane)
    return await _advance(connection, named, reports, source, now, unsettled)


async def apply_webhook_reports(
    connection: AsyncConnection,
    account: str,
    reports: Sequence[Reported],
    now: datetime,
    unsettled: list[Reached] | None = None,
    *,
    polls: bool = True,
) -> int:
    """As `apply_reports`, for all lanes of the account.

    A job whose call is under way or in doubt adopts the message that bears its name; `polls`: whether the provider can
    be asked for its receipt. A report of a message that is not known is stored.
    """
    named = await _jobs_named(connection, reports, lambda lane: is_of(account, lane))
    unknown = [report for report in reports if report.message_id not in named]
    named |= await _adopt(connection, account, unknown, now, polls)
    moved = await _advance(connection, named, reports, SOURCE, now, unsettled)
    unknown = [report for report in unknown if report.message_id not in named]
    await keep_reports(connection, account, await _without_purged(connection, unknown), now)
    return moved


async def apply_unmatched(
    connection: AsyncConnection,
    account: str,
    message_ids: Sequence[str],
    now: datetime,
    unsettled: list[Reached] | None = None,
    *,
    failures: bool = True,
) -> int:
    """Apply the stored reports of messages that have become known; how many moves were made. `failures`: those too; a
    caller that does not act on them leaves them stored, for `matched_late` to find."""
    stored = await stored_reports(connection, account, message_ids)
    if not failures:
        await renew_reports(connection, [key for key, one in stored.items() if one.state is JobState.FAILED])
        stored = {key: one for key, one in stored.items() if one.state is not JobState.FAILED}
    named = await _jobs_named(connection, stored.values(), lambda lane: is_of(account, lane))
    moved = await _advance(connection, named, stored.values(), SOURCE, now, unsettled)
    await forget_reports(connection, [key for key, report in stored.items() if report.message_id in named])
    return moved


async def _jobs_named(
    connection: AsyncConnection, reports: Iterable[Reported], on_lane: Callable[[str], bool]
) -> Named:
    """The jobs that the reports' message ids stand for, on the lanes asked for, locked in one order."""
    message_ids = dict.fromkeys(report.message_id for report in reports)
    if not message_ids:
        return {}
    found = (
        select(jobs.c.provider_message_id, jobs.c.id, jobs.c.state, jobs.c.lane)
        .where(
            among(connection, jobs.c.provider_message_id, message_ids),
            jobs.c.provider_message_id.is_not(None),
        )
        .order_by(jobs.c.id)
        .with_for_update()
    )
    rows = await fetch_rows(connection, found)
    lanes = {lane for lane in {row[3] for row in rows} if on_lane(lane)}
    named: Named = {}
    for message_id, job_id, state, lane in rows:
        if lane in lanes:
            job = Reached(job_id, lane, _STATES[state], had_failed=state == JobState.FAILED)
            named.setdefault(message_id, []).append(job)
    return named


async def _advance(
    connection: AsyncConnection,
    named: Named,
    reports: Iterable[Reported],
    source: str,
    now: datetime,
    unsettled: list[Reached] | None = None,
) -> int:
    histories: list[dict[str, Any]] = []
    odd: list[dict[str, Any]] = []
    for report in reports:
        for job in named.get(report.message_id, ()):
            _note_facts(job, report)
            if report.state is None or advance(job.state, report.state) is job.state:
                odd += _oddities(job, report, source, now)
                continue
            _enter(job, report.state, report)
            histories.append(event(job.id, report.at or now, source, str(report.state), _detail(report)))
    reached = [job for named_so in named.values() for job in named_so]
    await _write(connection, reached, now)
    await add_events(connection, histories, now)
    await _add_once(connection, odd, now)
    if unsettled is None:
        await settle_reached(connection, reached, now)
    else:
        unsettled += reached
    return len(histories)


async def settle_reached(connection: AsyncConnection, reached: Sequence[Reached], now: datetime) -> None:
    """Settle reservations: a failed message frees its room and costs only what the provider charges; one that arrives
    after that reserves both again; a reported price is spent. Messages that wait for freed room are woken.

    The last step of a transaction: a holder of budgets waits for nothing else, since slices wait for budgets while they
    hold their lane, runs, jobs and touches.
    """
    reached = [job for job in reached if job.is_to_settle]
    again = [job.id for job in reached if job.sent_again]
    settled = [job for job in reached if not job.sent_again]
    people = await _change_history(connection, settled)
    paid = await budget_locks(connection, {*_back(settled), *_costs(settled)})
    given_back = await locks_of(connection, again) if again else set()
    await lock_names(connection, [*people, *paid, *given_back])
    freed = await _change_budgets(connection, settled) if paid else Freed()
    freed.people |= people
    if again:
        freed.add(await give_back_locked(connection, again))
    await wake(connection, freed, now)


async def settle_locked(connection: AsyncConnection, reached: Sequence[Reached]) -> Freed:
    """As `settle_reached`, where the caller holds the budgets' locks and wakes what waits."""
    people = await _change_history(connection, reached)
    return replace(await _change_budgets(connection, reached), people=people)


async def _change_history(connection: AsyncConnection, reached: Sequence[Reached]) -> set[str]:
    """People who may get another message in place of one that has failed."""
    await void_history(connection, _back(reached), void=False)
    failed = [job.id for job in reached if job.has_failed]
    return await void_history(connection, failed, void=True)


async def _change_budgets(connection: AsyncConnection, reached: Sequence[Reached]) -> Freed:
    if back := _back(reached):
        await reserve_again(connection, back)
    campaigns = await settle(connection, _costs(reached), may_arrive=True)
    accounts = {account_of(job.lane) for job in reached}
    return Freed(budgets={(account, campaign) for account in accounts for campaign in campaigns})


def _costs(reached: Sequence[Reached]) -> dict[int, Money | None]:
    """What the messages cost, as far as the reports name a price; None: they have failed, and no price is named."""
    costs: dict[int, Money | None] = {}
    for job in reached:
        if "cost_micros" in job.changes:
            costs[job.id] = Money(from_micros(job.changes["cost_micros"]), job.changes["currency"])
        elif job.has_failed:
            costs[job.id] = None
    return costs


def _back(reached: Sequence[Reached]) -> list[int]:
    """Messages that were delivered after a failure was reported."""
    return [job.id for job in reached if job.had_failed and "state" in job.changes]


def _note_facts(job: Reached, report: Reported) -> None:
    """Add the times and the price that the report names."""
    changes = job.changes
    if report.at is not None and report.state in _TIMES:
        changes[_TIMES[report.state]] = to_millis(report.at)
    for state, at in report.times:
        if state in _TIMES:
            changes[_TIMES[state]] = to_millis(at)
    if report.cost is not None and not _is_overruled(job.state, report.state):
        changes["cost_micros"], changes["currency"] = report.cost.micros, report.cost.currency


def _is_overruled(state: JobState, reported: JobState | None) -> bool:
    """Whether a stronger report decides about the price: a failure over what was named before it, an arrival over a
    failure."""
    if JobState.FAILED not in (state, reported) or reported not in RANK:
        return False
    return RANK.get(state, 0) > RANK[reported]


def _enter(job: Reached, state: JobState, report: Reported) -> None:
    job.state = state
    failed = state is JobState.FAILED
    job.changes["state"] = str(state)
    job.changes["reason"] = "provider_failed" if failed else None
    job.changes["code"] = (report.code or report.reason or report.status) if failed else None


def _detail(report: Reported) -> str | None:
    """The provider's code and text."""
    if report.code is None and report.reason is None:
        return None
    return " ".join(filter(None, (report.code, report.reason)))[:1000] or None


def _oddities(job: Reached, report: Reported, source: str, now: datetime) -> list[dict[str, Any]]:
    """The event of a report that is stored though it changes nothing: an unknown status, a failure after arrival."""
    if report.state is None:
        return [event(job.id, report.at or now, source, f"unknown:{report.status}"[:100], _detail(report))]
    if report.state is JobState.FAILED and job.state is not JobState.FAILED:
        return [event(job.id, report.at or now, source, "late:failed", _detail(report))]
    return []


async def _write(connection: AsyncConnection, reached: Iterable[Reached], now: datetime) -> None:
    rows = [{"id": job.id, **job.changes} for job in reached if job.changes]
    if not rows:
        return
    given = table_of(connection, rows, id=Id, **_MOVE, **_FACTS)
    moved = given.c.state.is_not(None)
    changes: dict[str, Any] = {name: case((moved, given.c[name]), else_=jobs.c[name]) for name in _MOVE}
    changes |= {name: func.coalesce(given.c[name], jobs.c[name]) for name in _FACTS}
    await connection.execute(update(jobs).where(jobs.c.id == given.c.id).values(**changes, updated_at=now))


async def _add_once(connection: AsyncConnection, odd: list[dict[str, Any]], now: datetime) -> None:
    """Append the events that their jobs' histories do not hold yet: providers repeat themselves."""
    if not odd:
        return
    fresh = {(row["job_id"], row["event"]): row for row in reversed(odd)}
    given = table_of(connection, [{"job_id": row["job_id"]} for row in odd], job_id=Id)
    held = select(events.c.job_id, events.c.event).where(events.c.job_id.in_(select(given.c.job_id)))
    for job_id, name in await connection.execute(held):
        fresh.pop((job_id, name), None)
    await add_events(connection, fresh.values(), now)


async def _adopt(
    connection: AsyncConnection, account: str, reports: Sequence[Reported], now: datetime, polls: bool
) -> Named:
    """Give the jobs that the reports name the ids of their messages; those jobs, now `accepted`."""
    by_job: dict[int, Reported] = {}
    for report in reports:
        job_id = _job_of(report.reference)
        if job_id is not None:
            by_job.setdefault(job_id, report)
    if not by_job:
        return {}
    given = table_of(connection, [{"id": job_id} for job_id in by_job], id=Id)
    adopted: dict[int, Reported] = {}
    lanes: dict[int, str] = {}
    for job_id, lane, token, refused_at in await connection.execute(_waiting(select(given.c.id))):
        report = by_job[job_id]
        if is_of(account, lane) and report.reference == f"{token}.{job_id}" and _is_after(report, refused_at):
            adopted[job_id], lanes[job_id] = report, lane
    await _write_adopted(connection, adopted, now, now + FIRST_POLL if polls else None)
    named: Named = {}
    for job_id, report in adopted.items():
        named.setdefault(report.message_id, []).append(Reached(job_id, lanes[job_id], JobState.ACCEPTED))
    return named


async def _without_purged(connection: AsyncConnection, reports: Sequence[Reported]) -> list[Reported]:
    """The reports without those of messages whose details are purged: nothing waits for them."""
    tokens = {report.reference.partition(".")[0] for report in reports if report.reference}
    gone = await purged_tokens(connection, list(tokens))
    return [report for report in reports if (report.reference or "").partition(".")[0] not in gone]


def _is_after(report: Reported, refused_at: datetime | None) -> bool:
    """Whether it is not about the free form that was refused: the template in its place has the same reference."""
    return refused_at is None or (report.at is not None and report.at > refused_at)


def _waiting(ids: Select[int]) -> Select[int, str, str, datetime | None]:
    # A row that a shift holds is about to get its own answer, and stored reports are applied with it.
    return (
        select(jobs.c.id, jobs.c.lane, runs.c.token, jobs.c.free_refused_at)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(jobs.c.id.in_(ids), OPEN, jobs.c.provider_message_id.is_(None))
        .order_by(jobs.c.id)
        .with_for_update(of=jobs, skip_locked=True)
    )


def _job_of(reference: str | None) -> int | None:
    """The job that TOKEN.JOB names, or None where it is not one of our references."""
    _, _, number = (reference or "").rpartition(".")
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 18 else None


async def _write_adopted(
    connection: AsyncConnection, adopted: dict[int, Reported], now: datetime, poll_at: datetime | None
) -> None:
    if not adopted:
        return
    rows = [{"id": job_id, "message_id": report.message_id} for job_id, report in adopted.items()]
    given = table_of(connection, rows, id=Id, message_id=Text())
    values = {
        "state": JobState.ACCEPTED,
        "reason": None,
        "code": None,
        "provider_message_id": given.c.message_id,
        "accepted_at": now,
        "poll_at": poll_at,
    }
    detail = "known by the name that we gave the message"
    await move(connection, and_(jobs.c.id == given.c.id, OPEN), values, SOURCE, now, detail=detail)
