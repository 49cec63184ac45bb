"""Send what is due: as this process's runner, as a clock for workers, or as a worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from scheduler.clock import runner
from scheduler.clock.progress import RunSummary
from scheduler.clock.runner import Progress
from scheduler.sending.instrumentation import Observe
from storage.database.engine import Engine


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
) -> RunSummary:
    """Drive every campaign until `stop`, or with `until_idle` until nothing is left to do now.

    `distributed`: only keep the clock, workers send. Raises Locked, UsageError.
    """
    return await runner.run(
        engine,
        settings.accounts,
        distributed=distributed,
        until_idle=until_idle,
        wait_receipts=wait_receipts,
        default_caps=settings.caps,
        guard=guard_of(settings),
        retention=settings.retention,
        stop=stop,
        progress=progress,
        observe=observe,
    )


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
