"""How fast a lane may go: every limit composed, the tightest wins, and a stall is never followed by a burst.

A `Pacer` asks all limits of a send together, and takes from all of them only when each has room,
so that no token is drawn early and spent late. It does so twice: a call's turn starts it on its way, and `ExitGate`
holds the limits once more where its request is written, since calls are not equally fast on their way there.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from campaigns.time.pace import Rate
from scheduler.sending.slot_lead import SlotLead
from storage.sending.rate_slots import FARTHEST, LATE, slot_spacing

if TYPE_CHECKING:
    from scheduler.sending.buckets import Bucket, Limit

SLICE: Final = 0.1
"""Seconds worth of sends that one slice commits ahead."""
IN_LINE: Final = 2.75 * SLICE
"""Seconds after its slice is opened by which a call should have left: three quarters of the slice before may be in
front, and a slice's worth may wait to leave."""
LARGEST_SLICE: Final = 200
"""Messages; more than 100 only on a lane that may send more than 1,000 a second, which no number of WhatsApp's may."""
SHORTEST_GAP: Final = timedelta(milliseconds=1)
TICK: Final = 1e-6
"""Seconds; a shorter sleep may not move the clock at all."""
NO_RUN: Final = 0
"""Asks for a turn under the lane's and the account's limits only."""


class RateSlots:
    """A lane's part of a rate that several processes share: moments given to it, each good for LATE and then lost."""

    def __init__(self, rate: Rate, exit_: Bucket, lead: SlotLead) -> None:
        self.lead = lead
        self.exit = exit_
        """What leaves this process keeps to the whole rate."""
        self.per_second = 1 / slot_spacing(rate).total_seconds()
        self._moments: deque[float] = deque()
        self._again = 0.0

    def give(self, moments: Iterable[float], again: float) -> None:
        """The slots of the next slice, by the monotonic clock; `again`: when to ask where there is none."""
        self._moments.extend(moments)
        self._again = again

    @property
    def left(self) -> int:
        """How many there still are."""
        return self.left_after(timedelta())

    def left_after(self, wait: timedelta) -> int:
        """How many can be used by who has to wait for so long first; the others are lost."""
        late = time.monotonic() + (wait - LATE).total_seconds()
        while self._moments and self._moments[0] < late:
            self._moments.popleft()
        return len(self._moments)

    @property
    def reach(self) -> timedelta:
        """How long from now the last one may be used."""
        if not self._moments:
            return timedelta()
        return timedelta(seconds=max(0.0, self._moments[-1] - time.monotonic())) + LATE

    def ready_in(self) -> float:
        moment = self._moments[0] if self.left else self._again
        return max(0.0, moment - time.monotonic())

    def take(self) -> None:
        self._moments.popleft()

    def prime(self, idle: float) -> None:
        """What was granted before belongs to an earlier shift."""
        self._moments.clear()
        self.exit.prime(idle)


class Ranked(Protocol):
    """A run and its priority, for the order of turns."""

    @property
    def id(self) -> int: ...
    @property
    def priority(self) -> int: ...


R = TypeVar("R", bound=Ranked)


@dataclass(slots=True)
class _Run:
    """All limits of a run's sends, and those of its calls that wait to leave, in the order in which they came."""

    limits: list[Limit]
    exits: list[Bucket]
    """The same for requests that are written."""
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Pacer:
    """The limits of one lane: its own and its account's for every send, and those of the run that sends."""

    def __init__(
        self,
        shared: Iterable[Limit | None],
        dice: random.Random | None = None,
        slots: RateSlots | None = None,
    ) -> None:
        self.slots = slots
        self._dice = dice or random.Random()  # noqa: S311
        self._shared = [bucket for bucket in shared if bucket is not None]
        self._runs: dict[int, _Run] = {}
        self._no_run = self._limited([])
        self._turns: dict[int, int] = {}
        """Which turn of the lane was the run's last: the least recent goes first."""
        self._turn = 0

    def prime(self, idle: float) -> None:
        """Start the lane's limits where the last send, `idle` seconds ago, left them."""
        for bucket in self._shared:
            bucket.prime(idle)
        if self.slots is not None:
            self.slots.prime(idle)

    def admit(
        self, run_id: int, gap: timedelta, rate: Rate | None, idle: float, jitter: timedelta = timedelta()
    ) -> None:
        """Make a run's own limits known; `idle` is how long ago it last sent on the lane, in seconds."""
        if run_id not in self._runs:
            from scheduler.sending.buckets import gap_bucket, rate_bucket

            own = [
                bucket
                for bucket in (gap_bucket(gap, jitter, self._dice), rate_bucket(rate))
                if bucket is not None
            ]
            for bucket in own:
                bucket.prime(idle)
            self._runs[run_id] = self._limited(own)

    def _limited(self, own: list[Limit]) -> _Run:
        limits = [*self._shared, *own]
        exits = [limit.exit for limit in limits]
        return _Run(limits, [*exits, self.slots.exit] if self.slots else exits)

    def knows(self, run_id: int) -> bool:
        """Whether the run's own limits are known."""
        return run_id in self._runs

    def forget(self, keep: Iterable[int]) -> None:
        """Drop the limits of runs that have ended."""
        self._runs = {run_id: self._runs[run_id] for run_id in keep if run_id in self._runs}
        self._turns = {run_id: turn for run_id, turn in self._turns.items() if run_id in self._runs}

    def in_turn(self, runs: Sequence[R]) -> list[R]:
        """Higher priority first, and among equals the one that has waited longest for a turn: none starves another."""
        return sorted(runs, key=lambda run: (-run.priority, self._turns.get(run.id, 0)))

    def note_turn(self, run_id: int) -> None:
        """Note that the run has had its turn in a slice."""
        self._turn += 1
        self._turns[run_id] = self._turn

    def ready_in(self, run_id: int) -> float:
        """Seconds until the run may send its next message."""
        waits = [bucket.ready_in() for bucket in self._run(run_id).limits]
        return max([*waits, self.slots.ready_in()] if self.slots else waits, default=0.0)

    def slice_size(self, run_id: int | None = None) -> int:
        """How many messages a slice may hold, of one run or of all: about 100 ms worth, at least one. Of slots, as many
        as there are while a transaction lasts: a lane opens no slice ahead that needs some."""
        buckets = self._shared if run_id is None else self._run(run_id).limits
        paces = [bucket.per_second for bucket in buckets]
        span = SLICE
        if self.slots is not None:
            paces.append(self.slots.per_second)
            span = max(SLICE, self.slots.lead().total_seconds())
        return max(1, min(LARGEST_SLICE, math.floor(min(paces) * span))) if paces else LARGEST_SLICE

    @property
    def pace(self) -> float:
        """The most messages a second, of all runs together; infinite where nothing limits them."""
        paces = [bucket.per_second for bucket in self._shared]
        paces += [self.slots.per_second] if self.slots else []
        own = [
            min([bucket.per_second for bucket in run.limits], default=math.inf) for run in self._runs.values()
        ]
        return min([*paces, max(own, default=math.inf)])

    @property
    def reach(self) -> timedelta:
        """How long from now the last call of a slice may leave that has its slots."""
        return timedelta(seconds=IN_LINE) + (self.slots.reach if self.slots else timedelta())

    @property
    def farthest(self) -> timedelta:
        """How long after its opening a slice's last call may leave, whichever slots it gets."""
        return timedelta(seconds=IN_LINE) + (FARTHEST + LATE if self.slots else timedelta())

    def spacing(self, run_id: int) -> timedelta:
        """The time between two sends of the run that its limits add up to."""
        paces = [bucket.per_second for bucket in self._run(run_id).limits]
        return timedelta(seconds=1 / min(paces)) if paces else timedelta()

    async def turn(self, run_id: int) -> bool:
        """Wait until every limit has room for one more message of the run, then take from all at once.

        False where the account's slots are used up or were missed: the message has to wait for another slice.
        """
        buckets = self._run(run_id).limits
        if not buckets and self.slots is None:
            return True
        while (wait := self._pause(run_id)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(max(wait, TICK))
        if self.slots is not None and not self.slots.left:
            return False
        for bucket in buckets:
            await bucket.acquire()  # has room: does not suspend, so no other call comes between
        if self.slots is not None:
            self.slots.take()
        return True

    def gate(
        self, run_id: int, recipients: int = 1, may_leave: Callable[[], bool] = lambda: True
    ) -> ExitGate:
        """What a request that has had its turns waits at when it is written."""
        return ExitGate(self._run(run_id), recipients, may_leave)

    def _pause(self, run_id: int) -> float:
        """Seconds to wait before the run's next turn."""
        wait = max(_pause(self._run(run_id).limits), self._line_moves_in(run_id))
        return max(wait, self.slots.ready_in()) if self.slots else wait

    def _line_moves_in(self, run_id: int) -> float:
        """Seconds until calls of the run leave, where as many as a slice holds wait to: no more are started."""
        if self._run(run_id).waiting < self.slice_size(run_id):
            return 0.0
        return max(_pause(self._run(run_id).exits), TICK)

    def _run(self, run_id: int) -> _Run:
        return self._runs.get(run_id, self._no_run)


class ExitGate:
    """Holds a request back until all its limits let it leave, in the order of arrival, and asks then whether it still
    may. The next one's wait begins when this one has been written."""

    __slots__ = ("_exits", "_may_leave", "_recipients", "_run")

    def __init__(self, run: _Run, recipients: int, may_leave: Callable[[], bool]) -> None:
        self._run = run
        self._exits = run.exits
        self._recipients = recipients
        self._may_leave = may_leave

    @property
    def counts(self) -> bool:
        return bool(self._exits)

    async def open(self) -> bool:
        if self._exits:
            await self._take_room()
        return self._may_leave()

    async def _take_room(self) -> None:
        run = self._run
        run.waiting += 1
        try:
            async with run.line:
                while (wait := _pause(self._exits)) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(max(wait, TICK))
                for bucket in self._exits:
                    bucket.take(self._recipients)
        finally:
            run.waiting -= 1

    def passed(self) -> None:
        """Count the next one's wait from now."""
        for bucket in self._exits:
            bucket.retake(self._recipients)


def _pause(buckets: Iterable[Bucket]) -> float:
    """Seconds until each is worth trying again."""
    return max((bucket.pause() for bucket in buckets), default=0.0)
