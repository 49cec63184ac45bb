"""What people said about being written to: a log that only grows. Of a person and scope the newest word holds, by when
it was said and not by when it was stored: so words that several processes store at once end alike in every order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, insert, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import FromClause

from campaigns.phones.stop_words import Action, Scope, comes_after
from storage.database.bulk import among, as_values, by_dialect, fetch_rows, is_among, table_of
from storage.sending.erased import ERASED, hashes_of
from storage.tables import from_millis, optouts, to_millis

PAGE: Final = 1_000
_Last = tuple[datetime, Action]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One word about being written to."""

    phone: str
    action: Action
    scope: Scope
    at: datetime
    source: str
    """Who or what said so, such as `webhook:shop`."""
    evidence: str | None


_ENTRY: Final = tuple(optouts.c[name] for name in LogEntry.__slots__)


class NewPreference(NamedTuple):
    """A word of a list: heard of now, and perhaps said before."""

    entry: LogEntry
    dated: bool
    """Whether it has the moment at which it was said, and not that at which it was heard of."""
    line: int
    """Of the list."""


@dataclass(frozen=True, slots=True)
class PreferenceChange:
    """What a person said to us or to a provider."""

    phone: str
    action: Action
    scope: Scope
    at: datetime
    evidence: str
    dated: bool = True
    """Whether `at` is the moment at which it was said, and not that at which it arrived: the latter is new each time
    that a webhook is sent again."""


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


def _by_time(log: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The order in which `comes_after` puts the words of a person and scope: "in" sorts before "out"."""
    return log.c.at, log.c.action, log.c.id


async def add_by_hand(connection: AsyncConnection, entries: Sequence[LogEntry]) -> None:
    """Add what was said just now, of one phone each scope once: it holds, even where the log says it already."""
    if entries:
        newest = await _newest(connection, entries)
        rows = [_row(_holding(entry, newest.get(number))) for number, entry in enumerate(entries)]
        await connection.execute(insert(optouts), rows)


def _holding(entry: LogEntry, last: _Last | None) -> LogEntry:
    """The entry as one that holds over the last one, though another clock may have run ahead."""
    if last is None or comes_after(entry.at, entry.action, *last):
        return entry
    return replace(entry, at=last[0] + timedelta(milliseconds=1))


def _row(entry: LogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in LogEntry.__slots__}


async def append_news(connection: AsyncConnection, words: Sequence[NewPreference]) -> list[Fate]:
    """Keep those of the words that are news, at most one given of each phone and scope; the fate of each, in order."""
    if not words:
        return []
    newest = await _newest(connection, [word.entry for word in words])
    fates = [_fate(word, newest.get(number)) for number, word in enumerate(words)]
    kept = [
        _holding(word.entry, newest.get(number))
        for number, (word, fate) in enumerate(zip(words, fates, strict=True))
        if fate is Fate.NEWS or fate is Fate.AGAIN
    ]
    if kept:
        rows = [{**_row(entry), "at": to_millis(entry.at)} for entry in kept]
        given = table_of(connection, rows, **{name: optouts.c[name].type for name in LogEntry.__slots__})
        columns = [given.c[name] for name in LogEntry.__slots__]
        await connection.execute(insert(optouts).from_select(list(LogEntry.__slots__), select(*columns)))
    return fates


async def _newest(connection: AsyncConnection, entries: Sequence[LogEntry]) -> dict[int, _Last]:
    """Position in `entries` -> the word that holds of that phone and scope, where there is one."""
    rows = [{"number": at, "phone": entry.phone, "scope": entry.scope} for at, entry in enumerate(entries)]
    given = table_of(connection, rows, number=Integer(), phone=Text(), scope=Text())
    log = optouts.alias("log")
    last = (
        select(log.c.id)
        .where(log.c.phone == given.c.phone, log.c.scope == given.c.scope)
        .order_by(*(column.desc() for column in _by_time(log)))
        .limit(1)
        .scalar_subquery()
    )
    found = select(given.c.number, type_coerce(optouts.c.at, BigInteger).label("at"), optouts.c.action)
    known = await fetch_rows(connection, found.select_from(given.join(optouts, optouts.c.id == last)))
    return {number: (from_millis(at), action) for number, at, action in known}


def _fate(word: NewPreference, last: _Last | None) -> Fate:
    """An undated opt-out always counts: it was heard of just now."""
    if last is None:
        return Fate.NEWS
    entry = word.entry
    known = entry.action == last[1]
    if (entry.action == "out" and not word.dated) or comes_after(entry.at, entry.action, *last):
        if not known:
            return Fate.NEWS
        return Fate.AGAIN if word.dated else Fate.KNOWN
    return Fate.KNOWN if known else Fate.OUTDATED


async def add_preferences(connection: AsyncConnection, source: str, words: Sequence[PreferenceChange]) -> int:
    """Append opt-outs and opt-ins; how many were news. One that is older than what is known of the person and scope,
    as a repeated webhook's is, adds nothing; of two at the same moment the opt-out holds. An opt-in that does not say
    when it was given ends no opt-out: it may be an old one that is sent again."""
    if not words:
        return 0
    known = await _last_words(connection, {word.phone for word in words})
    rows = []
    for word in words:
        last = known.get((word.phone, word.scope))
        if last is not None and not (word.dated or word.action == "out") and last[1] == "out":
            continue
        if last is not None and not comes_after(word.at, word.action, *last):
            continue
        known[word.phone, word.scope] = (word.at, word.action)
        entry = LogEntry(word.phone, word.action, word.scope, word.at, source, word.evidence)
        rows.append(_row(entry))
    if rows:
        await connection.execute(insert(optouts), rows)
    return len(rows)


async def _last_words(connection: AsyncConnection, phones: Collection[str]) -> dict[tuple[str, str], _Last]:
    said = select(optouts.c.phone, optouts.c.scope, optouts.c.at, optouts.c.action).where(
        among(connection, optouts.c.phone, phones)
    )
    rows = await connection.execute(said.order_by(*_by_time(optouts)))
    return {(phone, scope): (at, action) for phone, scope, at, action in rows}


@by_dialect
def _said_of(sqlite: bool) -> Select[Any]:
    said = select(optouts.c.phone, optouts.c.scope, optouts.c.action)
    return said.where(is_among(sqlite, optouts.c.phone, "phones")).order_by(*_by_time(optouts))


async def optout_scopes(connection: AsyncConnection, phones: Sequence[str]) -> dict[str, frozenset[str]]:
    """The scopes that each phone is opted out of now."""
    newest: dict[tuple[str, str], str] = {}
    erased = await hashes_of(connection, phones)
    asked = {"phones": as_values(connection, [*phones, *erased])}
    for phone, scope, action in await connection.execute(_said_of(connection), asked):
        newest[erased.get(phone, phone), scope] = action
    scopes: defaultdict[str, set[str]] = defaultdict(set)
    for (phone, scope), action in newest.items():
        if action == "out":
            scopes[phone].add(scope)
    return {phone: frozenset(found) for phone, found in scopes.items()}


async def log_of(connection: AsyncConnection, phone: str) -> list[LogEntry]:
    """All that was said of the phone, the oldest first; of each scope the last holds."""
    names = [phone, *await hashes_of(connection, [phone])]
    found = select(*_ENTRY).where(optouts.c.phone.in_(names)).order_by(*_by_time(optouts))
    return [replace(LogEntry(*row), phone=phone) for row in await connection.execute(found)]


async def stream_opted_out(connection: AsyncConnection, scope: Scope | None) -> AsyncIterator[LogEntry]:
    """The word that holds of everybody who is opted out now, in the order of the log, a page in memory at a time. Who
    was erased has no number any more, and is left out."""
    newer = optouts.alias("newer")
    outdated = (
        select(newer.c.id)
        .where(
            newer.c.phone == optouts.c.phone,
            newer.c.scope == optouts.c.scope,
            tuple_(*_by_time(newer)) > tuple_(*_by_time(optouts)),
        )
        .exists()
    )
    known = ~optouts.c.phone.startswith(ERASED)
    held = select(*_ENTRY).where(optouts.c.action == "out", known, ~outdated).order_by(optouts.c.id)
    if scope is not None:
        held = held.where(optouts.c.scope == scope)
    async for row in await connection.stream(held.execution_options(yield_per=PAGE)):
        yield LogEntry(*row)
