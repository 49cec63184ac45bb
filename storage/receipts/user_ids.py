"""Which number a provider's id of a person belongs to: events may name a person by the id alone.

What comes from a person whose number is not known yet is stored under a name made of account and id, in place of the
number, and goes over to the number once it is known.

A provider may know a person by another number than the one that was dialled. Such a pair is kept too, with the dialled
number as the id: what comes from the provider's number is about the person whom each dialled number reaches.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import FromClause, Text, delete, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.phones.user_ids import PREFIX, SENDABLE, name_of, user_id_in
from storage.database.bulk import among, table_of
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.receipts.unmatched import is_of
from storage.sending.optouts import copy_erasures, copy_preferences
from storage.sending.windows import move_windows
from storage.tables.contacts import inbound, optouts, touches, user_ids
from storage.tables.lanes import lanes
from storage.tables.receipts import notices
from storage.tables.runs import jobs
from storage.tables.types import to_millis

if TYPE_CHECKING:
    from storage.database.upserts import Upsert

UNKNOWN_PERSON: Final = "unknown_person"
"""The kind of the notice about an opt-out of somebody whose number is not known; its subject is the user id."""
USER_ID: Final = re.compile(r"[\w.-]{1,200}", re.ASCII)


async def learn_numbers(
    connection: AsyncConnection, account: str, numbers: Mapping[str, str], now: datetime
) -> None:
    """Store the numbers of these user ids; what their persons did before under the id alone is moved to the number. An
    opt-out of the number that an id had before holds for the new one too."""
    known = await _known(connection, account, numbers)
    fresh = {user_id: phone for user_id, phone in sorted(numbers.items()) if known.get(user_id) != phone}
    if not fresh:
        return
    for user_id, phone in fresh.items():
        if (former := known.get(user_id)) is not None:
            await copy_preferences(connection, former, phone)
    rows = [
        {"user_id": user_id, "name": name_of(account, user_id), "phone": phone}
        for user_id, phone in fresh.items()
    ]
    given = table_of(connection, rows, user_id=Text(), name=Text(), phone=Text())
    await connection.execute(_upsert(connection, account, given, now, "phone", "at"))
    about = (notices.c.account == account, notices.c.kind == UNKNOWN_PERSON)
    await connection.execute(delete(notices).where(*about, notices.c.subject.in_(select(given.c.user_id))))
    for table in (optouts, inbound, touches):
        theirs = update(table).where(table.c.phone == given.c.name).values(phone=given.c.phone)
        await connection.execute(theirs.values(counted=False) if table is inbound else theirs)
    await copy_erasures(connection, {name_of(account, user_id): phone for user_id, phone in fresh.items()})
    await move_windows(
        connection, {name_of(account, user_id): phone for user_id, phone in fresh.items()}, now
    )
    for phone, dialled in (await dialled_numbers(connection, account, fresh.values())).items():
        for each in dialled:
            await copy_preferences(connection, phone, each)


async def learn_listed_numbers(
    connection: AsyncConnection, account: str, numbers: Mapping[str, str], now: datetime
) -> None:
    """Store the numbers that a list gives beside user ids, where the provider has shown no other."""
    known = await _known(connection, account, numbers)
    new = {user_id: phone for user_id, phone in numbers.items() if known.get(user_id) is None}
    if new:
        await learn_numbers(connection, account, new, now)


async def numbers_of_placeholders(connection: AsyncConnection, phones: Collection[str]) -> dict[str, str]:
    """The numbers of the placeholders among `phones`, as far as they are known by now: the one that we dial, where the
    provider knows the person by another."""
    by_account: dict[str, dict[str, str]] = {}
    for name in phones:
        if (user_id := user_id_in(name)) is not None:
            account = name.removeprefix(PREFIX).partition("/")[0]
            by_account.setdefault(account, {})[user_id] = name
    found: dict[str, str] = {}
    for account, names in by_account.items():
        known = await _known(connection, account, names)
        numbers = {names[user_id]: phone for user_id, phone in known.items() if phone is not None}
        dialled = await dialled_numbers(connection, account, numbers.values()) if numbers else {}
        found |= {name: dialled.get(phone, [phone])[0] for name, phone in numbers.items()}
    return found


async def placeholders_of(
    connection: AsyncConnection, account: str, phones: Collection[str]
) -> dict[str, list[str]]:
    """The placeholders under which lists may name the people of these numbers."""
    known_as = {other: phone for phone, other in (await _known(connection, account, phones)).items() if other}
    numbers = {phone: phone for phone in phones} | known_as
    theirs = select(user_ids.c.phone, user_ids.c.user_id).where(
        user_ids.c.account == account, among(connection, user_ids.c.phone, set(numbers))
    )
    found: dict[str, list[str]] = {}
    for phone, user_id in await connection.execute(theirs.order_by(user_ids.c.user_id)):
        if SENDABLE.fullmatch(user_id):
            found.setdefault(numbers[phone], []).append(name_of(account, user_id))
    return found


async def every_placeholder_of(connection: AsyncConnection, phone: str) -> list[str]:
    """Under which names lists of any account may have the person of this number."""
    theirs = select(user_ids.c.account, user_ids.c.user_id).where(user_ids.c.phone == phone)
    found = await connection.execute(theirs.order_by(user_ids.c.account, user_ids.c.user_id))
    return [name_of(account, user_id) for account, user_id in found if SENDABLE.fullmatch(user_id)]


async def learn_other_numbers(
    connection: AsyncConnection, account: str, numbers: Mapping[str, str], now: datetime
) -> None:
    """Store by which number the provider knows the person of each dialled number; an opt-out of one is also one of the
    other."""
    await learn_numbers(connection, account, numbers, now)
    for dialled, phone in sorted(numbers.items()):
        await copy_preferences(connection, phone, dialled)


async def dialled_numbers(
    connection: AsyncConnection, account: str, phones: Collection[str]
) -> dict[str, list[str]]:
    """The numbers that were dialled to reach these, where they differ."""
    dialled = select(user_ids.c.phone, user_ids.c.user_id).where(
        user_ids.c.account == account,
        user_ids.c.user_id.startswith("+"),
        among(connection, user_ids.c.phone, set(phones)),
    )
    found: dict[str, list[str]] = {}
    for phone, number in await connection.execute(dialled.order_by(user_ids.c.user_id)):
        found.setdefault(phone, []).append(number)
    return found


async def other_numbers(connection: AsyncConnection, phones: Collection[str]) -> dict[str, list[str]]:
    """The other numbers of these people, where they have any: the one by which a provider knows them, and those that
    were dialled to reach that one; of a placeholder, all that are known."""
    named = await numbers_of_placeholders(connection, phones)
    phones = {*phones, *named.values()}
    accounts = {lane.partition("/")[0] for lane in await connection.scalars(select(lanes.c.name))}
    pairs = select(user_ids.c.user_id, user_ids.c.phone).where(user_ids.c.user_id.startswith("+"))
    dialled = pairs.where(user_ids.c.account.in_(accounts), among(connection, user_ids.c.user_id, phones))
    known_as = {row.phone for row in await connection.execute(dialled) if row.phone is not None}
    people: defaultdict[str, set[str]] = defaultdict(set)
    reached = pairs.where(among(connection, user_ids.c.phone, {*phones, *known_as}))
    for number, phone in await connection.execute(reached):
        people[phone] |= {phone, number}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for numbers in people.values():
        for phone in numbers.intersection(phones):
            found[phone] |= numbers - {phone}
    for name, number in named.items():
        found[name] |= {number, *found.get(number, ())}
    return {phone: sorted(others) for phone, others in found.items()}


async def find_numbers(
    connection: AsyncConnection, account: str, wanted: Collection[str], now: datetime
) -> dict[str, str]:
    """The numbers of these user ids, as far as they are known. An id of which nothing was known is noted, so that
    another process that learns its number now waits for what this transaction stores under it."""
    known = await _known(connection, account, wanted)
    missing = [{"user_id": user_id} for user_id in sorted(set(wanted)) if known.get(user_id) is None]
    if missing:
        given = table_of(connection, missing, user_id=Text(), phone=Text())
        noted = _upsert(connection, account, given, now, "user_id")
        found = await connection.execute(noted.returning(user_ids.c.user_id, user_ids.c.phone))
        known |= {row.user_id: row.phone for row in found}
    return {user_id: phone for user_id, phone in known.items() if phone is not None}


def _upsert(
    connection: AsyncConnection, account: str, given: FromClause, now: datetime, *changes: str
) -> Upsert:
    """Insert the given ids and numbers; where the account has the id, change these columns."""
    at = literal(to_millis(now)).label("at")
    # SQLite takes ON CONFLICT after a SELECT for a part of it, unless it has a WHERE.
    rows = select(literal(account), given.c.user_id, given.c.phone, at).where(literal(1) == 1)
    upsert = upsert_into(is_sqlite(connection), user_ids)
    return upsert.from_select(
        ["account", "user_id", "phone", "at"], rows.order_by(given.c.user_id)
    ).on_conflict_do_update(
        index_elements=list(user_ids.primary_key), set_={name: upsert.excluded[name] for name in changes}
    )


async def _known(connection: AsyncConnection, account: str, wanted: Collection[str]) -> dict[str, str | None]:
    found = select(user_ids.c.user_id, user_ids.c.phone).where(
        user_ids.c.account == account, among(connection, user_ids.c.user_id, wanted)
    )
    return {row.user_id: row.phone for row in await connection.execute(found)}


async def numbers_of_messages(
    connection: AsyncConnection, account: str, message_ids: Collection[str]
) -> dict[str, str]:
    """The numbers, or placeholders of user ids, to which the account sent these messages, by the message's id at the
    provider."""
    sent = select(jobs.c.provider_message_id, jobs.c.lane, jobs.c.phone).where(
        among(connection, jobs.c.provider_message_id, message_ids)
    )
    found: dict[str, set[str]] = {}
    for message_id, lane, phone in await connection.execute(sent):
        if is_of(account, lane) and phone.startswith(("+", PREFIX)):
            found.setdefault(message_id, set()).add(phone)
    return {message_id: phones.pop() for message_id, phones in found.items() if len(phones) == 1}
