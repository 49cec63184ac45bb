"""People across campaigns: what they said about being written to, as a log that only grows, and what they got."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Text, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.stop_words import Action, Scope
from storage.bulk import table_of
from storage.tables import campaigns, inbound, jobs, optouts, touches, windows

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One word about being written to; of a person and scope the newest holds."""

    phone: str
    action: Action
    scope: Scope
    at: datetime
    source: str
    """Who or what said so, such as `webhook:shop`."""
    evidence: str | None


@dataclass(frozen=True, slots=True)
class KnownWindow:
    lane: str
    open_until: datetime
    known_by: str


@dataclass(frozen=True, slots=True)
class GotMessage:
    """A message that left or may have; campaign and state are None where its job is purged."""

    at: datetime
    campaign: str | None
    lane: str
    category: str
    state: str | None


@dataclass(frozen=True, slots=True)
class WroteMessage:
    """A message of theirs."""

    at: datetime
    account: str
    lane: str | None
    text: str | None


async def append_entries(connection: AsyncConnection, entries: Sequence[LogEntry]) -> None:
    """Add to the log, whatever it says already."""
    rows = [{name: getattr(entry, name) for name in LogEntry.__slots__} for entry in entries]
    if rows:
        await connection.execute(insert(optouts), rows)


async def append_news(
    connection: AsyncConnection,
    evidence: Mapping[str, str],
    *,
    action: Action,
    scope: Scope,
    source: str,
    at: datetime,
) -> set[str]:
    """Add a word for each phone (phone -> evidence) whose newest on that scope is another, or who has none: those."""
    if not evidence:
        return set()
    rows = [{"phone": phone, "evidence": why} for phone, why in evidence.items()]
    given = table_of(connection, rows, phone=Text(), evidence=Text())
    newest = (
        select(optouts.c.action)
        .where(optouts.c.phone == given.c.phone, optouts.c.scope == scope)
        .order_by(optouts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    said = {"scope": scope, "action": action, "source": source, "at": at}
    fixed = [literal(value, optouts.c[name].type).label(name) for name, value in said.items()]
    news = select(given.c.phone, given.c.evidence, *fixed).where(newest.is_distinct_from(action))
    added = insert(optouts).from_select(["phone", "evidence", *said], news).returning(optouts.c.phone)
    return set(await connection.scalars(added))


async def log_of(connection: AsyncConnection, phone: str) -> list[LogEntry]:
    """All that was said of the phone, the oldest first."""
    found = select(*_ENTRY).where(optouts.c.phone == phone).order_by(optouts.c.id)
    return [LogEntry(*row) for row in await connection.execute(found)]


async def stream_opted_out(connection: AsyncConnection, scope: Scope | None) -> AsyncIterator[LogEntry]:
    """The newest word of everybody who is opted out now, in the order of the log, a page in memory at a time."""
    newer = optouts.alias("newer")
    taken_back = (
        select(newer.c.id)
        .where(newer.c.phone == optouts.c.phone, newer.c.scope == optouts.c.scope, newer.c.id > optouts.c.id)
        .exists()
    )
    held = select(*_ENTRY).where(optouts.c.action == "out", ~taken_back).order_by(optouts.c.id)
    if scope is not None:
        held = held.where(optouts.c.scope == scope)
    async for row in await connection.stream(held.execution_options(yield_per=PAGE)):
        yield LogEntry(*row)


_ENTRY: Final = tuple(optouts.c[name] for name in LogEntry.__slots__)


async def windows_of(connection: AsyncConnection, phone: str) -> list[KnownWindow]:
    """The last known window with each lane, the longest open first; one may be over."""
    known = select(windows.c.lane, windows.c.open_until, windows.c.known_by).where(windows.c.phone == phone)
    rows = await connection.execute(known.order_by(windows.c.open_until.desc(), windows.c.lane))
    return [KnownWindow(*row) for row in rows]


async def messages_to(connection: AsyncConnection, phone: str, most: int) -> list[GotMessage]:
    """The newest messages to the phone from all campaigns, the newest first."""
    touched = touches.outerjoin(jobs, jobs.c.id == touches.c.job_id).outerjoin(
        campaigns, campaigns.c.id == touches.c.campaign_id
    )
    got = (
        select(touches.c.at, campaigns.c.name, touches.c.lane, touches.c.category, jobs.c.state)
        .select_from(touched)
        .where(touches.c.phone == phone)
        .order_by(touches.c.at.desc(), touches.c.id.desc())
        .limit(most)
    )
    return [GotMessage(*row) for row in await connection.execute(got)]


async def messages_from(connection: AsyncConnection, phone: str, most: int) -> list[WroteMessage]:
    """The newest messages of the phone, the newest first."""
    wrote = (
        select(inbound.c.at, inbound.c.account, inbound.c.lane, inbound.c.text)
        .where(inbound.c.phone == phone)
        .order_by(inbound.c.at.desc(), inbound.c.id.desc())
        .limit(most)
    )
    return [WroteMessage(*row) for row in await connection.execute(wrote)]
