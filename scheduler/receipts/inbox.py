"""Process the webhooks that have arrived, in their order: read them through their account's adapter and bring jobs,
windows, opt-outs and notices up to date.

One transaction to a batch applies the webhooks' events and closes them: a crash loses nothing and repeats nothing.

A large webhook is applied in parts, one transaction to each, and the others have their turn between two parts. The last
part closes it. After a crash all of it is applied again, as when the provider repeats it: what counts once counts once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import orjson

from campaigns.errors import DrumbeatError
from campaigns.frozen import frozen
from campaigns.time.clock import Now, utc_now
from campaigns.untrusted import clean
from providers.events import WebhookRequest
from scheduler.receipts.late_prices import price_by_job
from scheduler.receipts.people import name_people
from scheduler.receipts.provider_signals import handle_failures, handle_notices
from scheduler.receipts.webhook_events import EventSorter, ParsedEvents
from scheduler.sending.breaker import look_at_failures
from scheduler.sending.lanes import Account
from scheduler.sending.plans import prices_at
from storage.database.engine import Connection, Engine, reading, undoable, writing
from storage.database.health import is_outage, is_refusal
from storage.receipts.inbound import keep_inbound
from storage.receipts.inbox import (
    StoredWebhook,
    add_notices,
    any_new_webhook,
    is_new,
    new_webhooks,
    next_large_webhook,
    set_aside,
    take_webhooks,
)
from storage.receipts.notices import count_not_understood
from storage.receipts.statuses import (
    Reached,
    apply_unmatched,
    apply_webhook_reports,
    failed_ones,
    settle_reached,
)
from storage.receipts.unmatched import matched_late, stored_reports
from storage.receipts.user_ids import placeholders_of
from storage.runs.replies import any_new_answer, mark_answered
from storage.sending.optouts import add_preferences
from storage.sending.windows import Opening, extend_windows, wake_waiting

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4_000
"""Webhooks in one transaction."""
BYTES_AT_ONCE: Final = 2 * 1024 * 1024
"""Their bodies' size, so that neither the memory nor the time of a batch depends on what is sent to us."""
LARGE: Final = 256 * 1024
"""Bytes of a body from which on it is applied in parts."""
PART: Final = 1_000
"""Events of a large webhook in one transaction."""
LOOK: Final = 1.0
"""Seconds after which the database is checked though nothing arrived here."""
LONGEST_PROBLEM: Final = 500
MOST_NAMED: Final = 20
"""Refused events of one webhook that are named."""
BREATH: Final = 16 * 1024
"""Bytes read before other tasks have a turn on the event loop."""


@frozen
class ReadWebhook:
    """A webhook and its events, or why it could not be read."""

    webhook: StoredWebhook
    parsed: ParsedEvents
    problem: str | None = None


async def process_inbox(engine: Engine, accounts: Mapping[str, Account], *, now: Now = utc_now) -> int:
    """Process every new webhook of the accounts, oldest first; how many there were.

    Raises the database's errors; what is not processed then stays for the next time.
    """
    async with reading(engine) as connection:
        if not await _any_work(connection, accounts):
            return 0
        sorters = await _sorters(connection, accounts)
    done = await _process_small(engine, accounts, sorters, now)
    async for closed in _process_large(engine, accounts, sorters, now):
        done += closed + await _process_small(engine, accounts, sorters, now, batches=1)
    await _match_late(engine, accounts, now())
    await mark_answers(engine)
    return done


async def _any_work(connection: Connection, accounts: Mapping[str, Account]) -> bool:
    return (
        await any_new_webhook(connection, accounts)
        or await any_new_answer(connection)
        or bool(await matched_late(connection))
    )


async def _process_small(
    engine: Engine,
    accounts: Mapping[str, Account],
    sorters: Mapping[str, EventSorter],
    now: Now,
    *,
    batches: int | None = None,
) -> int:
    """Process the new webhooks but the large ones, in their order: all, or so many batches; how many there were."""
    done = 0
    batch = await _read_next(engine, sorters, after=0)
    while batch:
        batches = None if batches is None else batches - 1
        if batches == 0:
            await _process(engine, accounts, batch, now())
            return done + len(batch)
        ahead = asyncio.create_task(_read_next(engine, sorters, after=batch[-1].webhook.id))
        try:
            await _process(engine, accounts, batch, now())
        finally:
            following = await ahead
        done += len(batch)
        batch = following
    return done


async def _process_large(
    engine: Engine, accounts: Mapping[str, Account], sorters: Mapping[str, EventSorter], now: Now
) -> AsyncIterator[int]:
    """Process the large new webhooks, one part at a step: 1 where it was the last part of one, else 0."""
    while True:
        async with reading(engine) as connection:
            webhook = await next_large_webhook(connection, list(sorters), LARGE)
        if webhook is None:
            return
        # Reading it takes seconds, in which the others on the event loop go on.
        one = await asyncio.to_thread(_read, sorters[webhook.account], webhook)
        events = one.parsed.one_by_one()
        parts = [event for event in events if event.is_known_again]
        refused: list[Exception] = []
        for start in range(0, len(parts), PART):
            part = parts[start : start + PART]
            refused += await _apply_one_part(engine, accounts[webhook.account], webhook, part, now())
            yield 0
        once = [event for event in events if not event.is_known_again]
        await _process_one_by_one(engine, accounts, one, now(), once, refused)
        yield 1


async def _apply_one_part(
    engine: Engine, account: Account, webhook: StoredWebhook, part: Sequence[ParsedEvents], now: datetime
) -> list[Exception]:
    """Apply a part of a webhook that is not closed yet; the errors of the events that the database refuses."""
    reached: list[Reached] = []
    async with writing(engine) as connection:
        if not await is_new(connection, webhook.id):
            return []
        refused = await _apply_parts(engine, connection, account, part, now, reached)
    await look_at_failures(engine, failed_ones(reached), now)
    return refused


async def _sorters(connection: Connection, accounts: Mapping[str, Account]) -> dict[str, EventSorter]:
    """The accounts whose webhooks can be read; those of another wait until they can."""
    sorters = {}
    for name, account in accounts.items():
        try:
            sorters[name] = EventSorter(account, await prices_at(connection, account.settings))
        except DrumbeatError as error:
            ids = {"action": "inbox_failed", "account": name}
            logger.error("Webhooks of %s cannot be processed: %s", name, error, extra=ids)
    return sorters


async def keep_processing(
    engine: Engine,
    accounts: Mapping[str, Account],
    arrived: asyncio.Event,
    stop: asyncio.Event,
    *,
    now: Now = utc_now,
) -> None:
    """Process webhooks whenever `arrived` is set, and once more when `stop` is. What another process stored is seen
    within a second."""
    stopping = False
    while not stopping:
        stopping = stop.is_set()
        arrived.clear()
        await process_quietly(engine, accounts, now=now)
        if not stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(arrived.wait(), LOOK)


async def process_quietly(engine: Engine, accounts: Mapping[str, Account], *, now: Now = utc_now) -> int:
    """As `process_inbox`, for the clock: what cannot be processed now is processed later."""
    try:
        return await process_inbox(engine, accounts, now=now)
    except Exception:
        logger.exception("Webhooks could not be processed.", extra={"action": "inbox_failed"})
        return 0


async def _read_next(engine: Engine, sorters: Mapping[str, EventSorter], *, after: int) -> list[ReadWebhook]:
    """The next new webhooks, read; the others have their turns on the event loop meanwhile."""
    async with reading(engine) as connection:
        stored = await new_webhooks(
            connection, list(sorters), AT_ONCE, BYTES_AT_ONCE, after=after, largest=LARGE
        )
    batch = []
    since_breath = 0
    for webhook in stored:
        batch.append(_read(sorters[webhook.account], webhook))
        since_breath += len(webhook.body)
        if since_breath > BREATH:
            since_breath = 0
            await asyncio.sleep(0)
    return batch


def _read(sorter: EventSorter, webhook: StoredWebhook) -> ReadWebhook:
    try:
        request = WebhookRequest(
            webhook.url, orjson.loads(webhook.headers), webhook.body, webhook.received_at
        )
        events = sorter.account.adapter.parse_webhook(request)
        parsed = sorter.sort(events, webhook.received_at)
        return ReadWebhook(webhook, parsed, _problem(request, parsed))
    except Exception as error:
        # Whatever it is, it concerns this webhook alone: the others must go on.
        _log_set_aside(webhook, error)
        return ReadWebhook(
            webhook, ParsedEvents(), clean(f"{type(error).__name__}: {error}", LONGEST_PROBLEM)
        )


def _problem(request: WebhookRequest, parsed: ParsedEvents) -> str | None:
    """What of the webhook could not be read, and why; None where all was."""
    if parsed.unread:
        return clean("; ".join(parsed.unread), LONGEST_PROBLEM)
    if parsed or not request.body.strip():
        return None
    held = request.json()
    if held is None:
        return "The body is not JSON."
    names = ", ".join(held) if isinstance(held, dict) else type(held).__name__
    return clean(f"Nothing in it was taken up; it holds: {names}.", LONGEST_PROBLEM) if held else None


def _log_set_aside(webhook: StoredWebhook, error: Exception) -> None:
    logger.error(
        "A webhook could not be processed completely; it is set aside with its body.",
        exc_info=error,
        extra={"action": "webhook_unprocessable", "webhook": webhook.id, "account": webhook.account},
    )


async def _process(
    engine: Engine, accounts: Mapping[str, Account], batch: Sequence[ReadWebhook], now: datetime
) -> None:
    """Apply a batch; where the database refuses something in it, its halves, until only that one is applied event by
    event."""
    try:
        await _apply(engine, accounts, batch, now)
    except Exception as error:
        if not await is_refusal(engine, error):
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            await _process(engine, accounts, batch[:middle], now)
            await _process(engine, accounts, batch[middle:], now)
        else:
            await _process_one_by_one(engine, accounts, batch[0], now, batch[0].parsed.one_by_one())


async def _process_one_by_one(
    engine: Engine,
    accounts: Mapping[str, Account],
    one: ReadWebhook,
    now: datetime,
    parts: Sequence[ParsedEvents],
    refused_before: Sequence[Exception] = (),
) -> None:
    """Apply these events of one webhook one by one and close it: what the database refuses is named, everything else
    counts."""
    webhook, account = one.webhook, accounts[one.webhook.account]
    reached: list[Reached] = []
    async with writing(engine) as connection:
        if not await take_webhooks(connection, [webhook.id], now):
            return
        here = await _apply_parts(engine, connection, account, parts, now, reached) if parts else []
        refused = [*refused_before, *here]
        problem = "; ".join(filter(None, [one.problem, *map(str, refused[:MOST_NAMED])]))
        if problem:
            await set_aside(connection, {webhook.id: clean(problem, LONGEST_PROBLEM)})
    await look_at_failures(engine, failed_ones(reached), now)
    for error in refused[:MOST_NAMED]:
        _log_set_aside(webhook, error)


async def _apply_parts(
    engine: Engine,
    connection: Connection,
    account: Account,
    parts: Sequence[ParsedEvents],
    now: datetime,
    reached: list[Reached],
) -> list[Exception]:
    """Apply them together, or by halves where the database refuses them; the errors of those refused alone. The jobs
    that they are about are added to `reached`."""
    together = ParsedEvents()
    for part in parts:
        together.add(part)
    try:
        async with undoable(connection):
            unsettled: list[Reached] = []
            await _apply_events(connection, account, together, now, unsettled)
            await settle_reached(connection, unsettled, now)
    except Exception as error:
        if not await is_refusal(engine, error):
            raise
        if len(parts) == 1:
            return [error]
        middle = len(parts) // 2
        first = await _apply_parts(engine, connection, account, parts[:middle], now, reached)
        return first + await _apply_parts(engine, connection, account, parts[middle:], now, reached)
    reached += unsettled
    return []


async def _apply(
    engine: Engine, accounts: Mapping[str, Account], batch: Sequence[ReadWebhook], now: datetime
) -> None:
    unsettled: list[Reached] = []
    async with writing(engine) as connection:
        taken = await take_webhooks(connection, [one.webhook.id for one in batch], now)
        mine = [one for one in batch if one.webhook.id in taken]
        for account, parsed in _by_account(mine).items():
            await _apply_events(connection, accounts[account], parsed, now, unsettled)
        await set_aside(connection, {one.webhook.id: one.problem for one in mine if one.problem is not None})
        await settle_reached(connection, unsettled, now)
    await look_at_failures(engine, failed_ones(unsettled), now)


def _by_account(batch: Sequence[ReadWebhook]) -> dict[str, ParsedEvents]:
    accounts: dict[str, ParsedEvents] = {}
    for one in batch:
        accounts.setdefault(one.webhook.account, ParsedEvents()).add(one.parsed)
    return accounts


async def _apply_events(
    connection: Connection, account: Account, parsed: ParsedEvents, now: datetime, unsettled: list[Reached]
) -> None:
    polls = account.adapter.capabilities.polls
    parsed = await name_people(connection, account.name, parsed, now)
    parsed = await price_by_job(connection, account.name, parsed, now)
    await apply_webhook_reports(connection, account.name, parsed.reports, now, unsettled, polls=polls)
    await handle_failures(connection, account, parsed.reports, now, unsettled)
    await keep_inbound(connection, account.name, parsed.inbound)
    await extend_windows(connection, parsed.openings, now)
    await wake_waiting(connection, await _whose_window(connection, account.name, parsed.openings), now)
    await add_preferences(connection, f"webhook:{account.name}", parsed.preferences)
    await count_not_understood(connection, account.name, parsed.not_understood, now)
    await handle_notices(
        connection, account, await add_notices(connection, account.name, parsed.notices), now
    )


async def _whose_window(
    connection: Connection, account: str, openings: Sequence[Opening]
) -> list[tuple[str, str]]:
    """Lane and person of each window that opened: also by the user id under which a list may name them."""
    names = await placeholders_of(connection, account, {one.phone for one in openings}) if openings else {}
    return [(one.lane, name) for one in openings for name in (one.phone, *names.get(one.phone, ()))]


async def mark_answers(engine: Engine) -> None:
    """Mark the messages that people have answered; what another process marks, and answers to a message that is just
    being sent, are left for later."""
    last = 0
    while True:
        async with reading(engine) as connection:
            if not await any_new_answer(connection, last):
                return
        async with writing(engine) as connection:
            last = await mark_answered(connection, last)
        if not last:
            return


async def _match_late(engine: Engine, accounts: Mapping[str, Account], now: datetime) -> None:
    """Apply stored reports about messages that have become known since."""
    async with reading(engine) as connection:
        late = await matched_late(connection)
    for account, message_ids in late.items():
        if account not in accounts:
            continue
        unsettled: list[Reached] = []
        try:
            async with writing(engine) as connection:
                reports = list((await stored_reports(connection, account, message_ids)).values())
                await apply_unmatched(connection, account, message_ids, now, unsettled)
                await handle_failures(connection, accounts[account], reports, now, unsettled)
                await settle_reached(connection, unsettled, now)
            await look_at_failures(engine, failed_ones(unsettled), now)
        except Exception as error:
            if is_outage(error):
                raise
            ids = {"action": "inbox_failed", "account": account}
            logger.exception("Stored reports of %s cannot be applied.", account, extra=ids)
