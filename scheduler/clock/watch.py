"""What a runner sees of its own progress, and whether anything is left to do now."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from campaigns.rules.decision import Rule
from campaigns.states import LEFT, JobState, RunState
from campaigns.time.clock import Now
from scheduler.clock.progress import LANE_PAUSED, NO_SENDER, OWN_TIME, PACING, Left, RunSummary, Snapshot
from scheduler.sending.deciding import NEVER
from scheduler.sending.lanes import Lane
from scheduler.sending.shift import wait_for_stop
from storage.database.engine import Engine, reading
from storage.runs.runs import count_states, due_campaigns, open_runs
from storage.sending.intents import has_due_work
from storage.sending.lanes import LaneRow, read_lanes
from storage.views.idle_check import Pending, look_ahead, pending_by_rule
from storage.views.overview import held_before_start

LOOK: Final = 0.5
LOOK_SHARE: Final = 0.05
"""Counting may take at most this share of the time: on a large run it is done more seldom."""
OVER_SECONDS: Final = 5.0
LONG_RETRY: Final = timedelta(minutes=1)
"""A retry further off than this waits for the provider to come back: `--until-idle` does not."""

WINDOWS: Final = (Rule.WINDOW, Rule.WINDOW_UNKNOWN)
"""They end when the person writes or the provider answers; the time that is stored is the message's last."""


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
        """Seconds of the last checks: the shortest is what one costs, the others may have waited for something."""

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
            idle_check = await look_ahead(connection, self._lanes.keys(), now)
        if idle_check.sendable or (
            idle_check.retry_at is not None and idle_check.retry_at - now < LONG_RETRY
        ):
            return False
        quiet = time.monotonic() - self._changed_at
        if idle_check.doubtful and quiet < wait_receipts.total_seconds() + self._longest_settling():
            return False
        return not idle_check.awaiting or quiet >= wait_receipts.total_seconds()

    def _longest_settling(self) -> float:
        settling = [lane.account.settings.settle_after for lane in self._lanes.values()]
        return max(settling, default=timedelta()).total_seconds()

    async def summary(self, *, interrupted: bool) -> RunSummary:
        snapshot = await self.look()
        left = () if interrupted else await self._left()
        return RunSummary(snapshot.states, interrupted, snapshot.notices, left)

    async def _left(self) -> tuple[Left, ...]:
        """What waits, by the rule that `why` would name."""
        found: dict[str, Left] = {}
        async with reading(self._engine) as connection:
            lanes = await read_lanes(connection)
            for pending in await pending_by_rule(connection):
                rule, until = self._hold(pending, lanes.get(pending.lane))
                before = found.get(rule, Left(rule, 0, until))
                sooner = min(filter(None, (before.until, until)), default=None)
                found[rule] = Left(rule, before.messages + pending.messages, sooner)
        return tuple(found[rule] for rule in sorted(found))

    def _hold(self, pending: Pending, lane: LaneRow | None) -> tuple[str, datetime | None]:
        """The rule that holds these messages, and until when."""
        now = self._now()
        if pending.run_state is RunState.PAUSED:
            return Rule.RUN_STATE, None
        if pending.lane not in self._lanes:
            return NO_SENDER, None
        if lane is not None and lane.paused(now):
            return LANE_PAUSED, lane.paused_until and max(lane.paused_until, pending.due_at)
        rule = pending.held_by or (OWN_TIME if pending.due_at > now else PACING)
        return rule, None if pending.due_at >= NEVER or rule in WINDOWS else pending.due_at
