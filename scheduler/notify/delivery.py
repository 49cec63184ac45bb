"""Delivers what waits for one target: the oldest first, each noted before it is tried, so that a kill loses none.

A receiver may get one twice, where its answer was lost: it recognises it by its id.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from campaigns.errors import DrumbeatError
from campaigns.notify_events import NotifyEvent
from campaigns.time.clock import Now
from providers.notify.outcome import Undelivered
from providers.notify.services import send_by_service
from providers.notify.settings import NotifySettings
from providers.notify.webhook import post_signed
from scheduler.notify.messages import Facts, Notification, notification
from storage.database.engine import Connection, Engine, reading, writing
from storage.notify.deliveries import (
    Delivery,
    begin_attempt,
    next_deliveries,
    store_delivered,
    store_problem,
)
from storage.runs.job_counts import count_states
from storage.views.conditions import doubtful_phones

logger = logging.getLogger(__name__)

MOST: Final = 50
"""Deliveries to one target in one turn."""
LEASE: Final = timedelta(seconds=60)
"""Longer than any attempt takes: one that was cut off is made again after it."""
FIRST_RETRY: Final = 10.0
LONGEST_RETRY: Final = 3600.0
"""Seconds after the first failure; they double with each, up to the longest."""
ATTEMPTS: Final = 80
"""The most attempts: three days."""
PATIENCE: Final = 3.0
"""Seconds for which an attempt under way may go on after a stop: cut off, it would be made again."""
PHONES: Final = 10
"""The most numbers that are named."""
LOG_EVERY: Final = 60.0
"""Seconds between two lines of the log about one target."""


@dataclass
class Target:
    """One [[notify]] table at work."""

    settings: NotifySettings
    public_url: str | None = None
    logged_at: float | None = field(default=None)

    @property
    def name(self) -> str:
        return self.settings.name

    def warn(self, problem: str) -> None:
        """In the log, once a minute at most."""
        if self.logged_at is None or time.monotonic() - self.logged_at >= LOG_EVERY:
            self.logged_at = time.monotonic()
            ids = {"action": "notify_failed", "target": self.name}
            logger.warning("%s could not be notified: %s", self.name, problem, extra=ids)


async def deliver_waiting(engine: Engine, target: Target, now: Now, stop: asyncio.Event) -> int:
    """Deliver what waits, until a stop, or until one fails: then the rest waits for the next turn. How many were
    delivered."""
    delivered = 0
    while delivered < MOST:
        async with reading(engine) as connection:
            waiting = await next_deliveries(connection, target.name, now(), MOST - delivered)
        if not waiting:
            break
        for delivery in waiting:
            if stop.is_set() or not await _deliver(engine, target, delivery, now, stop):
                return delivered
            delivered += 1
    return delivered


async def _deliver(engine: Engine, target: Target, delivery: Delivery, now: Now, stop: asyncio.Event) -> bool:
    """Whether it was delivered; False also where another process has it, or a stop cut it off."""
    async with writing(engine) as connection:
        if not await begin_attempt(connection, delivery, now() + LEASE):
            return False
    async with reading(engine) as connection:
        facts = await _facts(connection, target.settings, delivery)
    words = notification(delivery, facts, target.public_url)
    attempt = asyncio.ensure_future(send(target.settings, words, now()))
    if not await _ends(attempt, stop):
        return False
    failure = attempt.result()
    async with writing(engine) as connection:
        if failure is None:
            await store_delivered(connection, delivery.id, now())
        else:
            again_at = _again_at(delivery.attempts + 1, failure, now())
            await store_problem(connection, delivery.id, failure.problem, again_at, now())
    if failure is not None:
        target.warn(failure.problem)
    return failure is None


async def _ends(attempt: asyncio.Future[Undelivered | None], stop: asyncio.Event) -> bool:
    """Wait for the attempt, after a stop only PATIENCE longer; False where it was cut off."""
    stopping = asyncio.ensure_future(stop.wait())
    both: set[asyncio.Future[Any]] = {attempt, stopping}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not attempt.done():
            await asyncio.wait({attempt}, timeout=PATIENCE)
        return attempt.done()
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)


async def _facts(connection: Connection, settings: NotifySettings, delivery: Delivery) -> Facts:
    if delivery.run_id is None:
        return Facts({})
    doubtful = delivery.event == NotifyEvent.IN_DOUBT and settings.phones
    return Facts(
        await count_states(connection, [delivery.run_id]) if delivery.event == NotifyEvent.FINISHED else {},
        await doubtful_phones(connection, delivery.run_id, PHONES) if doubtful else (),
    )


async def send(settings: NotifySettings, words: Notification, now: datetime) -> Undelivered | None:
    """One attempt; None: it was taken. Raises nothing."""
    try:
        if settings.apprise is not None:
            return await send_by_service(settings.apprise, words.title, words.text)
        if settings.url is not None and settings.secret is not None:
            return await post_signed(settings.url, settings.secret, words.event, words.uid, words.body, now)
    except DrumbeatError as error:
        return Undelivered(str(error))
    return Undelivered("Its table names no receiver.")


def _again_at(attempts: int, failure: Undelivered, now: datetime) -> datetime | None:
    """When it is tried again after so many attempts; None: never."""
    if attempts >= ATTEMPTS:
        return None
    pause = min(FIRST_RETRY * 2 ** min(attempts - 1, 20), LONGEST_RETRY)
    return now + timedelta(seconds=max(pause, min(failure.retry_after or 0.0, LONGEST_RETRY)))
