"""Send what is due: as this process's runner, as a clock for workers, or as a worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from campaigns.states import JobState
from scheduler.clock import runner
from scheduler.clock.holds import together
from scheduler.clock.notifier import NotifyPlan
from scheduler.clock.progress import LANE_PAUSED, NO_SENDER, RunSummary
from scheduler.clock.runner import Progress
from scheduler.sending.instrumentation import Observe
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading


async def run_campaigns(
    engine: Engine,
    settings: Settings,
    *,
    distributed: bool,
    until_idle: bool,
    wait_receipts: timedelta,
    stop: asyncio.Event,
    progress: Progress,
    observe: Observe,
    asked: Sequence[str] = (),
) -> RunSummary:
    """Drive every campaign until `stop`, or with `until_idle` until nothing is left to do now.

    `distributed`: only keep the clock, workers send. `asked`: the summary is about these campaigns only. Raises Locked,
    UsageError, NotFound for a campaign that was asked for and does not exist.
    """
    async with reading(engine) as connection:
        for name in asked:
            await require(connection, name)
    summary = await runner.run(
        engine,
        settings.accounts,
        distributed=distributed,
        until_idle=until_idle,
        wait_receipts=wait_receipts,
        default_caps=settings.caps,
        guard=guard_of(settings),
        retention=settings.retention,
        delete_files=partial(_delete_files, settings),
        notify=NotifyPlan(settings.notify, settings.public_url),
        stop=stop,
        progress=progress,
        observe=observe,
    )
    return of_campaigns(summary, asked) if asked else summary


def _delete_files(settings: Settings, before: datetime) -> int:
    from app.actions.drafts.unnamed import delete_unnamed  # not loaded where nothing is purged

    return delete_unnamed(settings, before)


def of_campaigns(summary: RunSummary, names: Sequence[str]) -> RunSummary:
    """What of the summary is about these campaigns, and about the senders that hold their messages."""
    chosen = [one for one in summary.campaigns if one.campaign in names]
    counted = Counter[str]()
    for one in chosen:
        counted.update(one.states)
    left = together([one.left for one in chosen])
    waits_for_sender = any(one.rule in (LANE_PAUSED, NO_SENDER) for one in left)
    return replace(
        summary,
        states={state.value: counted[state] for state in JobState if counted[state]},
        stopped_by=tuple(
            reason
            for reason in summary.stopped_by
            if reason.partition(" is ")[0] in names
            or ("/" in reason.partition(" is ")[0] and waits_for_sender)
        ),
        left=left,
        campaigns=tuple(chosen),
    )


async def require_queue(engine: Engine) -> None:
    """Raise UsageError where no workers can work on the database: before anything is served or shown."""
    from scheduler.engines.procrastinate import (
        open_queue,
    )  # loads Procrastinate, which nothing else here needs

    async with open_queue(engine):
        pass


async def work_for_clocks(
    engine: Engine, settings: Settings, *, concurrency: int, stop: asyncio.Event, observe: Observe
) -> None:
    """Execute the shifts that clocks defer until `stop`, at most `concurrency` at once. Raises UsageError."""
    from scheduler.engines.worker import work  # loads Procrastinate, which nothing else here needs

    await work(
        engine,
        settings.accounts,
        concurrency=concurrency,
        stop=stop,
        default_caps=settings.caps,
        observe=observe,
    )
