"""Outcomes of calls, stored with the next slice: the attempts' ends, the jobs' next states, their histories."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Executable,
    FromClause,
    Integer,
    Text,
    Update,
    and_,
    false,
    func,
    or_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.frozen import frozen
from campaigns.outcomes import Accepted, Result, Transition
from campaigns.states import RANK, JobState
from storage.database.bulk import as_rows, by_dialect, given_rows
from storage.database.engine import execute_later
from storage.runs.history import move_later, transition
from storage.sending.intents import KEY, Intent
from storage.tables.runs import attempts, jobs
from storage.tables.types import Id, to_millis

logger = logging.getLogger(__name__)

FIRST_POLL = timedelta(seconds=1)
_FIRST_POLL_MS: Final = FIRST_POLL // timedelta(milliseconds=1)
LONGEST_DETAIL: Final = 1_000
"""Characters of a provider's text that are stored."""
_ENDED: Final[dict[str, TypeEngine[Any]]] = {
    "ended_at": BigInteger(),
    "outcome": Text(),
    "http_status": Integer(),
    "code": Text(),
    "detail": Text(),
    "request_id": Text(),
    "latency_ms": Integer(),
}
_ACCEPTED: Final[dict[str, TypeEngine[Any]]] = {
    "state": Text(),
    "provider_message_id": Text(),
    "cost_micros": BigInteger(),
    "currency": Text(),
    "accepted_at": BigInteger(),
    "poll_at": BigInteger(),
}
_MOVED: Final[dict[str, TypeEngine[Any]]] = {
    **_ACCEPTED,
    "reason": Text(),
    "due_at": BigInteger(),
    "held_by": Text(),
    "held_since": BigInteger(),
}

_STEERED: Final[dict[str, TypeEngine[Any]]] = {"goes_alone": Boolean(), "free_refused_at": BigInteger()}
"""What no later wait may overwrite."""
_EVENT: Final[dict[str, TypeEngine[Any]]] = {"ended_at": BigInteger(), "event_detail": Text()}


@frozen
class Outcome:
    """How one job's part of a call ended."""

    intent: Intent
    result: Result
    transition: Transition
    ended_at: datetime
    http_status: int | None
    request_id: str | None
    latency_ms: int | None

    def without_text(self) -> Outcome:
        """The outcome without any text of the provider: for a database that refuses that text."""
        if isinstance(self.result, Accepted):
            return replace(self, result=replace(self.result, cost=None), request_id=None)
        kind = self.result.kind.value
        plain = replace(self.result, code=kind, text="The database refused the provider's text.")
        return replace(self, result=plain, transition=replace(self.transition, code=kind), request_id=None)


@by_dialect
def _end_attempts(sqlite: bool) -> Update:
    given = given_rows(sqlite, **KEY, **_ENDED)
    return (
        update(attempts)
        .where(attempts.c.job_id == given.c.job_id, attempts.c.number == given.c.number)
        .values({name: given.c[name] for name in _ENDED})
    )


@by_dialect
def _accept_jobs(sqlite: bool) -> Sequence[Executable]:
    """Of an accepted message nothing else changes, since its intent has emptied the rest; SQLite writes the indexes of
    each column that is set."""
    given = given_rows(sqlite, job_id=Id, ended_at=BigInteger(), **_ACCEPTED)
    values = {name: given.c[name] for name in _ACCEPTED}
    return transition(sqlite, _is_sending(given), values, "shift", at=given.c.ended_at)


@by_dialect
def _move_jobs(sqlite: bool) -> Sequence[Executable]:
    given = given_rows(sqlite, job_id=Id, job_code=Text(), **_EVENT, **_STEERED, **_MOVED)
    values = {name: given.c[name] for name in _MOVED} | {
        "code": given.c.job_code,
        "due_at": func.coalesce(given.c.due_at, jobs.c.due_at),
        "goes_alone": or_(jobs.c.goes_alone, func.coalesce(given.c.goes_alone, false())),
        "free_refused_at": func.coalesce(given.c.free_refused_at, jobs.c.free_refused_at),
    }
    return transition(
        sqlite, _is_sending(given), values, "shift", at=given.c.ended_at, detail=given.c.event_detail
    )


def _is_sending(given: FromClause) -> ColumnElement[bool]:
    return and_(jobs.c.id == given.c.job_id, jobs.c.state == JobState.SENDING.value)


async def store_outcomes(
    connection: AsyncConnection, outcomes: Sequence[Outcome], now: datetime, *, polls: bool = True
) -> None:
    """Store how calls ended: the attempts' ends, the jobs' next states, the events. `polls`: whether the provider can
    be asked for receipts."""
    accepted = [one for one in outcomes if isinstance(one.result, Accepted)]
    refused = [one for one in outcomes if not isinstance(one.result, Accepted)]
    for move, ended in ((_accept_jobs, accepted), (_move_jobs, refused)):
        if ended:
            given = {"rows": as_rows([_outcome_row(outcome, polls) for outcome in ended]), "now": now}
            await execute_later(connection, _end_attempts(connection), {"rows": given["rows"]})
            await move_later(connection, move(connection), given, partial(_warn_of_late, len(ended)))


def _warn_of_late(ended: int, stored: int) -> None:
    if stored != ended:
        logger.warning(
            "Some outcomes came late: their jobs had moved on.",
            extra={"action": "outcome_late", "late": ended - stored},
        )


def _outcome_row(outcome: Outcome, polls: bool) -> dict[str, Any]:
    """What of it an attempt, a job and an event keep; what is left out is null."""
    ended_at = to_millis(outcome.ended_at)
    row = {
        "job_id": outcome.intent.job.id,
        "number": outcome.intent.job.attempts + 1,
        "ended_at": ended_at,
        "http_status": outcome.http_status,
        "request_id": outcome.request_id,
        "latency_ms": outcome.latency_ms,
        "state": outcome.transition.state.value,
    }
    result = outcome.result
    if isinstance(result, Accepted):
        row["outcome"] = "accepted"
        row["provider_message_id"] = result.message_id
        row["accepted_at"] = ended_at
        row["poll_at"] = ended_at + _FIRST_POLL_MS if polls and outcome.transition.state in RANK else None
        if result.cost is not None:
            row["cost_micros"], row["currency"] = result.cost.micros, result.cost.currency
        return row
    row["outcome"] = result.kind.value
    row["code"] = result.code
    row["detail"] = result.text[:LONGEST_DETAIL]
    row["event_detail"] = f"{result.code} {result.text}".strip()[:LONGEST_DETAIL]
    return row | _held_row(outcome.transition, ended_at)


def _held_row(moved: Transition, ended_at: int) -> dict[str, Any]:
    return {
        "reason": moved.reason,
        "job_code": moved.code,
        "due_at": to_millis(moved.due_at) if moved.due_at else None,
        "held_by": moved.held_by,
        "held_since": ended_at if moved.held_by else None,
        "goes_alone": moved.goes_alone,
        "free_refused_at": ended_at if moved.free_refused else None,
    }
