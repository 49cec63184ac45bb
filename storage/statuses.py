"""What webhooks say about messages: applied by the provider's id, or by our own name for a message whose id is not
known yet; and kept for later where neither is known, because a status may come before the send's own answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

import orjson
from sqlalchemy import Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.costs import Money
from campaigns.states import JobState
from storage.dispatch import FIRST_POLL, add_events, event
from storage.receipts import NamedJobs, Reported, advance_jobs, jobs_named, portions
from storage.tables import from_millis, jobs, runs, to_millis, unmatched_reports

SOURCE: Final = "webhook"
OPEN: Final = (JobState.SENDING.value, JobState.IN_DOUBT.value)
TRIED_AGAIN: Final = 2_000
"""How many of the newest reports of unknown messages are looked at again."""


class Referenced(Reported, Protocol):
    """See `providers.base.Report`."""

    @property
    def reference(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report as it was kept; see `providers.base.Report`."""

    message_id: str
    status: str
    state: JobState | None
    at: datetime | None
    reason: str | None
    cost: Money | None
    times: tuple[tuple[JobState, datetime], ...]
    code: str | None
    reference: str | None


async def apply_webhook_reports(
    connection: AsyncConnection, account: str, reports: Sequence[Referenced], now: datetime
) -> int:
    """Move the account's jobs as far as the reports' rank allows; how many moves were made.

    A job whose call is under way or in doubt adopts the message that bears its name. A report of a message that is
    not known is kept.
    """
    if not reports:
        return 0
    known = await jobs_named(connection, {r.message_id for r in reports}, _of(account))
    known |= await _adopt(connection, account, [r for r in reports if r.message_id not in known], now)
    moved = await advance_jobs(connection, known, reports, SOURCE, now)
    await _keep(connection, account, [r for r in reports if r.message_id not in known], now)
    return moved


async def apply_unmatched(
    connection: AsyncConnection, account: str, message_ids: Sequence[str], now: datetime
) -> int:
    """Apply what was kept about messages that have become known; how many moves were made."""
    columns = (unmatched_reports.c.id, unmatched_reports.c.report)
    kept: dict[int, KeptReport] = {}
    for ids in portions(list(message_ids)):
        found = select(*columns).where(
            unmatched_reports.c.account == account, unmatched_reports.c.message_id.in_(ids)
        )
        kept |= {row.id: _read(row.report) for row in await connection.execute(found)}
    if not kept:
        return 0
    known = await jobs_named(connection, {report.message_id for report in kept.values()}, _of(account))
    # By id, and so in the order of their arrival.
    moved = await advance_jobs(connection, known, [kept[key] for key in sorted(kept)], SOURCE, now)
    applied = [key for key, report in kept.items() if report.message_id in known]
    for keys in portions(applied):
        await connection.execute(delete(unmatched_reports).where(unmatched_reports.c.id.in_(keys)))
    return moved


async def matched_late(connection: AsyncConnection) -> dict[str, list[str]]:
    """Of the newest kept reports, those whose messages are known by now: account -> message ids.

    A report that was being kept while the id of its message was being stored was seen by neither transaction.
    """
    newest = (
        select(unmatched_reports.c.account, unmatched_reports.c.message_id)
        .order_by(unmatched_reports.c.id.desc())
        .limit(TRIED_AGAIN)
        .subquery()
    )
    known = select(newest.c.account, newest.c.message_id, jobs.c.lane).join(
        jobs, jobs.c.provider_message_id == newest.c.message_id
    )
    late: dict[str, list[str]] = {}
    for account, message_id, lane in await connection.execute(known):
        if _of(account)(lane):
            late.setdefault(account, []).append(message_id)
    return late


def _of(account: str) -> Callable[[str], bool]:
    """Whether a lane is the account's; also one whose sender is no longer in the settings."""
    return lambda lane: lane.partition("/")[0] == account


async def _adopt(
    connection: AsyncConnection, account: str, reports: Sequence[Referenced], now: datetime
) -> NamedJobs:
    """Give the jobs that the reports name the ids of their messages; those jobs, now `accepted`."""
    named: dict[int, Referenced] = {}
    for report in reports:
        job_id = _job_of(report.reference)
        if job_id is not None:
            named.setdefault(job_id, report)
    adopted: dict[int, Referenced] = {}
    for ids in portions(sorted(named)):
        for job_id, lane, token in await connection.execute(_waiting(ids)):
            if _of(account)(lane) and named[job_id].reference == f"{token}.{job_id}":
                adopted[job_id] = named[job_id]
    await _write_adopted(connection, adopted, now)
    states: NamedJobs = {}
    for job_id, report in adopted.items():
        states.setdefault(report.message_id, {})[job_id] = JobState.ACCEPTED
    return states


def _waiting(ids: Sequence[int]) -> Select[int, str, str]:
    # A row that a shift holds is about to get its own answer, and what is kept is applied with it.
    return (
        select(jobs.c.id, jobs.c.lane, runs.c.token)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(jobs.c.id.in_(ids), jobs.c.state.in_(OPEN), jobs.c.provider_message_id.is_(None))
        .order_by(jobs.c.id)
        .with_for_update(of=jobs, skip_locked=True)
    )


def _job_of(reference: str | None) -> int | None:
    """The job that TOKEN.JOB names, or None where it is no name of ours."""
    _, _, number = (reference or "").rpartition(".")
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 18 else None


async def _write_adopted(connection: AsyncConnection, adopted: dict[int, Referenced], now: datetime) -> None:
    if not adopted:
        return
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == bindparam("of_job"), or_(*(jobs.c.state == state for state in OPEN)))
        .values(
            state=JobState.ACCEPTED.value,
            reason=None,
            code=None,
            provider_message_id=bindparam("to_message"),
            accepted_at=now,
            poll_at=now + FIRST_POLL,
            updated_at=now,
        ),
        [{"of_job": job_id, "to_message": report.message_id} for job_id, report in adopted.items()],
    )
    detail = "known by the name that we gave the message"
    told = [event(job_id, now, SOURCE, JobState.ACCEPTED.value, detail) for job_id in adopted]
    await add_events(connection, told, now)


async def _keep(
    connection: AsyncConnection, account: str, reports: Sequence[Referenced], now: datetime
) -> None:
    """Keep each report once, however often it is repeated."""
    told = dict.fromkeys((report.message_id, _write(report)) for report in reports)
    for ids in portions(sorted({message_id for message_id, _ in told})):
        kept = select(unmatched_reports.c.message_id, unmatched_reports.c.report).where(
            unmatched_reports.c.account == account, unmatched_reports.c.message_id.in_(ids)
        )
        for row in await connection.execute(kept):
            told.pop((row.message_id, row.report), None)
    rows = [
        {"account": account, "message_id": message_id, "report": report, "stored_at": now}
        for message_id, report in told
    ]
    if rows:
        await connection.execute(insert(unmatched_reports), rows)


def _write(report: Referenced) -> str:
    cost = report.cost
    return orjson.dumps(
        {
            "message_id": report.message_id,
            "status": report.status,
            "state": report.state,
            "at": _millis(report.at),
            "reason": report.reason,
            "cost": [str(cost.amount), cost.currency] if cost else None,
            "times": [[state, to_millis(at)] for state, at in report.times],
            "code": report.code,
            "reference": report.reference,
        }
    ).decode()


def _read(text: str) -> KeptReport:
    said = orjson.loads(text)
    return KeptReport(
        said["message_id"],
        said["status"],
        JobState(said["state"]) if said["state"] else None,
        None if said["at"] is None else from_millis(said["at"]),
        said["reason"],
        Money(Decimal(said["cost"][0]), said["cost"][1]) if said["cost"] else None,
        tuple((JobState(state), from_millis(at)) for state, at in said["times"]),
        said["code"],
        said["reference"],
    )


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)
