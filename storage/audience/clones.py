"""A campaign's files, recipients and rejects copied into another campaign: three statements, however many rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Table, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.runs.editions import edition_of
from storage.tables.audience import campaigns, imports, recipients, rejects

OWN: Final = ("id", "campaign_id", "import_id")
"""Columns that a copy has of its own."""


async def copy_audience(connection: AsyncConnection, source_id: int, target_id: int) -> int:
    """Copy into a campaign that has nothing yet; how many recipients there are."""
    first = {"edition": literal(0)}
    mine = imports.c.edition == edition_of(source_id)
    await _copy(connection, imports, imports, source_id, {**first, "campaign_id": literal(target_id)}, mine)
    # The same file has the same digest in both campaigns.
    fresh = imports.alias("fresh")
    both = imports.join(fresh, fresh.c.digest == imports.c.digest)
    counts = []
    for table in (rejects, recipients):
        rows = table.join(both, imports.c.id == table.c.import_id)
        edition = first if table is recipients else {}
        own = {**edition, "campaign_id": fresh.c.campaign_id, "import_id": fresh.c.id}
        only = (mine, fresh.c.campaign_id == target_id)
        counts.append(await _copy(connection, table, rows, source_id, own, *only))
    sized = update(campaigns).where(campaigns.c.id == target_id)
    await connection.execute(sized.values(recipients=counts[-1]))
    return counts[-1]


async def _copy(
    connection: AsyncConnection,
    table: Table,
    rows: FromClause,
    source_id: int,
    own: Mapping[str, ColumnElement[Any]],
    *only: ColumnElement[bool],
) -> int:
    kept = {column.name: column for column in table.c if column.name not in OWN}
    columns = {**kept, **own}
    source = (
        select(*columns.values())
        .select_from(rows)
        .where(table.c.campaign_id == source_id, *only)
        .order_by(table.c.id)
    )
    copy = insert(table).from_select(list(columns), source)
    return (await connection.execute(copy, execution_options={"preserve_rowcount": True})).rowcount
