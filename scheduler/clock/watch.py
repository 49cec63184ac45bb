"""What a runner sees of its own progress, and whether anything is left to do now."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from campaigns.frozen import frozen
from campaigns.states import LEFT, JobState, RunState
from campaigns.time.clock import NEVER, Now
from scheduler.clock.holds import holds_by_campaign, together
from scheduler.clock.progress import CampaignSummary, Ended, Left, RunSummary, Snapshot, Upcoming
from scheduler.clock.variants import any_test_just_over
from scheduler.sending.lanes import Lane
from scheduler.sending.shift import wait_for_stop
from storage.database.changes import Changes, Look
from storage.database.engine import Connection, Engine, reading
from storage.runs.job_counts import count_states
from storage.runs.runs import OPEN, RunRow, due_campaigns, next_nominal, runs_open_since
from storage.sending.coming import next_moment
from storage.sending.intents import has_due_work
from storage.sending.lanes import LaneRow, read_lanes
from storage.views.campaign_status import next_run, runs_of_campaigns
from storage.views.idle_check import look_ahead
from storage.views.overview import held_before_start

LOOK: Final = 0.5
LOOK_SHARE: Final = 0.05
"""Counting may take at most this share of the time: on a large run it is done more seldom."""
OVER_SECONDS: Final = 5.0
HELD_EVERY: Final = 5.0
"""Seconds between two looks at what holds the messages that wait."""
LONG_RETRY: Final = timedelta(minutes=1)
"""A retry further off than this waits for the provider to come back: `--until-idle` does not."""


@frozen
class _Seen:
    """What the last look has found, besides numbers."""

    paused_runs: tuple[RunRow, ...] = ()
    held_before_start: tuple[tuple[str, str | None], ...] = ()
    lanes: tuple[LaneRow, ...] = ()
    unserved: tuple[str, ...] = ()
    """Lanes with messages to send that are not in the settings."""
    upcoming: Upcoming | None = None

    def notices(self, now: datetime) -> tuple[str, ...]:
        notices = [f"{run.name} is paused: {run.reason}" for run in self.paused_runs]
        notices += [f"{name} is paused: {reason}" for name, reason in self.held_before_start]
        notices += [f"{lane.name} is paused: {lane.paused_reason}" for lane in self.lanes if lane.paused(now)]
        notices += [
            f"{name} is not in drumbeat.toml: its messages wait until it is." for name in self.unserved
        ]
        return tuple(notices)


class Watch:
    """Counts, paces and notices for the progress display; idleness for `--until-idle`."""

    def __init__(self, engine: Engine, lanes: Mapping[str, Lane], now: Now, changes: Changes) -> None:
        self._engine = engine
        self._looking = Look(changes, now)
        self._lanes = lanes
        self._now = now
        self._looked_at = now()
        """The last time, or when it began."""
        self._runs: set[int] = set()
        self._open: dict[int, str] = {}
        """Runs that were open at the last look, and their campaigns."""
        self._seen = _Seen()
        self._untold: tuple[Ended, ...] = ()
        """Runs that have ended and of which no snapshot has told yet."""
        self._held: tuple[Left, ...] = ()
        self._held_at = time.monotonic()
        self._states: dict[JobState, int] = {}
        self._sent: deque[tuple[float, int]] = deque()
        self._changed_at = time.monotonic()
        self._took = deque([0.0], maxlen=3)
        """Seconds of the last checks: the shortest is what one costs, the others may have waited for something."""

    async def look(self) -> Snapshot:
        """Progress of the runs that were open since this runner began."""
        await self._looking.repeat(self._read)
        snapshot = self._snapshot(self._seen.notices(self._now()))
        held = await self._held_now(snapshot)
        ended, self._untold = self._untold, ()
        return replace(snapshot, held=held, ended=ended, upcoming=self._seen.upcoming)

    async def _read(self) -> datetime:
        """When that may change, if nothing is committed before."""
        began = time.monotonic()
        looked_at = self._now()
        async with reading(self._engine) as connection:
            known = await runs_open_since(connection, self._looked_at)
            opened = [run for run in known if run.state in OPEN]
            now_open = {run.id: run.name for run in opened if not run.is_test}
            ended = await self._ended(connection, known, now_open)
            seen = self._runs | {run.id for run in known}
            states = await count_states(connection, sorted(seen))
            lanes = await read_lanes(connection)
            unknown = [name for name in lanes if name not in self._lanes]
            held = await held_before_start(connection, self._now())
            unserved = [name for name in unknown if await has_due_work(connection, name, self._now())]
            upcoming = await next_run(connection, self._now())
            until = await next_nominal(connection, looked_at) or NEVER
            if unknown:
                until = min(until, await next_moment(connection, looked_at))
        self._seen = _Seen(
            tuple(run for run in opened if run.state is RunState.PAUSED),
            tuple(held),
            tuple(lanes[name] for name in self._lanes),
            tuple(unserved),
            Upcoming(*upcoming) if upcoming else None,
        )
        self._untold += ended
        self._looked_at, self._runs, self._open = looked_at, seen, now_open
        self._took.append(time.monotonic() - began)
        if states != self._states:
            self._states, self._changed_at = states, time.monotonic()
        return until

    async def _ended(
        self, connection: Connection, known: Sequence[RunRow], now_open: Mapping[int, str]
    ) -> tuple[Ended, ...]:
        """The runs that were open at the last look, or have begun since, and are over."""
        begun = {run.id: run.name for run in known if run.id not in self._runs and not run.is_test}
        ended = [
            Ended(name, _by_name(await count_states(connection, [run_id])))
            for run_id, name in (self._open | begun).items()
            if run_id not in now_open
        ]
        return tuple(ended)

    async def _held_now(self, snapshot: Snapshot) -> tuple[Left, ...]:
        """What waits, looked up anew every few seconds, and only while nothing is sent."""
        if snapshot.sent_per_second or not snapshot.states.get(JobState.PENDING):
            return ()
        if time.monotonic() - self._held_at >= HELD_EVERY:
            self._held_at = time.monotonic()
            async with reading(self._engine) as connection:
                held = await holds_by_campaign(connection, self._lanes.keys(), self._now())
            self._held = together(list(held.values()))
        return self._held

    def _snapshot(self, notices: tuple[str, ...]) -> Snapshot:
        sent = sum(
            number for state, number in self._states.items() if state in LEFT or state is JobState.FAILED
        )
        pace = self._pace(sent)
        waiting = self._states.get(JobState.PENDING, 0)
        return Snapshot(
            at=self._now(),
            total=sum(self._states.values()),
            states=_by_name(self._states),
            sent_per_second=pace,
            eta_seconds=waiting / pace if pace else None,
            notices=notices,
        )

    def _pace(self, sent: int) -> float:
        moment = time.monotonic()
        self._sent.append((moment, sent))
        while moment - self._sent[0][0] > OVER_SECONDS and len(self._sent) > 2:
            self._sent.popleft()
        since, before = self._sent[0]
        return max(0, sent - before) / (moment - since) if moment > since else 0.0

    async def pause(self, stop: asyncio.Event) -> None:
        """Until the next look."""
        await wait_for_stop(stop, max(LOOK, min(self._took) / LOOK_SHARE))

    async def idle(self, wait_receipts: timedelta) -> bool:
        """Whether nothing can be sent or retried now, and receipts and doubts have had their time."""
        now = self._now()
        async with reading(self._engine) as connection:
            if await due_campaigns(connection, now) or await any_test_just_over(connection, now, LONG_RETRY):
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
        async with reading(self._engine) as connection:
            held = await holds_by_campaign(connection, self._lanes.keys(), self._now())
            known = await runs_of_campaigns(connection, sorted(self._runs))
            campaigns = [
                CampaignSummary(
                    one.name,
                    one.state,
                    one.reason,
                    _by_name(await count_states(connection, one.run_ids)),
                    () if interrupted else held.get(one.name, ()),
                    one.next_at,
                )
                for one in known
            ]
        left = () if interrupted else together(list(held.values()))
        return RunSummary(snapshot.states, interrupted, snapshot.notices, left, tuple(campaigns))


def _by_name(states: Mapping[JobState, int]) -> dict[str, int]:
    return {state.value: number for state, number in states.items()}
