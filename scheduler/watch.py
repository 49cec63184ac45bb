"""What a runner sees of its own progress, and whether anything is left to do now."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from campaigns.clock import Now
from campaigns.states import LEFT, JobState, RunState
from scheduler.lanes import Lane
from scheduler.progress import RunSummary, Snapshot
from scheduler.shift import wait_for_stop
from scheduler.slicing import NEVER
from storage.dispatch import has_due_work
from storage.engine import Engine, reading
from storage.lanes import read_lanes
from storage.outlook import look_ahead
from storage.overview import held_before_start
from storage.runs import count_states, due_campaigns, open_runs

LOOK: Final = 0.5
LOOK_SHARE: Final = 0.05
"""Counting may take at most this share of the time: on a large run it is done more seldom."""
OVER_SECONDS: Final = 5.0
LONG_RETRY: Final = timedelta(minutes=1)
"""A retry further off than this waits for the provider to come back: `--until-idle` does not."""


class Watch:
    """Counts, paces and notices for the progress display; idleness for `--until-idle`."""

    def __init__(self, engine: Engine, lanes: Mapping[str, Lane], now: Now) -> None:
        self._engine = engine
        self._lanes = lanes
        self._now = now
        self._runs: set[int] = set()
        self._states: dict[JobState, int] = {}
        self._gone: deque[tuple[float, int]] = deque()
        self._changed_at = time.monotonic()
        self._took = deque([0.0], maxlen=3)
        """Seconds of the last looks: the shortest tells what one costs, the others may have waited for something."""

    async def look(self) -> Snapshot:
        """Where the runs stand that this runner has seen open."""
        began = time.monotonic()
        async with reading(self._engine) as connection:
            opened = await open_runs(connection)
            self._runs.update(run.id for run in opened)
            states = await count_states(connection, sorted(self._runs))
            lanes = await read_lanes(connection)
            strange = [name for name in lanes if name not in self._lanes]
            held = await held_before_start(connection, self._now())
            strays = [name for name in strange if await has_due_work(connection, name, self._now())]
        self._took.append(time.monotonic() - began)
        if states != self._states:
            self._states, self._changed_at = states, time.monotonic()
        notices = [f"{run.name} is paused: {run.reason}" for run in opened if run.state is RunState.PAUSED]
        notices += [f"{name} is paused: {reason}" for name, reason in held]
        moment = self._now()
        notices += [
            f"{name} is paused: {lanes[name].paused_reason}"
            for name in self._lanes
            if lanes[name].paused(moment)
        ]
        notices += [f"{name} is not in drumbeat.toml: its messages wait until it is." for name in strays]
        return self._snapshot(tuple(notices))

    def _snapshot(self, notices: tuple[str, ...]) -> Snapshot:
        gone = sum(
            number for state, number in self._states.items() if state in LEFT or state is JobState.FAILED
        )
        pace = self._pace(gone)
        waiting = self._states.get(JobState.PENDING, 0)
        return Snapshot(
            at=self._now(),
            total=sum(self._states.values()),
            states={state.value: number for state, number in self._states.items()},
            sent_per_second=pace,
            eta_seconds=waiting / pace if pace else None,
            notices=notices,
        )

    def _pace(self, gone: int) -> float:
        moment = time.monotonic()
        self._gone.append((moment, gone))
        while moment - self._gone[0][0] > OVER_SECONDS and len(self._gone) > 2:
            self._gone.popleft()
        since, before = self._gone[0]
        return max(0, gone - before) / (moment - since) if moment > since else 0.0

    async def pause(self, stop: asyncio.Event) -> None:
        """Until the next look."""
        await wait_for_stop(stop, max(LOOK, min(self._took) / LOOK_SHARE))

    async def idle(self, wait_receipts: timedelta) -> bool:
        """Whether nothing can be sent or retried now, and receipts and doubts have had their time."""
        now = self._now()
        async with reading(self._engine) as connection:
            if await due_campaigns(connection, now):
                return False
            outlook = await look_ahead(connection, self._lanes.keys(), now)
        if outlook.sendable or (outlook.retry_at is not None and outlook.retry_at - now < LONG_RETRY):
            return False
        quiet = time.monotonic() - self._changed_at
        if outlook.doubtful and quiet < wait_receipts.total_seconds() + self._longest_settling():
            return False
        return not outlook.awaiting or quiet >= wait_receipts.total_seconds()

    def _longest_settling(self) -> float:
        settling = [lane.account.settings.settle_after for lane in self._lanes.values()]
        return max(settling, default=timedelta()).total_seconds()

    async def summary(self, *, interrupted: bool) -> RunSummary:
        snapshot = await self.look()
        async with reading(self._engine) as connection:
            retry_at = (await look_ahead(connection, self._lanes.keys(), self._now())).retry_at
        notices = snapshot.notices
        if retry_at is not None and not notices and not interrupted:
            notices = (_next_try(retry_at),)
        return RunSummary(snapshot.states, interrupted, notices)


def _next_try(at: datetime) -> str:
    if at >= NEVER:
        return "What is left waits for somebody's word; drumbeat why NAME PHONE says whose."
    return f"The next message is tried again at {at:%Y-%m-%d %H:%M:%S} UTC."
