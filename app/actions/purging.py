"""Purge the details of campaigns that ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from app.wiring.rights import act
from campaigns.time.clock import Now, utc_now
from scheduler.actions.purge import Plan, carry_out, plan_purge
from storage.database.engine import Engine
from storage.database.vacuum import free_space


async def plan_of_purge(engine: Engine, older_than: timedelta, *, now: Now = utc_now) -> Plan:
    """What ended that long ago, and how many rows it has. Raises UsageError if the age is too short."""
    return await plan_purge(engine, now(), older_than)


@act("database.purge", about=None)
async def purge_database(
    engine: Engine,
    plan: Plan,
    progress: Callable[[int], None] | None = None,
    *,
    now: Now = utc_now,
) -> dict[str, int]:
    """Delete what the plan lists; returns the rows of each kind."""
    return await carry_out(engine, plan, now(), progress)


@act("database.shrink", about=None)
async def shrink_database(engine: Engine) -> None:
    """Free the space of deleted rows; SQLite is locked meanwhile."""
    await free_space(engine)
