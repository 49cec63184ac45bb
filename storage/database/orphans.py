"""Rows that refer to a row that is not there: of the largest tables PostgreSQL does not check it (decision 12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables.all_tables import metadata
from storage.tables.types import KEPT_BY_LOCKS

COUNTED: Final = 1_000
"""Orphans of a kind are counted up to here."""


@frozen
class Orphans:
    """Rows of one table whose `column` names a row of `target` that is not there."""

    table: str
    column: str
    target: str
    rows: int
    """How many, up to COUNTED."""
    first: int
    """The id of one of them."""
    removal: str
    """The statement that deletes them."""


async def find_orphans(connection: AsyncConnection) -> list[Orphans]:
    """By kind. Reads the whole tables: seconds for each million messages."""
    found = []
    for column, target in _unchecked():
        table = metadata.tables[column.table.name]
        lost = ~select(target).where(target == column).exists()
        some = select(table.c.id).where(lost).limit(COUNTED).subquery()
        rows, first = (await connection.execute(select(func.count(), func.min(some.c.id)))).one()
        if rows:
            removal = " ".join(str(delete(table).where(lost)).split())
            found.append(Orphans(table.name, column.name, target.table.name, rows, first, removal))
    return found


def _unchecked() -> Iterator[tuple[Column[Any], Column[Any]]]:
    """What refers to what without PostgreSQL's check."""
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            if KEPT_BY_LOCKS in key.info:
                yield key.parent, key.column
