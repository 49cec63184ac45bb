"""Send the messages of one run and wait for what becomes of them, without launching or sending anything else.

The runner's lock is held meanwhile; where a runner is at work already, it sends them and this process only waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from campaigns.errors import Locked
from campaigns.rules.caps import Cap
from campaigns.states import AWAITING_RECEIPT, FINAL, JobState
from campaigns.time.clock import Now, SteadyClock
from providers.http.client import Transport
from providers.settings import AccountSettings
from scheduler.clock.locks import Hold, runner_lock
from scheduler.engines.lane_executor import LaneExecutor
from scheduler.engines.presence import Presence
from scheduler.engines.shared_clock import shared_clock
from scheduler.receipts.reconcile import reconcile_quietly
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.engine import Engine, reading, writing
from storage.database.origin import refuse_copy
from storage.runs.side_runs import RunMessage, messages_of_run
from storage.sending.lanes import read_lanes

LOOK: Final = 0.25
"""Seconds between two looks at the messages."""
LONGEST: Final = timedelta(minutes=2)
"""How long to try before the messages are left to the next runner."""
RECEIPTS: Final = timedelta(seconds=10)
"""How long to wait for the receipt of a message that the provider has accepted."""
ENDED: Final = FINAL | {JobState.IN_DOUBT}


async def send_run(
    engine: Engine,
    accounts: Mapping[str, AccountSettings],
    run_id: int,
    *,
    default_caps: tuple[Cap, ...] = (),
    longest: timedelta = LONGEST,
    receipts: timedelta = RECEIPTS,
    transport: Transport | None = None,
) -> list[RunMessage]:
    """The run's messages once they have ended, or have waited long enough. Raises UsageError where a secret is missing,
    Stopped where the database is a copy."""
    now = await shared_clock(engine) if engine.dialect.name == "postgresql" else SteadyClock()
    lanes = open_lanes(accounts, default_caps=default_caps, transport=transport, now=now)
    waiting = _Waiting(engine, run_id, longest.total_seconds(), receipts.total_seconds(), now)
    try:
        while not await waiting.is_over():
            with suppress(Locked):  # a runner is at work: it sends them
                async with runner_lock(engine) as hold:
                    await _send(engine, lanes, hold, waiting, now)
            await asyncio.sleep(LOOK)
    finally:
        await close_lanes(lanes)
    return list(waiting.messages)


class _Waiting:
    """The run's messages as last read, and whether to wait on."""

    def __init__(self, engine: Engine, run_id: int, longest: float, receipts: float, now: Now) -> None:
        self.run_id = run_id
        self._now = now
        self.messages: Sequence[RunMessage] = ()
        self._engine = engine
        self._until = time.monotonic() + longest
        self._receipts = receipts
        self._accepted_since: float | None = None

    async def is_over(self) -> bool:
        async with reading(self._engine) as connection:
            self.messages = await messages_of_run(connection, self.run_id)
            lanes = await read_lanes(connection)
        paused = {name for name, lane in lanes.items() if lane.paused(self._now())}
        moment = time.monotonic()
        if all(_has_ended(message, paused) for message in self.messages) or moment >= self._until:
            return True
        if not all(message.state in ENDED | AWAITING_RECEIPT for message in self.messages):
            self._accepted_since = None
            return False
        self._accepted_since = self._accepted_since or moment
        return moment - self._accepted_since >= self._receipts


def _has_ended(message: RunMessage, paused: Collection[str]) -> bool:
    """Whether nothing is to be waited for: what did not reach the provider, or is paused, a runner sends later."""
    is_held = message.attempts > 0 or message.lane in paused or message.run_paused
    return message.state in ENDED or (message.state is JobState.PENDING and is_held)


async def _send(engine: Engine, lanes: Mapping[str, Lane], hold: Hold, waiting: _Waiting, now: Now) -> None:
    """Work the lanes of the run's messages until the wait is over or the lock is lost."""
    async with writing(engine) as connection:
        await refuse_copy(connection, engine)
    stop = asyncio.Event()
    holder = Presence(engine, "test", now).name
    executor = LaneExecutor(
        engine,
        holder,
        stop,
        held=lambda: hold.held,
        no_other_runner=lambda: hold.held and hold.settled,
        only_run=waiting.run_id,
    )
    while hold.held and not await waiting.is_over():
        for name in sorted({message.lane for message in waiting.messages} & lanes.keys()):
            if any(message.state is JobState.PENDING for message in waiting.messages if message.lane == name):
                await executor.work(lanes[name])
            if lanes[name].adapter.capabilities.polls:
                await reconcile_quietly(engine, lanes[name], stop)
        await asyncio.sleep(LOOK)
