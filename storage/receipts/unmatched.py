"""Reports about messages that are not known yet: a status may come before the send's own answer. They are stored, each
once, until their message is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final, Protocol

import orjson
from sqlalchemy import Select, Text, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.states import JobState
from storage.database.bulk import as_values, by_dialect, is_among, table_of
from storage.tables.receipts import unmatched_reports
from storage.tables.runs import jobs
from storage.tables.types import Id, from_millis, to_millis

TRIED_AGAIN: Final = 2_000
"""How many of the newest reports of unknown messages are checked again."""


class Reported(Protocol):
    """A provider's report about one message: see `providers.events.Report`."""

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
    @property
    def reference(self) -> str | None: ...


@frozen
class UnmatchedReport:
    """A report as it was stored; see `providers.events.Report`."""

    message_id: str
    status: str
    state: JobState | None
    at: datetime | None
    reason: str | None
    cost: Money | None
    times: tuple[tuple[JobState, datetime], ...]
    code: str | None
    reference: str | None


async def keep_reports(
    connection: AsyncConnection, account: str, reports: Sequence[Reported], now: datetime
) -> None:
    """Keep each report once, however often it is repeated."""
    if not reports:
        return
    fresh = dict.fromkeys((report.message_id, _write(report)) for report in reports)
    given = table_of(connection, [{"message_id": message_id} for message_id, _ in fresh], message_id=Text())
    stored = select(unmatched_reports.c.message_id, unmatched_reports.c.report).where(
        unmatched_reports.c.account == account,
        unmatched_reports.c.message_id.in_(select(given.c.message_id)),
    )
    for row in await connection.execute(stored):
        fresh.pop((row.message_id, row.report), None)
    rows = [
        {"account": account, "message_id": message_id, "report": report, "stored_at": now}
        for message_id, report in fresh
    ]
    if rows:
        await connection.execute(insert(unmatched_reports), rows)


@by_dialect
def _kept(sqlite: bool) -> Select[Any]:
    stored = select(unmatched_reports.c.id, unmatched_reports.c.report).where(
        unmatched_reports.c.account == bindparam("of_account"),
        is_among(sqlite, unmatched_reports.c.message_id, "message_ids"),
    )
    return stored.order_by(unmatched_reports.c.id)


async def stored_reports(
    connection: AsyncConnection, account: str, message_ids: Sequence[str]
) -> dict[int, UnmatchedReport]:
    """The stored reports of these messages, by their ids: in the order of its arrival."""
    if not message_ids:
        return {}
    asked = {"of_account": account, "message_ids": as_values(connection, message_ids)}
    rows = await connection.execute(_kept(connection), asked)
    return {row.id: _read(row.report) for row in rows}


async def forget_reports(connection: AsyncConnection, ids: Collection[int]) -> None:
    """Mark these reports as applied."""
    if ids:
        given = table_of(connection, [{"id": one} for one in ids], id=Id)
        await connection.execute(
            delete(unmatched_reports).where(unmatched_reports.c.id.in_(select(given.c.id)))
        )


async def renew_reports(connection: AsyncConnection, ids: Collection[int]) -> None:
    """Store these reports anew, so that they are among the newest: their messages are known now, and whoever has not
    applied them looks for that among those."""
    if not ids:
        return
    kept = [column for column in unmatched_reports.c if column.name != "id"]
    given = table_of(connection, [{"id": one} for one in ids], id=Id)
    theirs = unmatched_reports.c.id.in_(select(given.c.id))
    again = select(*kept).where(theirs).order_by(unmatched_reports.c.id)
    await connection.execute(insert(unmatched_reports).from_select([one.name for one in kept], again))
    await forget_reports(connection, ids)


@cache
def _known_late() -> Select[Any]:
    newest = (
        select(unmatched_reports.c.account, unmatched_reports.c.message_id)
        .order_by(unmatched_reports.c.id.desc())
        .limit(TRIED_AGAIN)
        .subquery()
    )
    return select(newest.c.account, newest.c.message_id, jobs.c.lane).join(
        jobs, jobs.c.provider_message_id == newest.c.message_id
    )


async def matched_late(connection: AsyncConnection) -> dict[str, list[str]]:
    """Of the newest stored reports, those whose messages are known by now: account -> message ids.

    A report that was being stored while the id of its message was being stored was seen by neither transaction.
    """
    late: dict[str, list[str]] = {}
    for account, message_id, lane in await connection.execute(_known_late()):
        if is_of(account, lane):
            late.setdefault(account, []).append(message_id)
    return late


def is_of(account: str, lane: str) -> bool:
    """Whether a lane is the account's; also one whose sender is no longer in the settings."""
    return lane.partition("/")[0] == account


def _write(report: Reported) -> str:
    cost = report.cost
    return orjson.dumps(
        {
            "message_id": report.message_id,
            "status": report.status,
            "state": report.state,
            "at": None if report.at is None else to_millis(report.at),
            "reason": report.reason,
            "cost": [str(cost.amount), cost.currency] if cost else None,
            "times": [[state, to_millis(at)] for state, at in report.times],
            "code": report.code,
            "reference": report.reference,
        }
    ).decode()


def _read(text: str) -> UnmatchedReport:
    values = orjson.loads(text)
    return UnmatchedReport(
        values["message_id"],
        values["status"],
        JobState(values["state"]) if values["state"] else None,
        None if values["at"] is None else from_millis(values["at"]),
        values["reason"],
        Money(Decimal(values["cost"][0]), values["cost"][1]) if values["cost"] else None,
        tuple((JobState(state), from_millis(at)) for state, at in values["times"]),
        values["code"],
        values["reference"],
    )
