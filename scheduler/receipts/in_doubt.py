"""Resolve what is in doubt by asking the provider: found, the job takes the message's id; certainly absent, it may be
sent again. What the provider does not know stays in doubt until a person decides."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.message.content import read_content
from campaigns.outcomes import MAX_ATTEMPTS, Accepted, Refused
from campaigns.rules.decide import may_be_written_to
from providers.adapter import Absent, Call, Doubt, Found, Unseen
from scheduler.sending.breaker import look_at_failures
from scheduler.sending.facts import Claim, gather
from scheduler.sending.lanes import Lane
from scheduler.sending.limits import Tier
from scheduler.sending.pacing import NO_RUN
from scheduler.sending.plans import Plans
from storage.database.engine import Connection, Engine, reading, writing
from storage.database.health import is_outage
from storage.receipts.adopting import adopt
from storage.receipts.receipts import (
    DoubtRow,
    doubts,
    give_up,
    is_claimed,
    known_message_ids,
    send_again,
)
from storage.receipts.statuses import apply_reports
from storage.runs.runs import find_run
from storage.sending.intents import find_job
from storage.sending.lanes import read_lanes

logger = logging.getLogger(__name__)

AT_ONCE: Final = 500
"""Messages looked up in one pass; the next continues after them, and after the last begins again."""
SAME_CLOCK: Final = timedelta(minutes=1)
"""Messages are listed by the provider's time and looked for by ours: beyond this, nothing is certainly absent."""
MOST_FAILURES: Final = 3
"""Lookups that fail before the rest waits for the next pass, which begins after them."""


async def resolve_doubts(engine: Engine, lane: Lane, stop: asyncio.Event) -> int:
    """Look up messages of the lane that have been in doubt long enough for the provider to know; how many resolved.

    One after the other: two doubts about the same recipient must not both take the one message that is found.
    """
    resolved = failures = 0
    settled = lane.now() - lane.account.settings.settle_after
    for doubt in await _next_doubts(engine, lane):
        if stop.is_set() or failures == MOST_FAILURES:
            return resolved
        lane.looked_up_to = doubt.job_id
        if doubt.asked_from > settled or lane.now() < lane.look_after.get(_key(doubt), settled):
            continue
        try:
            resolved += await _resolve(engine, lane, doubt)
        except DrumbeatError as error:
            logger.warning(
                "A message in doubt could not be looked up: %s",
                error,
                extra={"action": "lookup_failed", "lane": lane.name, "job": doubt.job_id},
            )
            failures += 1
        except Exception as error:
            if is_outage(error):
                raise
            _log_fault(lane, doubt, error)
            failures += 1
    return resolved


def _log_fault(lane: Lane, doubt: DoubtRow, error: Exception) -> None:
    """A bug of ours concerns this message alone: try it again later."""
    now = lane.now()
    lane.look_after[_key(doubt)] = now + (now - doubt.asked_from)
    ids = {"action": "lookup_failed", "lane": lane.name, "job": doubt.job_id}
    logger.error("The adapter failed over a message in doubt.", exc_info=error, extra=ids)


async def _next_doubts(engine: Engine, lane: Lane) -> list[DoubtRow]:
    async with reading(engine) as connection:
        following = await doubts(connection, lane.name, AT_ONCE, after=lane.looked_up_to)
        if following or not lane.looked_up_to:
            return following
        return await doubts(connection, lane.name, AT_ONCE)


async def _resolve(engine: Engine, lane: Lane, doubt: DoubtRow) -> bool:
    if lane.adapter.capabilities.idempotent:
        return await _ask_by_sending(engine, lane, doubt)
    async with reading(engine) as connection:
        known = await known_message_ids(connection, doubt.phone)
    content = read_content(doubt.content)
    question = Doubt(doubt.phone, content, doubt.intent_at, known, doubt.reference)
    answer = await lane.adapter.look_up(lane.http, lane.sender, question)
    now = lane.now()
    if isinstance(answer, Absent) and abs(lane.http.ahead) > SAME_CLOCK:
        logger.warning(
            "The provider's clock and ours differ by %s: what it does not list may be there.",
            abs(lane.http.ahead),
            extra={"action": "clocks_differ", "lane": lane.name},
        )
        answer = Unseen()
    if isinstance(answer, Unseen):
        # The longer it is not seen, the more seldom it is looked for.
        lane.look_after[_key(doubt)] = now + (now - doubt.asked_from)
        return False
    async with writing(engine) as connection:
        resolved = await _settle(connection, lane, doubt, answer, now)
    if resolved:
        await look_at_failures(engine, [doubt.job_id], now)
    return resolved


async def _settle(
    connection: Connection, lane: Lane, doubt: DoubtRow, answer: Found | Absent, now: datetime
) -> bool:
    """Store what the provider knows of the message; whether that ends the doubt."""
    match answer:
        case Found(report=report) if await is_claimed(connection, doubt, lane.name, report.message_id):
            return False
        case Found(report=report):
            polls = lane.adapter.capabilities.polls
            adopted = await adopt(connection, lane.account.name, doubt, report.message_id, now, polls=polls)
            await apply_reports(connection, lane.name, [report], "lookup", now)
            return adopted
        case Absent() if doubt.unanswered >= MAX_ATTEMPTS:
            return await give_up(connection, doubt, now)
        case Absent():
            return await send_again(connection, doubt, now)


def _key(doubt: DoubtRow) -> tuple[int, int]:
    return doubt.job_id, doubt.attempts


async def _ask_by_sending(engine: Engine, lane: Lane, doubt: DoubtRow) -> bool:
    """The very same message under the very same key: where the provider has it, this only returns its id.

    Any other answer than an acceptance leaves the doubt: it does not show how the first call ended. So do the rules:
    where the provider does not have it, the message would be sent now.
    """
    if not await _may_be_sent(engine, lane, doubt):
        now = lane.now()
        lane.look_after[_key(doubt)] = now + (now - doubt.asked_from)
        return False
    call = Call(lane.sender, (doubt.phone,), read_content(doubt.content), references=(doubt.reference,))
    prepared = await lane.adapter.prepare(lane.http, call)
    if isinstance(prepared, Refused):
        return False
    await lane.pacer.turn(NO_RUN)
    reply = await lane.http.exchange(lane.adapter.build(prepared), lane.pacer.gate(NO_RUN))
    [result] = lane.adapter.read(reply, prepared)
    if not isinstance(result, Accepted):
        return False
    async with writing(engine) as connection:
        if await is_claimed(connection, doubt, lane.name, result.message_id):
            return False
        polls = lane.adapter.capabilities.polls
        return await adopt(connection, lane.account.name, doubt, result.message_id, lane.now(), polls=polls)


async def _may_be_sent(engine: Engine, lane: Lane, doubt: DoubtRow) -> bool:
    """Whether its person may be written to now, and its lane is not paused."""
    async with reading(engine) as connection:
        now, job = lane.now(), await find_job(connection, doubt.job_id)
        run, plan = await find_run(connection, job.run_id), await Plans(lane).of(connection, job.run_id)
        claim = Claim(run, plan, (job,), ())
        known = await gather(connection, lane, Tier(None, lane.account.name, is_counted=False), [claim], now)
        row = (await read_lanes(connection))[lane.name]
    return may_be_written_to(known.facts(claim, job)) and not row.paused(now)
