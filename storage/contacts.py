"""People across campaigns: what they said about being written to, as a log that only grows, and what they got."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Integer, Text, insert, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.stop_words import Action, Scope, comes_after
from storage.bulk import fetch_rows, table_of
from storage.tables import campaigns, from_millis, inbound, jobs, optouts, to_millis, touches, windows

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


class NewWord(NamedTuple):
    """A word of a list: heard of now, and perhaps said before."""

    phone: str
    action: Action
    scope: Scope
    at: datetime
    source: str
    evidence: str | None
    dated: bool
    """Whether `at` is when it was said, and not when it was heard of."""
    line: int
    """Of the list."""


class Fate(Enum):
    """What became of a word."""

    NEWS = auto()
    """It is kept and holds; the person had said the other thing, or nothing."""
    AGAIN = auto()
    """It is kept: the person had said the same before."""
    KNOWN = auto()
    """It held already."""
    OUTDATED = auto()
    """The person has said the other thing since."""


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


async def append_news(connection: AsyncConnection, words: Sequence[NewWord]) -> list[Fate]:
    """Keep those of the words that are news, at most one given of each phone and scope; the fate of each, in order."""
    if not words:
        return []
    newest = await _newest(connection, words)
    fates = [_fate(word, newest.get(number)) for number, word in enumerate(words)]
    kept = [
        {
            "phone": word.phone, "action": word.action, "scope": word.scope, "at": to_millis(word.at),
            "source": word.source, "evidence": word.evidence,
        }
        for word, fate in zip(words, fates, strict=True)
        if fate is Fate.NEWS or fate is Fate.AGAIN
    ]  # fmt: skip
    if kept:
        given = table_of(connection, kept, **{name: optouts.c[name].type for name in LogEntry.__slots__})
        columns = [given.c[name] for name in LogEntry.__slots__]
        await connection.execute(insert(optouts).from_select(list(LogEntry.__slots__), select(*columns)))
    return fates


async def _newest(
    connection: AsyncConnection, words: Sequence[NewWord]
) -> dict[int, tuple[datetime, Action]]:
    """Position in `words` -> the newest word of that phone and scope, where there is one."""
    rows = [{"number": at, "phone": word.phone, "scope": word.scope} for at, word in enumerate(words)]
    given = table_of(connection, rows, number=Integer(), phone=Text(), scope=Text())
    log = optouts.alias("log")
    last = (
        select(log.c.id)
        .where(log.c.phone == given.c.phone, log.c.scope == given.c.scope)
        .order_by(log.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = select(given.c.number, type_coerce(optouts.c.at, BigInteger).label("at"), optouts.c.action)
    known = await fetch_rows(connection, found.select_from(given.join(optouts, optouts.c.id == last)))
    return {number: (from_millis(at), action) for number, at, action in known}


def _fate(word: NewWord, last: tuple[datetime, Action] | None) -> Fate:
    """An undated opt-out always counts: it was heard of just now."""
    if last is None:
        return Fate.NEWS
    known = word.action == last[1]
    if (word.action == "out" and not word.dated) or comes_after(word.at, word.action, *last):
        if not known:
            return Fate.NEWS
        return Fate.AGAIN if word.dated else Fate.KNOWN
    return Fate.KNOWN if known else Fate.OUTDATED


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
