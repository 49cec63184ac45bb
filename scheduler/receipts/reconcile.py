"""Ask the providers for the status of the messages they took, and move the jobs as far as the answers' rank allows."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.outcomes import retry_delay
from providers.events import Report
from providers.settings import AccountSettings
from scheduler.receipts.provider_signals import handle_failures
from scheduler.sending.breaker import look_at_failures
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.engine import Engine, reading, writing
from storage.database.health import is_outage, is_refusal
from storage.receipts.receipts import Awaited, due_receipts, plan_next_polls
from storage.receipts.statuses import Reached, apply_reports, failed_ones, settle_reached

logger = logging.getLogger(__name__)
_jitter = random.Random()  # noqa: S311

AT_ONCE: Final = 500
"""Messages asked about in one go."""
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a provider's clock may be from ours, besides what its answers show."""


async def reconcile(
    engine: Engine, lane: Lane, *, everything: bool = False, stop: asyncio.Event | None = None
) -> int:
    """Ask about every message of the lane whose time to be asked has come; how many jobs moved.

    `everything`: also those that were to be asked later. A `stop` ends it after the answer under way.
    Raises Unavailable, AccountError.
    """
    asked_up_to = 0
    moved = 0
    now = lane.now()
    horizon = now + timedelta(days=365) if everything else now
    while True:
        async with reading(engine) as connection:
            due = await due_receipts(connection, lane.name, horizon, AT_ONCE, after=asked_up_to)
        if not due:
            return moved
        asked_up_to = due[-1].job_id
        moved += await _ask(engine, lane, due, stop)
        if stop is not None and stop.is_set():
            return moved


async def _ask(engine: Engine, lane: Lane, due: list[Awaited], stop: asyncio.Event | None) -> int:
    skew = CLOCK_SKEW + abs(lane.http.ahead)
    since = min(awaited.accepted_at for awaited in due) - skew
    until = max(awaited.accepted_at for awaited in due) + skew
    ids = [awaited.message_id for awaited in due]
    moved = 0
    async for reports in lane.adapter.poll(lane.http, lane.sender, ids, since, until):
        moved += await _apply(engine, lane, reports)
        if stop is not None and stop.is_set():
            return moved
    async with writing(engine) as connection:
        await plan_next_polls(connection, due, lane.now())
    return moved


async def _apply(engine: Engine, lane: Lane, reports: Sequence[Report]) -> int:
    """Apply them together; where the database refuses them, by halves, until the one refused is alone."""
    now = lane.now()
    unsettled: list[Reached] = []
    try:
        async with writing(engine) as connection:
            moved = await apply_reports(connection, lane.name, reports, "poll", now, unsettled)
            await handle_failures(connection, lane.account, reports, now, unsettled)
            await settle_reached(connection, unsettled, now)
    except Exception as error:
        if not await is_refusal(engine, error):
            raise
        if len(reports) > 1:
            middle = len(reports) // 2
            return await _apply(engine, lane, reports[:middle]) + await _apply(engine, lane, reports[middle:])
        logger.error(
            "A receipt could not be stored; the others are.",
            exc_info=error,
            extra={"action": "receipt_refused", "lane": lane.name},
        )
        return 0
    await look_at_failures(engine, failed_ones(unsettled), now)
    return moved


async def reconcile_quietly(engine: Engine, lane: Lane, stop: asyncio.Event) -> int:
    """As `reconcile`, for the clock: a provider that does not answer is asked again later, and ever more seldom."""
    if time.monotonic() < lane.ask_after:
        return 0
    try:
        moved = await reconcile(engine, lane, stop=stop)
        lane.receipts_failed = 0
        return moved
    except Exception as error:
        if is_outage(error):
            raise
        lane.receipts_failed += 1
        lane.ask_after = time.monotonic() + retry_delay(lane.receipts_failed, None, _jitter).total_seconds()
        ids = {"action": "poll_failed", "lane": lane.name}
        if isinstance(error, DrumbeatError):
            logger.warning("Receipts could not be fetched: %s", error, extra=ids)
        else:
            logger.error("The adapter failed over receipts.", exc_info=error, extra=ids)
        return 0


async def poll_once(engine: Engine, accounts: Mapping[str, AccountSettings]) -> int:
    """One polling pass now over every lane of these accounts; how many jobs moved."""
    lanes = open_lanes(accounts)
    try:
        polled = [lane for lane in lanes.values() if lane.adapter.capabilities.polls]
        return sum([await reconcile(engine, lane, everything=True) for lane in polled])
    finally:
        await close_lanes(lanes)
