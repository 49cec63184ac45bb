"""People across campaigns: searched by a part of their number or row, and those who gave their preference last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.phones.user_ids import PREFIX, name_of
from storage.sending.erased import ERASED
from storage.sending.optouts import LogEntry
from storage.tables.audience import campaigns, recipients
from storage.tables.contacts import optouts, user_ids
from storage.views.people_ranges import part_of

LOOKED_AT: Final = 20_000
"""Rows of lists that one page looks at."""


@frozen
class FoundRow:
    """A row of a list that matches."""

    id: int
    phone: str
    vars: dict[str, str]
    campaign: str


@frozen
class FoundRows:
    """Rows that match, the newest first."""

    rows: Sequence[FoundRow]
    older: int | None
    """Where the search goes on; None: every list was looked through."""


@frozen
class UnnamedPreference:
    """What somebody asked for whose number is not known."""

    account: str
    user_id: str
    """The provider's id of them."""
    action: str
    scope: str
    at: datetime
    evidence: str | None


async def search_rows(
    connection: AsyncConnection, part: str, size: int, before: int | None = None
) -> FoundRows:
    """`before`: the `older` of the page before."""
    ids = select(recipients.c.id).order_by(recipients.c.id.desc()).limit(LOOKED_AT)
    window = (ids if before is None else ids.where(recipients.c.id < before)).subquery()
    count, first, last = (
        await connection.execute(
            select(func.count(), func.min(window.c.id), func.max(window.c.id)).select_from(window)
        )
    ).one()
    if not count:
        return FoundRows([], None)
    found = (
        select(recipients.c.id, recipients.c.phone, recipients.c.vars, campaigns.c.name)
        .join(campaigns, campaigns.c.id == recipients.c.campaign_id)
        .where(recipients.c.id >= first, recipients.c.id <= last)
        .where(part_of(connection, recipients.c.phone, part))
        .order_by(recipients.c.id.desc())
        .limit(size + 1)
    )
    rows = [
        FoundRow(number, phone, orjson.loads(vars), name)
        for number, phone, vars, name in await connection.execute(found)
    ]
    if len(rows) > size:
        return FoundRows(rows[:size], rows[size - 1].id)
    return FoundRows(rows, first if count == LOOKED_AT else None)


async def newest_preferences(connection: AsyncConnection, size: int) -> list[LogEntry]:
    """The newest opt-outs and opt-ins of people whose number is known."""
    columns = (optouts.c[name] for name in field_names(LogEntry))
    known = ~optouts.c.phone.startswith(ERASED) & ~optouts.c.phone.startswith(PREFIX)
    newest = select(optouts).order_by(optouts.c.id.desc()).limit(2 * size).subquery()
    shown = select(*columns).where(known, optouts.c.id.in_(select(newest.c.id)))
    rows = await connection.execute(shown.order_by(optouts.c.id.desc()).limit(size))
    return [LogEntry(*row) for row in rows]


async def unnamed_preferences(connection: AsyncConnection, size: int) -> list[UnnamedPreference]:
    """What people asked for who are known by a provider's id alone, the newest first."""
    name = literal(name_of("", "")[:-1]).concat(user_ids.c.account).concat("/").concat(user_ids.c.user_id)
    columns = (user_ids.c.account, user_ids.c.user_id, optouts.c.action, optouts.c.scope)
    found = (
        select(*columns, optouts.c.at, optouts.c.evidence)
        .join(optouts, optouts.c.phone == name)
        .where(user_ids.c.phone.is_(None))
        .order_by(optouts.c.at.desc())
        .limit(size)
    )
    return [UnnamedPreference(*row) for row in await connection.execute(found)]


async def user_ids_of(connection: AsyncConnection, phone: str) -> list[tuple[str, str]]:
    """The providers' ids of the person: account and id."""
    found = select(user_ids.c.account, user_ids.c.user_id).where(user_ids.c.phone == phone)
    rows = await connection.execute(found.order_by(user_ids.c.account, user_ids.c.user_id))
    return [(account, user_id) for account, user_id in rows]
