"""Purge the details of campaigns that ended long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from app.actions.drafts.unnamed import count_unnamed, delete_unnamed
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.time.clock import Now, utc_now
from scheduler.actions.purge import FILES, Plan, carry_out, plan_purge
from storage.database.engine import Engine
from storage.database.vacuum import free_space


async def plan_of_purge(
    engine: Engine, settings: Settings, older_than: timedelta, *, now: Now = utc_now
) -> Plan:
    """What ended that long ago, and how many rows and files it has. Raises UsageError if the age is too short."""
    plan = await plan_purge(engine, now(), older_than)
    plan.rows[FILES] = await asyncio.to_thread(count_unnamed, settings, plan.before)
    return plan


@act("database.purge", about=None)
async def purge_database(
    engine: Engine,
    settings: Settings,
    plan: Plan,
    progress: Callable[[int], None] | None = None,
    *,
    now: Now = utc_now,
) -> dict[str, int]:
    """Delete what the plan lists; returns the rows, or files, of each kind."""
    deleted = await carry_out(engine, plan, now(), progress)
    return {**deleted, FILES: await asyncio.to_thread(delete_unnamed, settings, plan.before)}


@act("database.shrink", about=None)
async def shrink_database(engine: Engine) -> None:
    """Free the space of deleted rows; SQLite is locked meanwhile."""
    await free_space(engine)
