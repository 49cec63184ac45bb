"""When a run's time comes for each part of its audience: a table that lasts for the launch's transaction only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, MetaData, Table, Text, case, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.phones.user_ids import PREFIX as USER_ID
from storage.runs.editions import of_audience
from storage.tables.audience import recipients
from storage.tables.types import Instant

PREFIX: Final = 8
"""Characters of a number that show its zone where its country has several: + and seven digits."""

local_times: Final = Table(
    "local_times",
    MetaData(),
    Column("place", Text, primary_key=True),
    Column("due_at", Instant, nullable=False),
    prefixes=["TEMPORARY"],
)


@frozen
class Place:
    """Recipients in the same time zone."""

    name: str
    timezone: str | None
    """From their rows; None: from their numbers."""
    phones: tuple[str, str]
    """The first and the last number."""


@frozen
class LocalTimes:
    """How a launch finds the recipients' times in `local_times`."""

    regions: tuple[str, ...]
    """Countries with a single time zone."""
    not_before: datetime | None
    """Skip recipients whose local time has passed by then; None skips nobody."""


def place_of(regions: Sequence[str]) -> ColumnElement[str]:
    """Where a recipient is: the row's zone, else the number's country if it is among `regions`, else its prefix."""
    return case(
        (recipients.c.timezone.is_not(None), recipients.c.timezone),
        (recipients.c.region.in_(regions), recipients.c.region),
        (
            recipients.c.phone.startswith(USER_ID),
            literal(USER_ID).concat(func.coalesce(recipients.c.region, "")),
        ),
        else_=func.substr(recipients.c.phone, 1, PREFIX),
    )


async def audience_regions(connection: AsyncConnection, campaign_id: int) -> list[str]:
    """The countries of the numbers."""
    found = select(recipients.c.region).where(of_audience(campaign_id), recipients.c.region.is_not(None))
    return list(await connection.scalars(found.distinct()))


async def audience_places(
    connection: AsyncConnection, campaign_id: int, regions: Sequence[str]
) -> list[Place]:
    """Every place with recipients."""
    place, phone = place_of(regions), recipients.c.phone
    found = (
        select(place, func.max(recipients.c.timezone), func.min(phone), func.max(phone))
        .where(of_audience(campaign_id))
        .group_by(place)
    )
    return [Place(name, zone, (low, high)) for name, zone, low, high in await connection.execute(found)]


@asynccontextmanager
async def stored_times(connection: AsyncConnection, times: Mapping[str, datetime]) -> AsyncIterator[None]:
    """`local_times` is there, with these times by place, while the context lasts."""
    await connection.run_sync(local_times.create)
    if times:
        rows = [{"place": place, "due_at": due_at} for place, due_at in times.items()]
        await connection.execute(insert(local_times), rows)
    yield
    await connection.run_sync(local_times.drop)
