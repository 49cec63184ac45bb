"""Opt-outs and opt-ins: a log that only grows. Of a person and scope the newest entry holds, by the time it was given
and not the time it was stored: so entries that several processes store at once have the same result in every order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    insert,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import FromClause

from campaigns.frozen import field_names, frozen
from campaigns.phones.spellings import canonical
from campaigns.phones.stop_words import Action, Scope, comes_after
from campaigns.phones.user_ids import PREFIX
from storage.database.bulk import among, as_values, by_dialect, fetch_rows, is_among, table_of
from storage.sending.erased import ERASED, hashes_of
from storage.tables.contacts import optouts
from storage.tables.types import from_millis, to_millis

PAGE: Final = 1_000
CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""How far a provider's clock and ours may be apart: of an opt-in by the one and an opt-out by the other that are no
further apart, the opt-out applies."""
WEBHOOK: Final = "webhook:"
"""How the source of what a provider reports begins."""


class _Last(NamedTuple):
    """The entry that holds for a person and scope."""

    at: datetime
    action: Action
    evidence: str | None


class _Newest(NamedTuple):
    """The entry that holds for a person and scope, and when each opt-out before it was given."""

    at: datetime
    action: Action
    source: str
    outs: frozenset[datetime] = frozenset()


@frozen
class LogEntry:
    """One opt-out or opt-in."""

    phone: str
    """The number."""
    action: Action
    """out: opted out; in: opted in again."""
    scope: Scope
    """Which messages it is about: marketing, or all."""
    at: datetime
    """When."""
    source: str
    """Who or what reported it, such as `webhook:shop`."""
    evidence: str | None
    """What shows it, such as the text that they wrote; null: nothing is stored."""


_ENTRY: Final = tuple(optouts.c[name] for name in field_names(LogEntry))


class NewPreference(NamedTuple):
    """An entry of a list: imported now, and perhaps given before."""

    entry: LogEntry
    dated: bool
    """Whether its time is when it was given, and not when it was imported."""
    line: int
    """Of the list."""


@frozen
class PreferenceChange:
    """An opt-out or opt-in that a person gave to us or to a provider."""

    phone: str
    action: Action
    scope: Scope
    at: datetime
    evidence: str
    dated: bool = True
    """Whether `at` is when it was given, and not when it arrived: the latter is new each time
    that a webhook is sent again."""


class AppendResult(Enum):
    """The result of importing an entry."""

    CHANGED = auto()
    """It is stored and holds; before it held the opposite, or nothing."""
    AGAIN = auto()
    """It is stored: the same held before."""
    KNOWN = auto()
    """It held already."""
    OUTDATED = auto()
    """The opposite was given since."""


def _by_time(log: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The order in which `comes_after` puts the entries of a person and scope: "in" sorts before "out"."""
    return log.c.at, log.c.action, log.c.id


async def add_by_hand(connection: AsyncConnection, entries: Sequence[LogEntry]) -> None:
    """Add what was given just now, of each phone and scope once: it holds, even where the log has it already."""
    if entries:
        newest = await _newest(connection, entries)
        rows = [_row(_holding(entry, newest.get(number))) for number, entry in enumerate(entries)]
        await connection.execute(insert(optouts), rows)


def _holding(entry: LogEntry, last: _Last | None) -> LogEntry:
    """The entry as one that holds over the last one, though another clock may have run ahead."""
    if last is None or comes_after(entry.at, entry.action, last.at, last.action):
        return entry
    return replace(entry, at=last.at + timedelta(milliseconds=1))


def _row(entry: LogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in field_names(LogEntry)}


async def append_preferences(
    connection: AsyncConnection, changes: Sequence[NewPreference]
) -> list[AppendResult]:
    """Store the entries that change or confirm what holds, at most one of each phone and scope; returns the result of
    each, in order."""
    if not changes:
        return []
    newest = await _newest(connection, [change.entry for change in changes])
    results = [_append_result(change, newest.get(number)) for number, change in enumerate(changes)]
    stored = [
        _holding(change.entry, newest.get(number))
        for number, (change, result) in enumerate(zip(changes, results, strict=True))
        if result is AppendResult.CHANGED or result is AppendResult.AGAIN
    ]
    if stored:
        rows = [{**_row(entry), "at": to_millis(entry.at)} for entry in stored]
        given = table_of(connection, rows, **{name: optouts.c[name].type for name in field_names(LogEntry)})
        columns = [given.c[name] for name in field_names(LogEntry)]
        await connection.execute(insert(optouts).from_select(list(field_names(LogEntry)), select(*columns)))
    return results


async def _newest(connection: AsyncConnection, entries: Sequence[LogEntry]) -> dict[int, _Last]:
    """Position in `entries` -> the entry that holds for that phone and scope, where there is one."""
    names = await _names_of(connection, {entry.phone for entry in entries})
    rows = [
        {"number": at, "phone": name, "scope": entry.scope}
        for at, entry in enumerate(entries)
        for name in names[entry.phone]
    ]
    given = table_of(connection, rows, number=Integer(), phone=Text(), scope=Text())
    log = optouts.alias("log")
    last = (
        select(log.c.id)
        .where(log.c.phone == given.c.phone, log.c.scope == given.c.scope)
        .order_by(*(column.desc() for column in _by_time(log)))
        .limit(1)
        .scalar_subquery()
    )
    millis = type_coerce(optouts.c.at, BigInteger).label("at")
    found = select(given.c.number, millis, optouts.c.action, optouts.c.evidence)
    newest: dict[int, _Last] = {}
    for number, at, *others in await fetch_rows(
        connection, found.select_from(given.join(optouts, optouts.c.id == last))
    ):
        one, before = _Last(from_millis(at), *others), newest.get(number)
        if before is None or comes_after(one.at, one.action, before.at, before.action):
            newest[number] = one
    return newest


def _append_result(change: NewPreference, last: _Last | None) -> AppendResult:
    """An undated opt-out always counts: it arrived just now. Of the same list again it is the same one."""
    if last is None:
        return AppendResult.CHANGED
    entry = change.entry
    known = entry.action == last.action
    is_later = comes_after(entry.at, entry.action, last.at, last.action)
    if (entry.action == "out" and not change.dated) or is_later:
        if not known:
            return AppendResult.CHANGED
        is_news = change.dated or (entry.action == "out" and entry.evidence != last.evidence)
        return AppendResult.AGAIN if is_news else AppendResult.KNOWN
    return AppendResult.KNOWN if known else AppendResult.OUTDATED


async def add_preferences(
    connection: AsyncConnection, source: str, changes: Sequence[PreferenceChange]
) -> int:
    """Append opt-outs and opt-ins; how many were new. One that is older than what is known of the person and scope,
    as a repeated webhook's is, adds nothing; of two at the same moment the opt-out holds. An opt-in without the time
    when it was given ends no opt-out: it may be an old one that is sent again."""
    if not changes:
        return 0
    known = await _newest_by_scope(connection, {change.phone for change in changes})
    rows = []
    for change in changes:
        last = known.get((change.phone, change.scope))
        if last is not None and not (change.dated or change.action == "out") and last.action == "out":
            continue
        at = change.at
        if last is not None and not comes_after(at, change.action, last.at, last.action):
            if not _may_be_later(change, last, source):
                continue
            at = last.at + timedelta(milliseconds=1)
        known[change.phone, change.scope] = _Newest(at, change.action, source)
        entry = LogEntry(change.phone, change.action, change.scope, at, source, change.evidence)
        rows.append(_row(entry))
    if rows:
        await connection.execute(insert(optouts), rows)
    return len(rows)


def _may_be_later(change: PreferenceChange, last: _Newest, source: str) -> bool:
    """Whether an opt-out that seems older than an opt-in may have been given after it: a provider's clock dates one of
    them, and ours the other."""
    by_other_clock = last.source.startswith(WEBHOOK) != source.startswith(WEBHOOK)
    is_new = change.at not in last.outs
    near = last.at - change.at <= CLOCKS_DIFFER
    return change.action == "out" and last.action == "in" and by_other_clock and is_new and near


async def copy_preferences(connection: AsyncConnection, former: str, phone: str) -> None:
    """Give `phone` every opt-out and opt-in of `former`, each once however often it is copied."""
    await _copy(connection, {former: phone})
    await copy_erasures(connection, {former: phone})


async def copy_erasures(connection: AsyncConnection, current: Mapping[str, str]) -> None:
    """Who was erased under a former number, or user id, is known as erased by the current one too."""
    hashes = await hashes_of(connection, {*current, *current.values()})
    names = {phone: name for name, phone in hashes.items()}
    await _copy(
        connection, {names[former]: names[phone] for former, phone in current.items() if former in names}
    )


async def _copy(connection: AsyncConnection, current: Mapping[str, str]) -> None:
    if not current:
        return
    rows = [{"former": former, "phone": phone} for former, phone in current.items()]
    given = table_of(connection, rows, former=Text(), phone=Text())
    there = optouts.alias("there")
    same = (there.c[name] == optouts.c[name] for name in ("scope", "action", "at"))
    copied = select(there.c.id).where(there.c.phone == given.c.phone, *same).exists()
    names = [name for name in field_names(LogEntry) if name != "phone"]
    theirs = (
        select(given.c.phone, *(optouts.c[name] for name in names))
        .join_from(given, optouts, optouts.c.phone == given.c.former)
        .where(~copied)
        .order_by(optouts.c.id)
    )
    await connection.execute(insert(optouts).from_select(["phone", *names], theirs))


async def _names_of(connection: AsyncConnection, phones: Collection[str]) -> dict[str, list[str]]:
    """Under which names the log has each of these people: the number, and what stands for it once it is erased."""
    names = {phone: [phone] for phone in phones}
    for name, phone in (await hashes_of(connection, phones)).items():
        names[phone].append(name)
    return names


async def _newest_by_scope(
    connection: AsyncConnection, phones: Collection[str]
) -> dict[tuple[str, str], _Newest]:
    columns = (optouts.c.phone, optouts.c.scope, optouts.c.at, optouts.c.action, optouts.c.source)
    number_of = {
        name: phone for phone, names in (await _names_of(connection, phones)).items() for name in names
    }
    entries = select(*columns).where(among(connection, optouts.c.phone, number_of))
    newest: dict[tuple[str, str], _Newest] = {}
    for name, scope, at, action, source in await connection.execute(entries.order_by(*_by_time(optouts))):
        phone = number_of[name]
        before = newest.get((phone, scope))
        outs = (before.outs if before else frozenset()) | ({at} if action == "out" else frozenset())
        newest[phone, scope] = _Newest(at, action, source, outs)
    return newest


@by_dialect
def _entries_of(sqlite: bool) -> Select[Any]:
    entries = select(optouts.c.phone, optouts.c.scope, optouts.c.action)
    return entries.where(is_among(sqlite, optouts.c.phone, "phones")).order_by(*_by_time(optouts))


async def has_erased(connection: AsyncConnection) -> bool:
    """Whether an erased person has opted out."""
    found = select(optouts.c.id).where(optouts.c.phone.startswith(ERASED))
    return (await connection.execute(found.limit(1))).first() is not None


async def optout_scopes(
    connection: AsyncConnection, phones: Sequence[str], *, erased_too: bool = True
) -> dict[str, frozenset[str]]:
    """The scopes that each phone is opted out of now. `erased_too=False`: no erased person has opted out."""
    newest: dict[tuple[str, str], str] = {}
    stored_as = {phone: canonical(phone) for phone in phones}
    erased = await hashes_of(connection, stored_as.values()) if erased_too else {}
    asked = {"phones": as_values(connection, [*stored_as.values(), *erased])}
    for phone, scope, action in await connection.execute(_entries_of(connection), asked):
        newest[erased.get(phone, phone), scope] = action
    scopes: defaultdict[str, set[str]] = defaultdict(set)
    for (phone, scope), action in newest.items():
        if action == "out":
            scopes[phone].add(scope)
    return {phone: frozenset(scopes[name]) for phone, name in stored_as.items() if name in scopes}


async def log_of(connection: AsyncConnection, phone: str) -> list[LogEntry]:
    """All entries of the phone, the oldest first; of each scope the last holds."""
    names = [canonical(phone), *await hashes_of(connection, [canonical(phone)])]
    found = select(*_ENTRY).where(optouts.c.phone.in_(names)).order_by(*_by_time(optouts))
    return [replace(LogEntry(*row), phone=phone) for row in await connection.execute(found)]


def opt_outs_in_force(log: Sequence[LogEntry]) -> list[LogEntry]:
    """The opt-outs of one person's log that are in force: per scope the newest entry, if it is an opt-out."""
    newest = {entry.scope: entry for entry in log}
    return [entry for entry in newest.values() if entry.action == "out"]


async def stream_opted_out(connection: AsyncConnection, scope: Scope | None) -> AsyncIterator[LogEntry]:
    """The entry that holds of each person who is opted out now, in the order of the log, a page in memory at a time.
    Who was erased has no number any more, and is left out, as is who is known by a user id only."""
    held = _held(scope, *_ENTRY)
    async for row in await connection.stream(held.execution_options(yield_per=PAGE)):
        yield LogEntry(*row)


async def opted_out_after(
    connection: AsyncConnection, scope: Scope | None, after: int, size: int
) -> list[tuple[int, LogEntry]]:
    """The same from the entry `after` on, a few of them, with their ids."""
    held = _held(scope, optouts.c.id, *_ENTRY).where(optouts.c.id > after).limit(size)
    return [(row[0], LogEntry(*row[1:])) for row in await connection.execute(held)]


def _held(scope: Scope | None, *columns: ColumnElement[Any]) -> Select[Any]:
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
    known = ~or_(optouts.c.phone.startswith(ERASED), optouts.c.phone.startswith(PREFIX))
    held = select(*columns).where(optouts.c.action == "out", known, ~outdated).order_by(optouts.c.id)
    return held if scope is None else held.where(optouts.c.scope == scope)
