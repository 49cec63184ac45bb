"""A database whose runners come and go, and the [[notify]] tables of their settings."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from campaigns.states import JobState, RunState
from providers.notify.settings import NotifySettings
from scheduler.clock.launch import launch_due
from scheduler.clock.notifier import Notifier, NotifyPlan
from storage.database.engine import Engine, reading, writing
from storage.notify.deliveries import list_deliveries
from storage.runs.control import move_runs
from storage.runs.pausing import pause_run
from storage.tables.runs import jobs, runs
from tests.support.campaigns import later, spec, store_campaign
from tests.support.receivers import WebhookServer

START = later(0)


class Desk:
    """A database, a time, and runners that come and go."""

    def __init__(self, engine: Engine, *targets: NotifySettings) -> None:
        self.engine, self.at, self.targets = engine, START, targets
        self.lanes: dict[str, Any] = {}
        self.restart()

    def restart(self) -> None:
        plan = NotifyPlan(self.targets, "https://drumbeat.example.com/")
        self.notifier = Notifier(self.engine, plan, self.lanes, asyncio.Event(), lambda: self.at)

    async def turn(self, after: float = 0) -> None:
        self.at += timedelta(seconds=after)
        await self.notifier.notify()

    async def run_of(self, name: str, size: int = 1, **tables: Any) -> int:
        """A launched campaign; its run."""
        await store_campaign(self.engine, spec(name, **tables), size)
        assert await launch_due(self.engine, now=lambda: self.at) == [name]
        async with reading(self.engine) as connection:
            newest = select(runs.c.id).order_by(runs.c.id.desc()).limit(1)
            return int((await connection.execute(newest)).scalar_one())

    async def pause(self, run_id: int, reason: str) -> None:
        async with writing(self.engine) as connection:
            await pause_run(connection, run_id, reason, self.at)

    async def resume(self, name: str) -> None:
        async with writing(self.engine) as connection:
            await move_runs(connection, name, [RunState.PAUSED], RunState.RUNNING)

    async def end_jobs(self, state: JobState) -> None:
        async with writing(self.engine) as connection:
            await connection.execute(update(jobs).values(state=state, updated_at=self.at))

    async def listed(self) -> list[tuple[str, str, int, str | None]]:
        """(event, state, attempts, problem), the oldest first."""
        async with reading(self.engine) as connection:
            found = await list_deliveries(connection, 1000)
        return [(one.event, one.state, one.attempts, one.problem) for one in reversed(found)]


def hook(server: WebhookServer, *events: str, name: str = "team", **keys: Any) -> NotifySettings:
    chosen = {"events": events} if events else {}
    return NotifySettings.model_validate(
        {"name": name, "url": server.url, "secret": "env:HOOK_SECRET", **chosen, **keys}
    )


async def desk_of(engine: Engine, *targets: NotifySettings) -> Desk:
    """Its first turn is done: what happens from now on is announced."""
    desk = Desk(engine, *targets)
    await desk.turn()
    return desk
