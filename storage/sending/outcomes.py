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
    func,
    or_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.frozen import frozen
from campaigns.outcomes import Accepted, Refused, Result, Transition
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
    "job_id": Id,
    "ended_at": BigInteger(),
    "state": Text(),
    "provider_message_id": Text(),
    "cost_micros": BigInteger(),
    "currency": Text(),
    "poll_at": BigInteger(),
}
_REFUSED: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    "ended_at": BigInteger(),
    "state": Text(),
    "reason": Text(),
    "code": Text(),
    "detail": Text(),
    "due_at": BigInteger(),
    "held_by": Text(),
    "held_since": BigInteger(),
    "goes_alone": Boolean(),
    "free_refused_at": BigInteger(),
}


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
    given = given_rows(sqlite, **_ACCEPTED)
    kept = ("state", "provider_message_id", "cost_micros", "currency", "poll_at")
    values = {name: given.c[name] for name in kept} | {"accepted_at": given.c.ended_at}
    return transition(sqlite, _is_sending(given), values, "shift", at=given.c.ended_at)


@by_dialect
def _move_jobs(sqlite: bool) -> Sequence[Executable]:
    given = given_rows(sqlite, **_REFUSED)
    kept = ("state", "reason", "code", "held_by", "held_since")
    values = {name: given.c[name] for name in kept} | {
        **dict.fromkeys(("provider_message_id", "cost_micros", "currency", "accepted_at", "poll_at")),
        "due_at": func.coalesce(given.c.due_at, jobs.c.due_at),
        # What no later wait may overwrite.
        "goes_alone": or_(jobs.c.goes_alone, given.c.goes_alone),
        "free_refused_at": func.coalesce(given.c.free_refused_at, jobs.c.free_refused_at),
    }
    return transition(sqlite, _is_sending(given), values, "shift", at=given.c.ended_at, detail=given.c.detail)


def _is_sending(given: FromClause) -> ColumnElement[bool]:
    return and_(jobs.c.id == given.c.job_id, jobs.c.state == JobState.SENDING.value)


async def store_outcomes(
    connection: AsyncConnection, outcomes: Sequence[Outcome], now: datetime, *, polls: bool = True
) -> None:
    """Store how calls ended: the attempts' ends, the jobs' next states, the events. `polls`: whether the provider can
    be asked for receipts."""
    accepted, refused = [], []
    for one in outcomes:
        if isinstance(one.result, Accepted):
            accepted.append((_end_row(one), _accepted_row(one, one.result, polls)))
        else:
            refused.append((_end_row(one), _refused_row(one, one.result)))
    for moves, ended in ((_accept_jobs(connection), accepted), (_move_jobs(connection), refused)):
        if ended:
            # Rows of their own: to take longer ones apart for every statement takes longer.
            ends, states = (as_rows(rows) for rows in zip(*ended, strict=True))
            await execute_later(connection, _end_attempts(connection), {"rows": ends})
            given = {"rows": states, "now": now}
            await move_later(connection, moves, given, partial(_warn_of_late, len(ended)))


def _warn_of_late(ended: int, stored: int) -> None:
    if stored != ended:
        logger.warning(
            "Some outcomes came late: their jobs had moved on.",
            extra={"action": "outcome_late", "late": ended - stored},
        )


def _end_row(outcome: Outcome) -> tuple[Any, ...]:
    """The values of `KEY` and `_ENDED`."""
    result = outcome.result
    code, text = (None, None) if isinstance(result, Accepted) else (result.code, result.text[:LONGEST_DETAIL])
    return (
        outcome.intent.job.id,
        outcome.intent.job.attempts + 1,
        to_millis(outcome.ended_at),
        "accepted" if isinstance(result, Accepted) else result.kind.value,
        outcome.http_status,
        code,
        text,
        outcome.request_id,
        outcome.latency_ms,
    )


def _accepted_row(outcome: Outcome, result: Accepted, polls: bool) -> tuple[Any, ...]:
    """The values of `_ACCEPTED`."""
    ended_at, state = to_millis(outcome.ended_at), outcome.transition.state
    return (
        outcome.intent.job.id,
        ended_at,
        state.value,
        result.message_id,
        result.cost.micros if result.cost is not None else None,
        result.cost.currency if result.cost is not None else None,
        ended_at + _FIRST_POLL_MS if polls and state in RANK else None,
    )


def _refused_row(outcome: Outcome, result: Refused) -> tuple[Any, ...]:
    """The values of `_REFUSED`."""
    ended_at, moved = to_millis(outcome.ended_at), outcome.transition
    return (
        outcome.intent.job.id,
        ended_at,
        moved.state.value,
        moved.reason,
        moved.code,
        f"{result.code} {result.text}".strip()[:LONGEST_DETAIL],
        to_millis(moved.due_at) if moved.due_at else None,
        moved.held_by,
        ended_at if moved.held_by else None,
        moved.goes_alone,
        ended_at if moved.free_refused else None,
    )
