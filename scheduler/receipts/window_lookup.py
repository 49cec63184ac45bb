"""Ask providers until when people's windows are open, for messages whose form depends on it."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final

from campaigns.errors import DrumbeatError
from scheduler.sending.lanes import Lane
from storage.database.engine import Engine, reading, writing
from storage.sending.windows import (
    PROVIDER,
    UNANSWERED,
    Opening,
    extend_windows,
    unknown_windows,
    wake_waiting,
)

logger = logging.getLogger(__name__)

AT_ONCE: Final = 200
"""People asked about before their answers are stored."""
CALLS: Final = 16
"""Questions under way at once; the account's rate holds them back as it does sends."""


async def ask_windows(engine: Engine, lane: Lane, stop: asyncio.Event) -> None:
    """Ask about everybody on the lane for whom a message waits for it, and wake those messages."""
    while not stop.is_set():
        async with reading(engine) as connection:
            phones = await unknown_windows(connection, lane.name, AT_ONCE)
        if not phones or not await _ask_all(engine, lane, phones):
            return


async def _ask_all(engine: Engine, lane: Lane, phones: list[str]) -> bool:
    """False where the provider answers so seldom that it is better asked later."""
    turns = asyncio.Semaphore(CALLS)
    answers = await asyncio.gather(*(_ask(lane, phone, turns) for phone in phones))
    now = lane.now()
    failed = sum(isinstance(answer, DrumbeatError) for answer in answers)
    if failed > len(phones) / 2:
        logger.warning("%s does not tell windows.", lane.name, extra={"action": "windows_not_told"})
        return False
    openings = [_opening(lane, phone, answer, now) for phone, answer in zip(phones, answers, strict=True)]
    async with writing(engine) as connection:
        await extend_windows(connection, openings, now)
        await wake_waiting(connection, [(lane.name, phone) for phone in phones], now)
    return True


async def _ask(lane: Lane, phone: str, turns: asyncio.Semaphore) -> datetime | DrumbeatError | None:
    async with turns:
        try:
            return await lane.adapter.window(lane.http, lane.sender, phone)
        except DrumbeatError as error:
            return error


def _opening(lane: Lane, phone: str, answer: datetime | DrumbeatError | None, now: datetime) -> Opening:
    """What is not open, or not told, is kept as closed by now."""
    if isinstance(answer, DrumbeatError):
        return Opening(phone, lane.name, now, UNANSWERED)
    return Opening(phone, lane.name, max(answer or now, now), PROVIDER)
