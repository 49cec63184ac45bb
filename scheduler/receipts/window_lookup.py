"""Ask providers until when people's windows are open, for messages whose form depends on it.

A question uses up the account's rate as a message does. So no person is asked about twice while the answer is fresh,
and only a few people more are asked about than messages can be sent: sending comes first.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.outcomes import retry_delay
from campaigns.phones.user_ids import user_id_in
from scheduler.sending.facts import FRESH
from scheduler.sending.lanes import Lane
from storage.database.engine import Engine, reading, writing
from storage.receipts.user_ids import numbers_of_placeholders
from storage.sending.windows import (
    PROVIDER,
    UNANSWERED,
    Opening,
    count_answered,
    extend_windows,
    unknown_windows,
    wake_answered,
    wake_waiting,
)

logger = logging.getLogger(__name__)
_jitter = random.Random()  # noqa: S311

AT_ONCE: Final = 200
"""People asked about before their answers are stored."""
AHEAD: Final = 2.0
"""Seconds for which the lane has messages to send whose windows are known: no more people are asked about ahead."""
CALLS: Final = 16
"""Questions under way at once; the account's rate holds them back as it does sends."""


async def ask_windows(engine: Engine, lane: Lane) -> None:
    """Ask about the next people on the lane for whom a message waits for it, and wake those messages."""
    if time.monotonic() < lane.ask_windows_after:
        return
    now = lane.now()
    known_since = now - FRESH
    most = max(1, min(AT_ONCE, math.ceil(min(AT_ONCE, lane.pacer.pace * AHEAD))))
    async with reading(engine) as connection:
        answered, asleep = await count_answered(connection, lane.name, known_since, now)
        left = most - answered
        phones = await unknown_windows(connection, lane.name, known_since, now, left) if left > 0 else []
    if asleep:
        async with writing(engine) as connection:
            await wake_answered(connection, lane.name, known_since, now)
    if phones:
        await _ask_all(engine, lane, phones)


async def _ask_all(engine: Engine, lane: Lane, phones: Sequence[str]) -> None:
    """Where the provider answers so seldom that it is better asked later, it is asked ever more seldom."""
    turns = asyncio.Semaphore(CALLS)
    async with reading(engine) as connection:
        numbers = await numbers_of_placeholders(connection, phones)
    known = [numbers.get(phone, phone) for phone in phones]
    answers = await asyncio.gather(*(_ask(lane, phone, turns) for phone in known))
    now = lane.now()
    failed = sum(isinstance(answer, Exception) for answer in answers)
    if failed > len(phones) / 2:
        lane.windows_failed += 1
        lane.ask_windows_after = (
            time.monotonic() + retry_delay(lane.windows_failed, None, _jitter).total_seconds()
        )
        logger.warning("%s does not report windows.", lane.name, extra={"action": "windows_not_reported"})
        return
    lane.windows_failed = 0
    openings = [
        _opening(lane, name, answer, now)
        for phone, number, answer in zip(phones, known, answers, strict=True)
        for name in {phone, number}
    ]
    async with writing(engine) as connection:
        await extend_windows(connection, openings, now)
        await wake_waiting(connection, [(lane.name, phone) for phone in phones], now)


async def _ask(lane: Lane, phone: str, turns: asyncio.Semaphore) -> datetime | Exception | None:
    if user_id_in(phone) is not None:
        return None  # a provider's list of conversations is asked by number
    async with turns:
        try:
            return await lane.adapter.window(lane.http, lane.sender, phone)
        except DrumbeatError as error:
            return error
        except Exception as error:
            ids = {"action": "adapter_failed", "lane": lane.name}
            logger.error("The adapter failed over a window.", exc_info=error, extra=ids)
            return error


def _opening(lane: Lane, phone: str, answer: datetime | Exception | None, now: datetime) -> Opening:
    """What is not open, or not answered, is stored as closed by now."""
    if isinstance(answer, Exception):
        return Opening(phone, lane.name, now, UNANSWERED)
    return Opening(phone, lane.name, max(answer or now, now), PROVIDER)
