"""Rows of an audience to look at: the first, a line, a random few, or all of them one after the other."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.runs.editions import of_audience
from storage.tables.audience import recipients

PAGE: Final = 2_000
PRIME: Final = 2_147_483_647
"""An id below 2^32 times a number below it fits in 64 bits."""

_PLACE: Final = (recipients.c.import_id, recipients.c.line)


class Sample(NamedTuple):
    """A recipient as the file had it."""

    id: int
    line: int
    phone: str
    vars: str
    """JSON object: column -> text."""


async def first_rows(connection: AsyncConnection, campaign_id: int, limit: int) -> Sequence[Sample]:
    """The first recipients in the order of their files."""
    return await _found(connection, _rows(campaign_id).order_by(*_PLACE).limit(limit))


async def rows_on_line(connection: AsyncConnection, campaign_id: int, line: int) -> Sequence[Sample]:
    """The recipients from that line of each loaded file, the newest file's first."""
    on_line = _rows(campaign_id).where(recipients.c.line == line)
    return await _found(connection, on_line.order_by(recipients.c.import_id.desc()))


async def random_rows(
    connection: AsyncConnection, campaign_id: int, limit: int, seed: int
) -> Sequence[Sample]:
    """So many random recipients; the same `seed` draws the same ones."""
    draw = random.Random(seed)  # noqa: S311
    lot = (recipients.c.id * draw.randrange(1, PRIME) + draw.randrange(PRIME)) % PRIME
    return await _found(connection, _rows(campaign_id).order_by(lot, recipients.c.id).limit(limit))


async def all_rows(connection: AsyncConnection, campaign_id: int) -> AsyncIterator[Sequence[Sample]]:
    """Every recipient in the order of their files, a page in memory at a time."""
    rows = _rows(campaign_id).order_by(*_PLACE).execution_options(yield_per=PAGE)
    streamed = await connection.stream(rows)
    async for page in streamed.partitions():
        yield [Sample(*row) for row in page]


def _rows(campaign_id: int) -> Select[Any]:
    columns = (recipients.c.id, recipients.c.line, recipients.c.phone, recipients.c.vars)
    return select(*columns).where(of_audience(campaign_id))


async def _found(connection: AsyncConnection, query: Select[Any]) -> Sequence[Sample]:
    return [Sample(*row) for row in await connection.execute(query)]
