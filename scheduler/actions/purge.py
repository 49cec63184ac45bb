"""`drumbeat db purge`: what is old goes in small transactions, with as much time between them as they took, so that a
runner at work is hardly held up; stopped anywhere, it continues with the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final

from campaigns.errors import UsageError
from campaigns.frozen import frozen
from campaigns.spec.cap_spec import LONGEST_CAP
from campaigns.spec.values import LEAST_AGE
from storage.database.engine import Connection, Engine, reading, writing
from storage.retention.daily import is_due, note_done
from storage.retention.purge import (
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

BATCH: Final = 500
"""Jobs, each with its attempts and events."""
LIGHT_BATCH: Final = 2_000
DAILY: Final = "retention"
"""The name of the clock's duty."""
SPARE: Final = timedelta(days=8)
"""A calendar week in any zone: no cap's period is longer and not a duration."""
Batch = Callable[[], Awaitable[int]]
"""One transaction; returns how many rows it deleted."""
Progress = Callable[[int], None]
"""Called after each transaction with the number of rows deleted so far."""
DeleteFiles = Callable[[datetime], int]
"""Deletes files that nothing needs any more and that are older; how many. Runs in a thread."""
FILES: Final = "draft_media"
"""The name under which they are counted."""


KINDS: Final = {
    "messages": ("touches", "tier", "unmatched", "media", "media_ids"),
    "inbound": ("inbound", "windows"),
    "webhooks": ("webhooks",),
    "evidence": ("evidence",),
}
"""Kinds of data with an age of their own -> the names in `OLD` that belong to each. Messages are jobs and their lists,
too."""


@frozen
class Plan:
    """What is older than the moments asked for."""

    befores: dict[str, datetime]
    """Name in `OLD` -> the moment before which its rows are old."""
    runs: list[OldRun]
    campaigns: list[int]
    rows: dict[str, int]
    """Name -> how many there are: jobs, recipients and rejects, and those of `OLD`."""

    @property
    def before(self) -> datetime:
        """The moment before which messages are old."""
        return self.befores["tier"]


async def plan_purge(engine: Engine, now: datetime, older_than: timedelta) -> Plan:
    """What a purge would delete now. Raises UsageError if the age is too short."""
    if older_than < LEAST_AGE:
        raise UsageError(
            f"{older_than.days} days are too few: a receipt may come {LEAST_AGE.days} days after its message.",
            hint=f"--older-than {LEAST_AGE.days}d",
        )
    return await plan_by_kind(engine, now, dict.fromkeys(KINDS, older_than))


async def plan_by_kind(engine: Engine, now: datetime, ages: Mapping[str, timedelta]) -> Plan:
    """What is older than its kind's age; a kind of `KINDS` without an age stays."""
    befores = {name: now - age for kind, age in ages.items() for name in KINDS[kind]}
    plan = Plan(befores, [], [], {})
    async with reading(engine) as connection:
        if "messages" in ages:
            befores["touches"] = now - max(ages["messages"], LONGEST_CAP + SPARE)  # no cap looks back further
            plan.runs.extend(await old_runs(connection, plan.before))
            plan.campaigns.extend(await old_campaigns(connection, plan.before))
            people, bad = await count_rows(connection, plan.campaigns)
            of_runs = await count_jobs(connection, [run.id for run in plan.runs])
            plan.rows.update({"jobs": of_runs, "recipients": people, "rejects": bad})
        for name, moment in befores.items():
            plan.rows[name] = await count_old(connection, name, moment)
    return plan


async def purge_daily(
    engine: Engine,
    now: datetime,
    ages: Mapping[str, timedelta],
    stop: asyncio.Event,
    delete_files: DeleteFiles | None = None,
) -> dict[str, int] | None:
    """Delete what is older than `[retention]` allows, unless that was done within a day; how many rows, or files, of
    each. Files are as old as messages may be."""
    if not ages:
        return None
    async with reading(engine) as connection:
        if not await is_due(connection, DAILY, now):
            return None
    deleted = await carry_out(engine, await plan_by_kind(engine, now, ages), now, stop=stop)
    if delete_files is not None and "messages" in ages:
        deleted[FILES] = await asyncio.to_thread(delete_files, now - ages["messages"])
    if not stop.is_set():
        async with writing(engine) as connection:
            await note_done(connection, DAILY, now)
    return deleted


async def carry_out(
    engine: Engine,
    plan: Plan,
    now: datetime,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> dict[str, int]:
    """Delete it; returns how many rows of each. A stop ends it after the current transaction."""
    done: dict[str, int] = dict.fromkeys(plan.rows, 0)
    for name, batch in _work(engine, plan, now):
        while (stop is None or not stop.is_set()) and (count := await _rested(batch)):
            done[name] += count
            if progress is not None:
                progress(sum(done.values()))
    return done


def _work(engine: Engine, plan: Plan, now: datetime) -> Iterator[tuple[str, Batch]]:
    """The kinds of rows and how to delete a batch of each, in an order that leaves nothing behind: jobs before
    recipients."""
    for run in plan.runs:
        yield "jobs", partial(_write, engine, partial(purge_jobs, run=run, now=now, limit=BATCH))
    of: dict[str, Any] = {"now": now, "limit": LIGHT_BATCH}
    for campaign_id in plan.campaigns:
        for name, purge in (("recipients", purge_recipients), ("rejects", purge_rejects)):
            yield name, partial(_write, engine, partial(purge, campaign_id=campaign_id, **of))
    for name, before in plan.befores.items():
        yield name, partial(_purge_old, engine, name, before)


async def _rested(batch: Batch) -> int:
    """Run one transaction, then pause for as long as it took, so that others can write."""
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
