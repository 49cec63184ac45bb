"""Whether a run has such a job: one look at the front of an index, however many jobs there are.

As a value, and in the order of the index. For EXISTS PostgreSQL may read all jobs: while it has counted none of a run
that was just launched, and when most of those that it had counted have moved on since.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, select

from campaigns.states import JobState
from storage.tables.lanes import lanes
from storage.tables.predicates import IS_HELD, IS_PENDING
from storage.tables.runs import jobs, runs
from storage.tables.types import NOW


def has_due(lane: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the run has a message on the lane whose time has come."""
    return _any(jobs.c.lane == lane, IS_PENDING, jobs.c.due_at <= NOW, order=(jobs.c.due_at, jobs.c.id))


def due_after(lane: ColumnElement[str]) -> ScalarSelect[Any]:
    """When the next of the run's messages on the lane is due, of those whose time is yet to come."""
    which = (jobs.c.run_id == runs.c.id, jobs.c.lane == lane, IS_PENDING, jobs.c.due_at > NOW)
    first = select(jobs.c.due_at).where(*which).order_by(jobs.c.due_at, jobs.c.id).limit(1)
    return first.correlate(runs, lanes).scalar_subquery()


def has_due_anywhere() -> ColumnElement[bool]:
    """The same of all lanes. Of messages whose time is yet to come, it reads all that come first."""
    order = (jobs.c.lane, jobs.c.due_at, jobs.c.id)
    return _any(IS_PENDING, jobs.c.due_at <= NOW, order=order)


def has_held() -> ColumnElement[bool]:
    """Whether a rule holds one of the run's messages."""
    return _any(IS_HELD, order=(jobs.c.held_by, jobs.c.id))


def has_any(state: JobState) -> ColumnElement[bool]:
    """Whether one of the run's messages is in this state. PostgreSQL takes an equality for one value only, and may then
    read the table in the order of its ids: so it is a range."""
    within = (jobs.c.state >= state.value, jobs.c.state <= state.value)
    return _any(*within, order=(jobs.c.state, jobs.c.id))


def _any(*which: Any, order: tuple[ColumnElement[Any], ...]) -> ColumnElement[bool]:
    first = select(jobs.c.id).where(jobs.c.run_id == runs.c.id, *which).order_by(*order).limit(1)
    return first.correlate(runs, lanes).scalar_subquery().is_not(None)
