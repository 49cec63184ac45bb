"""`drumbeat db purge`: what is old goes in small transactions, with as much time between them as they took, so that a
runner at work is hardly held up; stopped anywhere, it goes on with the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final

from campaigns.errors import UsageError
from campaigns.spec.rules_spec import LONGEST_CAP
from storage.database.engine import Connection, Engine, reading, writing
from storage.retention.purge import (
    OLD,
    OldRun,
    count_jobs,
    count_old,
    count_rows,
    old_campaigns,
    old_runs,
    oldest,
    purge_jobs,
    purge_old,
    purge_recipients,
    purge_rejects,
)

LEAST_AGE: Final = timedelta(days=30)
"""A receipt may come that long after its message."""
BATCH: Final = 500
"""Jobs, each with its attempts and events."""
LIGHT_BATCH: Final = 2_000
SPARE: Final = timedelta(days=8)
"""A calendar week in any zone: no cap's period is longer and not a duration."""
Batch = Callable[[], Awaitable[int]]
"""One transaction; how many rows went."""
Progress = Callable[[int], None]
"""Told after each transaction how many rows went so far."""


@dataclass(frozen=True)
class Plan:
    """What is older than the moment asked for."""

    before: datetime
    touched_before: datetime
    """Older than any cap may look at."""
    runs: list[OldRun]
    campaigns: list[int]
    rows: dict[str, int]
    """How many jobs, recipients, rejects, touches, tier, unmatched and webhooks there are of it."""

    def before_of(self, name: str) -> datetime:
        """The moment before which rows of that name are old."""
        return self.touched_before if name == "touches" else self.before


async def plan_purge(engine: Engine, now: datetime, older_than: timedelta) -> Plan:
    """What a purge would take out now. Raises UsageError where that is too soon."""
    if older_than < LEAST_AGE:
        raise UsageError(
            f"{older_than.days} days are too few: a receipt may come {LEAST_AGE.days} days after its message.",
            hint=f"--older-than {LEAST_AGE.days}d",
        )
    before = now - older_than
    touched_before = now - max(older_than, LONGEST_CAP + SPARE)
    async with reading(engine) as connection:
        found = await old_runs(connection, before)
        ended = await old_campaigns(connection, before)
        people, bad = await count_rows(connection, ended)
        rows = {"jobs": await count_jobs(connection, [run.id for run in found])}
        plan = Plan(before, touched_before, found, ended, {**rows, "recipients": people, "rejects": bad})
        for name in OLD:
            plan.rows[name] = await count_old(connection, name, plan.before_of(name))
    return plan


async def carry_out(
    engine: Engine, plan: Plan, now: datetime, progress: Progress | None = None
) -> dict[str, int]:
    """Take it out; how many rows of each went."""
    done: dict[str, int] = dict.fromkeys(plan.rows, 0)
    for name, batch in _work(engine, plan, now):
        while count := await _rested(batch):
            done[name] += count
            if progress is not None:
                progress(sum(done.values()))
    return done


def _work(engine: Engine, plan: Plan, now: datetime) -> Iterator[tuple[str, Batch]]:
    """What goes, and how a batch of it does, in an order that leaves nothing behind: jobs before their recipients."""
    for run in plan.runs:
        yield "jobs", partial(_write, engine, partial(purge_jobs, run=run, now=now, limit=BATCH))
    of: dict[str, Any] = {"now": now, "limit": LIGHT_BATCH}
    for campaign_id in plan.campaigns:
        for name, purge in (("recipients", purge_recipients), ("rejects", purge_rejects)):
            yield name, partial(_write, engine, partial(purge, campaign_id=campaign_id, **of))
    for name in OLD:
        yield name, partial(_purge_old, engine, name, plan.before_of(name))


async def _rested(batch: Batch) -> int:
    """Do it, and leave others as much time as it took."""
    began = monotonic()
    count = await batch()
    await asyncio.sleep(monotonic() - began)
    return count


async def _write(engine: Engine, work: Callable[[Connection], Awaitable[int]]) -> int:
    async with writing(engine) as connection:
        return await work(connection)


async def _purge_old(engine: Engine, name: str, before: datetime) -> int:
    async with reading(engine) as connection:
        keys = await oldest(connection, name, before, LIGHT_BATCH)
    return await _write(engine, partial(purge_old, name=name, before=before, keys=keys)) if keys else 0
