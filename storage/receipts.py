"""What is learned after the call: receipts asked for, reports applied by rank, messages in doubt resolved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import bindparam, case, func, insert, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.costs import Money
from campaigns.states import JobState, advance, sources
from storage.dispatch import FIRST_POLL, add_events, event
from storage.tables import attempts, events, jobs, runs

OPEN: Final = text("jobs.state IN ('sending', 'in_doubt')")
"""Said in the very words of the index `ix_jobs_open`: SQLite does not see that a parameter is among them, and would
read the whole table."""
V = TypeVar("V", int, str)

LONGEST_POLL: Final = timedelta(hours=1)
LAST_POLL: Final = timedelta(days=30)
"""`sent` may still become `delivered` this long after."""


class Reported(Protocol):
    """What a provider said about one message: see `providers.base.Report`."""

    @property
    def message_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def state(self) -> JobState | None: ...
    @property
    def at(self) -> datetime | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def cost(self) -> Money | None: ...
    @property
    def times(self) -> tuple[tuple[JobState, datetime], ...]: ...
    @property
    def code(self) -> str | None: ...


NamedJobs = dict[str, dict[int, JobState]]
"""The provider's message id -> the jobs of that message, with their states."""

AT_ONCE: Final = 5_000
"""Values in one statement's list: databases have a limit."""
_TIMES: Final = {
    JobState.SENT: "to_sent_at",
    JobState.DELIVERED: "to_delivered_at",
    JobState.READ: "to_read_at",
}
_NO_FACTS: Final = dict.fromkeys((*_TIMES.values(), "to_cost_micros", "to_currency"))


@dataclass(frozen=True, slots=True)
class Awaited:
    job_id: int
    message_id: str
    accepted_at: datetime
    polls: int


@dataclass(frozen=True, slots=True)
class DoubtRow:
    job_id: int
    phone: str
    attempts: int
    unanswered: int
    """How many of them ended without an answer to be trusted."""
    intent_at: datetime
    asked_from: datetime
    """When the call ended, or was found to have no stored end: the provider is given its time from here."""
    content: str
    reference: str = ""
    """Our name for the message."""


async def due_receipts(
    connection: AsyncConnection, lane: str, now: datetime, limit: int, *, after: int
) -> list[Awaited]:
    """Messages of the lane whose receipt is to be asked for by `now`, in the order of their jobs from `after` on."""
    columns = (jobs.c.id, jobs.c.provider_message_id, jobs.c.accepted_at, jobs.c.polls)
    due = select(*columns).where(
        jobs.c.lane == lane,
        jobs.c.poll_at <= now,
        jobs.c.provider_message_id.is_not(None),
        jobs.c.id > after,
    )
    return [Awaited(*row) for row in await connection.execute(due.order_by(jobs.c.id).limit(limit))]


async def plan_next_polls(connection: AsyncConnection, asked: Sequence[Awaited], now: datetime) -> None:
    """Ask again later, each time twice as late, until the message is read, has failed or is a month old."""
    if not asked:
        return
    over = or_(jobs.c.state == JobState.READ.value, jobs.c.state == JobState.FAILED.value)
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == bindparam("of_job"))
        .values(
            poll_at=case((over, None), else_=bindparam("to_poll", type_=jobs.c.poll_at.type)),
            polls=jobs.c.polls + 1,
        ),
        [{"of_job": a.job_id, "to_poll": _next_poll(a, now)} for a in asked],
    )


def _next_poll(asked: Awaited, now: datetime) -> datetime | None:
    if now - asked.accepted_at > LAST_POLL:
        return None
    return now + min(FIRST_POLL * float(2 ** min(asked.polls, 20)), LONGEST_POLL)


async def apply_reports(
    connection: AsyncConnection, lane: str, reports: Sequence[Reported], source: str, now: datetime
) -> int:
    """Move each reported job of the lane as far as its report's rank allows; how many moves were made.

    A repeated or weaker report moves nothing; times and prices are taken from whichever report names them.
    """
    if not reports:
        return 0
    known = await jobs_named(connection, {report.message_id for report in reports}, lambda of: of == lane)
    return await advance_jobs(connection, known, reports, source, now)


async def jobs_named(
    connection: AsyncConnection, message_ids: Collection[str], on_lane: Callable[[str], bool]
) -> NamedJobs:
    """The jobs that the provider's ids stand for, on the lanes asked for, locked in one order."""
    columns = (jobs.c.provider_message_id, jobs.c.id, jobs.c.state, jobs.c.lane)
    known: NamedJobs = {}
    for ids in portions(sorted(message_ids)):
        named = select(*columns).where(jobs.c.provider_message_id.in_(ids)).order_by(jobs.c.id)
        for message_id, job_id, state, lane in await connection.execute(named.with_for_update()):
            if on_lane(lane):
                known.setdefault(message_id, {})[job_id] = JobState(state)
    return known


def portions(ids: list[V]) -> list[list[V]]:
    """Lists short enough for one statement."""
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]


async def advance_jobs(
    connection: AsyncConnection, known: NamedJobs, reports: Iterable[Reported], source: str, now: datetime
) -> int:
    """As `apply_reports`, for jobs that are known and locked already; `known` ends with their new states."""
    facts: dict[int, dict[str, Any]] = {}
    moves: dict[int, dict[str, Any]] = {}
    histories: list[dict[str, Any]] = []
    odd: list[dict[str, Any]] = []
    for report in reports:
        states = known.get(report.message_id, {})
        for job_id, state in states.items():
            facts.setdefault(job_id, dict(_NO_FACTS)).update(_facts(report))
            if report.state is None or advance(state, report.state) is state:
                odd += _oddities(job_id, state, report, source, now)
                continue
            states[job_id] = report.state
            moves[job_id] = _move(report.state, report)
            histories.append(event(job_id, report.at or now, source, report.state.value, _said(report)))
    await _write(connection, facts, moves, now)
    await add_events(connection, histories, now)
    await _add_once(connection, odd, now)
    return len(histories)


def _facts(report: Reported) -> dict[str, Any]:
    """What the report names, by the bind of its column."""
    named: dict[str, Any] = {_TIMES[state]: at for state, at in report.times if state in _TIMES}
    if report.at is not None and report.state in _TIMES:
        named.setdefault(_TIMES[report.state], report.at)
    if report.cost is not None:
        named |= {"to_cost_micros": report.cost.micros, "to_currency": report.cost.currency}
    return named


def _move(state: JobState, report: Reported) -> dict[str, Any]:
    failed = state is JobState.FAILED
    return {
        "to_state": state.value,
        "to_reason": "provider_failed" if failed else None,
        "to_code": (report.code or report.reason or report.status) if failed else None,
    }


def _said(report: Reported) -> str | None:
    """The provider's code and text."""
    return " ".join(filter(None, (report.code, report.reason)))[:1000] or None


def _oddities(
    job_id: int, state: JobState, report: Reported, source: str, now: datetime
) -> list[dict[str, Any]]:
    """The event of a report that is kept though it changes nothing: a word we do not know, a failure after arrival."""
    if report.state is None:
        return [event(job_id, report.at or now, source, f"unknown:{report.status}"[:100], _said(report))]
    if report.state is JobState.FAILED and state is not JobState.FAILED:
        return [event(job_id, report.at or now, source, "late:failed", _said(report))]
    return []


async def _add_once(connection: AsyncConnection, odd: list[dict[str, Any]], now: datetime) -> None:
    """Append the events that their jobs' histories do not hold yet: providers repeat themselves."""
    fresh = {(row["job_id"], row["event"]): row for row in reversed(odd)}
    for ids in portions(sorted({row["job_id"] for row in odd})):
        held = select(events.c.job_id, events.c.event).where(events.c.job_id.in_(ids))
        for job_id, name in await connection.execute(held):
            fresh.pop((job_id, name), None)
    await add_events(connection, fresh.values(), now)


async def _write(
    connection: AsyncConnection,
    facts: dict[int, dict[str, Any]],
    moves: dict[int, dict[str, Any]],
    now: datetime,
) -> None:
    moved = [{"of_job": job_id, **move, **facts[job_id]} for job_id, move in moves.items()]
    unmoved = [{"of_job": i, **named} for i, named in facts.items() if i not in moves and named != _NO_FACTS]
    kept = {
        name: func.coalesce(bindparam(f"to_{name}", type_=jobs.c[name].type), jobs.c[name])
        for name in ("sent_at", "delivered_at", "read_at", "cost_micros", "currency")
    }
    one = update(jobs).where(jobs.c.id == bindparam("of_job")).values(**kept, updated_at=now)
    if moved:
        told: dict[str, Any] = {name: bindparam(f"to_{name}") for name in ("state", "reason", "code")}
        await connection.execute(one.values(**told), moved)
    if unmoved:
        await connection.execute(one, unmoved)


async def mark_orphans(connection: AsyncConnection, lane: str, now: datetime) -> int:
    """Put every job that a dead shift left in `sending` in doubt; how many. Only the lane's new owner may."""
    if not await has_orphans(connection, lane):
        return 0
    # Set-based: a list of all the ids may be longer than a statement can take.
    sending = select(jobs.c.id).where(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, OPEN)
    await connection.execute(
        update(attempts)
        .where(attempts.c.job_id.in_(sending), attempts.c.ended_at.is_(None))
        .values(ended_at=now, outcome="unknown", detail="The sender stopped before an answer was stored.")
    )
    moment = literal(now, events.c.at.type)
    history = sending.add_columns(moment, moment, literal("rescue"), literal(JobState.IN_DOUBT.value))
    await connection.execute(
        insert(events).from_select(["job_id", "at", "stored_at", "source", "event"], history)
    )
    orphaned = await connection.execute(
        update(jobs)
        .where(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, OPEN)
        .values(state=JobState.IN_DOUBT.value, reason="interrupted", updated_at=now)
    )
    return orphaned.rowcount


async def has_orphans(connection: AsyncConnection, lane: str) -> bool:
    """Whether a job of the lane is marked as being sent: by a shift under way, or by one that died."""
    orphaned = (
        select(jobs.c.id).where(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, OPEN).limit(1)
    )
    return (await connection.execute(orphaned)).first() is not None


async def doubts(connection: AsyncConnection, lane: str, limit: int) -> list[DoubtRow]:
    """Jobs of the lane in doubt, with their last attempt, oldest first."""
    past = attempts.alias()
    last = (attempts.c.job_id == jobs.c.id) & (attempts.c.number == jobs.c.attempts)
    unanswered = (
        select(func.count())
        .where(past.c.job_id == jobs.c.id, past.c.outcome == "unknown")
        .correlate(jobs)
        .scalar_subquery()
    )
    columns = (
        jobs.c.id,
        jobs.c.phone,
        jobs.c.attempts,
        unanswered,
        attempts.c.intent_at,
        func.coalesce(attempts.c.ended_at, attempts.c.intent_at, type_=attempts.c.intent_at.type),
        attempts.c.content,
        runs.c.token,
    )
    doubtful = (
        select(*columns)
        .join(attempts, last)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(jobs.c.lane == lane, jobs.c.state == JobState.IN_DOUBT.value, OPEN)
        .order_by(attempts.c.intent_at)
        .limit(limit)
    )
    found = await connection.execute(doubtful)
    return [DoubtRow(*row[:-1], reference=f"{row.token}.{row.id}") for row in found]


async def known_message_ids(connection: AsyncConnection, phone: str) -> frozenset[str]:
    """The provider's ids of every message to the phone that belongs to a job."""
    named = select(jobs.c.provider_message_id).where(
        jobs.c.phone == phone, jobs.c.provider_message_id.is_not(None)
    )
    return frozenset((await connection.execute(named)).scalars())


async def is_claimed(connection: AsyncConnection, doubt: DoubtRow, lane: str, message_id: str) -> bool:
    """Whether the message belongs to another job, or may: one to the same phone is being sent just now."""
    taken = select(jobs.c.id).where(jobs.c.phone == doubt.phone, jobs.c.provider_message_id == message_id)
    if (await connection.execute(taken.limit(1))).first() is not None:
        return True
    other = select(jobs.c.id).where(
        jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, jobs.c.phone == doubt.phone, OPEN
    )
    return (await connection.execute(other.limit(1))).first() is not None


async def adopt_message(connection: AsyncConnection, doubt: DoubtRow, message_id: str, now: datetime) -> bool:
    """The provider has the message: the job is `accepted` under its id. False where the job has moved on."""
    return await _leave_doubt(
        connection,
        doubt,
        JobState.ACCEPTED,
        f"found at the provider as {message_id}",
        now,
        provider_message_id=message_id,
        accepted_at=doubt.intent_at,
        poll_at=now,
    )


async def send_again(connection: AsyncConnection, doubt: DoubtRow, now: datetime) -> bool:
    """The provider does not have the message: the job is `pending` again. False where the job has moved on."""
    return await _leave_doubt(
        connection, doubt, JobState.PENDING, "not at the provider", now, due_at=now, held_by="retry"
    )


async def give_up(connection: AsyncConnection, doubt: DoubtRow, now: datetime) -> bool:
    """The provider never kept it, as often as it was tried: the job has failed. False where it has moved on."""
    return await _leave_doubt(
        connection, doubt, JobState.FAILED, "not at the provider after the last attempt", now
    )


async def _leave_doubt(
    connection: AsyncConnection, doubt: DoubtRow, state: JobState, detail: str, now: datetime, **values: Any
) -> bool:
    # The attempt's number guards against a doubt of an earlier attempt being answered late.
    moved = await connection.execute(
        update(jobs)
        .where(
            jobs.c.id == doubt.job_id,
            jobs.c.attempts == doubt.attempts,
            jobs.c.state == JobState.IN_DOUBT.value,
            jobs.c.state.in_([s.value for s in sources(state)]),
        )
        .values(
            state=state.value,
            reason="retries_exhausted" if state is JobState.FAILED else None,
            updated_at=now,
            **values,
        )
    )
    if moved.rowcount:
        await add_events(connection, [event(doubt.job_id, now, "lookup", state.value, detail)], now)
    return bool(moved.rowcount)
