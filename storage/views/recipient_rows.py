"""A campaign's recipients one by one: all with their outcome, or the rows of those who were not reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Select, func, literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.money.costs import NO_CURRENCY, from_micros
from campaigns.states import JobState
from storage.audience.campaigns import Campaign
from storage.database.engine import allow_silence, is_sqlite
from storage.receipts.user_ids import numbers_of_placeholders
from storage.runs.editions import of_audience
from storage.sending.erased import ERASED
from storage.tables.audience import imports, recipients
from storage.tables.runs import jobs
from storage.tables.types import Text
from storage.views.counted_jobs import count_by
from storage.views.people_ranges import Range
from storage.views.report_scope import ScheduledRun, Scope, scope_of
from storage.views.reports import reason_before_launch, state_before_launch

PAGE: Final = 1000
ENDED: Final = (JobState.FAILED, JobState.SKIPPED, JobState.EXPIRED, JobState.CANCELLED)
"""How the message of a person ended who was certainly not reached; a message in doubt may have arrived."""


@frozen
class ListedFile:
    """A file that recipients came from."""

    phone_column: str
    columns: Sequence[str] | None
    """All columns in the file's spelling; None: it was loaded before they were stored."""
    variables: Sequence[str]
    """The variables that each of its rows has."""


async def stream_recipients(
    connection: AsyncConnection,
    campaign: Campaign,
    chosen: Sequence[ScheduledRun] | None = None,
    *,
    not_reached: bool = False,
    limit: int | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """Every job in the order of the file, or the first `limit` of them, a page in memory at a time; the keys are the
    report's.

    `not_reached`: only people whom no run reached, or may have reached, each once; `vars` and `send_at` are the row's.
    """
    scope = await scope_of(connection, campaign, chosen)
    query = _listed(scope, not_reached=not_reached)
    if not_reached and limit is not None and scope.launched and scope.few is not None:
        query = query.where(jobs.c.id.in_(_first_ended(connection, scope, limit)))
    if not_reached:
        query = query.add_columns(recipients.c.vars, recipients.c.send_at)
    if limit is None:
        await allow_silence(connection)
    streamed = await connection.stream(query.limit(limit).execution_options(yield_per=PAGE))
    async for rows in streamed.mappings().partitions(PAGE):
        numbers = await numbers_of_placeholders(connection, [row["phone"] for row in rows])
        for row in rows:
            found = {**row, "phone": numbers.get(row["phone"], row["phone"])}
            own = {"vars": orjson.loads(found["vars"]), "send_at": found["send_at"]} if not_reached else {}
            yield {**_recipient(found), **own}


def _first_ended(connection: AsyncConnection, scope: Scope, limit: int) -> Select[tuple[int]]:
    """So many from the front of each run and way to end: among them are the first of all."""
    parts = [
        Range("", jobs.c.run_id == run, state.value, jobs.c.state)
        for run in scope.few or ()
        for state in ENDED
    ]
    firsts = [
        select(jobs.c.id)
        .where(part.where, *part.between(is_sqlite(connection), None, None), scope.jobs, _not_reached(scope))
        .order_by(*part.order)
        .limit(limit)
        .subquery()
        for part in parts
    ]
    return select(union_all(*(select(first.c.id) for first in firsts)).subquery().c.id)


async def count_recipients(
    connection: AsyncConnection,
    campaign: Campaign,
    chosen: Sequence[ScheduledRun] | None = None,
    *,
    not_reached: bool = False,
) -> int:
    """How many `stream_recipients` lists without a limit."""
    scope = await scope_of(connection, campaign, chosen)
    if scope.launched and not not_reached:
        return sum((await count_by(connection, scope, "state")).values())
    listed = _listed(scope, not_reached=not_reached)
    counted = listed.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    return int((await connection.execute(counted)).scalar_one())


def _listed(scope: Scope, *, not_reached: bool) -> Select[Any]:
    query = _jobs_of(scope) if scope.launched else _future_jobs_of(scope.campaign)
    return query.where(_not_reached(scope)) if not_reached else query


def _not_reached(scope: Scope) -> ColumnElement[bool]:
    """Restricts jobs to one of each person whose every message in the scope ended without arriving: the newest. Erased
    people are left out."""
    if not scope.launched:
        ended = state_before_launch(scope.campaign) in ENDED
        return literal(ended) & ~recipients.c.phone.startswith(ERASED)
    unreached = jobs.c.state.in_(ENDED) & ~jobs.c.phone.startswith(ERASED)
    if scope.few is not None and len(scope.few) == 1:  # a run has one message for a person
        return unreached
    other = jobs.alias("other")
    blocking = (other.c.id > jobs.c.id) | other.c.state.not_in(ENDED)
    theirs = select(other.c.id).where(
        other.c.run_id.in_(scope.run_ids), other.c.phone == jobs.c.phone, other.c.id != jobs.c.id, blocking
    )
    return unreached & ~theirs.exists()


async def files_of_recipients(connection: AsyncConnection, campaign_id: int) -> list[ListedFile]:
    """The files that the campaign's recipients came from, the oldest first."""
    theirs = (recipients.c.import_id == imports.c.id, ~recipients.c.phone.startswith(ERASED))
    first_row = (
        select(recipients.c.vars)
        .where(recipients.c.campaign_id == campaign_id, *theirs)
        .limit(1)
        .scalar_subquery()
    )
    found = select(imports.c.detected, first_row).where(imports.c.campaign_id == campaign_id)
    files = []
    for detected, vars in await connection.execute(found.order_by(imports.c.id)):
        if vars is not None:
            known = orjson.loads(detected)
            files.append(
                ListedFile(known.get("phone_column", "phone"), known.get("columns"), list(orjson.loads(vars)))
            )
    return files


def _jobs_of(scope: Scope) -> Select[Any]:
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
            jobs.c.run_id.label("run"),
        )
        .select_from(jobs.join(recipients, recipients.c.id == jobs.c.recipient_id))
        .where(scope.jobs)
        .order_by(jobs.c.id)
    )


def _future_jobs_of(campaign: Campaign) -> Select[Any]:
    missing = ("code", "provider_message_id", "form", "variant", "cost_micros", "currency", "run")
    times = ("sent_at", "delivered_at", "read_at")
    return (
        select(
            recipients.c.line,
            recipients.c.phone,
            literal(state_before_launch(campaign).value).label("state"),
            literal(reason_before_launch(campaign), Text()).label("reason"),
            literal(0).label("attempts"),
            *(null().label(name) for name in (*missing, *times)),
        )
        .where(of_audience(campaign.id))
        .order_by(recipients.c.line, recipients.c.id)
    )


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
    "run",
)
