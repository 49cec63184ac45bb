"""The duty that notifies people: find what is worth it, decide who is to know, deliver. What fails holds up nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from campaigns.frozen import frozen
from campaigns.time.clock import Now
from providers.notify.settings import NotifySettings
from scheduler.clock.supervision import do_part
from scheduler.notify.conditions import DOUBTFUL_FOR, find_conditions
from scheduler.notify.delivery import Target, deliver_waiting
from scheduler.sending.lanes import Lane
from storage.database.engine import Engine, reading, writing
from storage.notify.deliveries import (
    Subscription,
    any_unplanned,
    known_targets,
    plan_deliveries,
    store_targets,
)
from storage.notify.events import differs_from, forget_old, store_found

LAST: Final = 10.0
"""Seconds that a runner which has nothing left to do stays for the last deliveries."""
KEPT: Final = timedelta(days=90)
"""How long what was announced is kept."""
DAY: Final = timedelta(days=1)


@frozen
class NotifyPlan:
    """Whom to notify."""

    targets: Sequence[NotifySettings] = ()
    public_url: str | None = None
    """The address of the pages."""


class Notifier:
    """Notifies the targets of one clock."""

    def __init__(
        self, engine: Engine, plan: NotifyPlan, lanes: Mapping[str, Lane], stop: asyncio.Event, now: Now
    ) -> None:
        self._engine = engine
        self._targets = [Target(settings, plan.public_url) for settings in plan.targets]
        self._lanes = lanes
        self._stop = stop
        self._now = now
        self._subscriptions = [
            Subscription(each.name, [event.value for event in each.events], each.rejects_above)
            for each in plan.targets
        ]
        self._wanted = frozenset(event for each in plan.targets for event in each.events)
        self._known = False
        """Whether the database knows the targets."""
        self._forgot_at: datetime | None = None

    async def notify(self) -> None:
        """One turn, until a stop."""
        await self._turn(self._stop, DOUBTFUL_FOR)

    async def finish(self) -> None:
        """The last turn of a runner that has nothing left to do: what is in doubt now stays so."""
        stop = asyncio.Event()
        ending = asyncio.get_running_loop().call_later(LAST, stop.set)
        try:
            await do_part("notify", "the last events", self._turn(stop, timedelta()))
        finally:
            ending.cancel()

    async def _turn(self, stop: asyncio.Event, doubtful_for: timedelta) -> None:
        await self._learn_targets()
        if not self._targets:
            return
        await self._find(doubtful_for)
        await self._plan()
        await asyncio.gather(
            *(
                do_part("notify", each.name, deliver_waiting(self._engine, each, self._now, stop))
                for each in self._targets
            )
        )
        await self._forget()

    async def _learn_targets(self) -> None:
        if self._known:
            return
        names = [each.name for each in self._targets]
        async with reading(self._engine) as connection:
            differs = await known_targets(connection) != set(names)
        if differs:
            async with writing(self._engine) as connection:
                await store_targets(connection, names, self._now())
        self._known = True

    async def _find(self, doubtful_for: timedelta) -> None:
        now = self._now()
        above = min(each.settings.rejects_above for each in self._targets)
        async with reading(self._engine) as connection:
            found = await find_conditions(
                connection, self._wanted, self._lanes, above, now, doubtful_for=doubtful_for
            )
            differs = await differs_from(connection, found)
        if differs:
            async with writing(self._engine) as connection:
                await store_found(connection, found, now)

    async def _plan(self) -> None:
        async with reading(self._engine) as connection:
            if not await any_unplanned(connection, self._subscriptions):
                return
        async with writing(self._engine) as connection:
            await plan_deliveries(connection, self._subscriptions, self._now())

    async def _forget(self) -> None:
        now = self._now()
        if self._forgot_at is None or now - self._forgot_at >= DAY:
            self._forgot_at = now
            async with writing(self._engine) as connection:
                await forget_old(connection, now - KEPT)
