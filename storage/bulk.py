"""Many rows to and from the database as one value, JSON: a statement takes only so many values, binding each by itself
costs more than the row, and with SQLite the thread that fetches a row waits for the interpreter at each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, FromClause, Select, Text, bindparam, cast, column, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from storage.engine import BlockingConnection, is_sqlite


def table_of(
    connection: AsyncConnection | BlockingConnection,
    rows: Sequence[Mapping[str, Any]],
    **columns: TypeEngine[Any],
) -> FromClause:
    """The rows as a table named `given` with these columns; what a row leaves out is null.

    The values are JSON's: a moment is given as its milliseconds.
    """
    written = bindparam("rows", orjson.dumps(rows).decode(), Text, unique=True)
    if is_sqlite(connection):
        row = func.json_each(written).table_valued(column("value", Text))
        parts = (
            func.json_extract(row.c.value, literal_column(f"'$.{name}'"), type_=type_).label(name)
            for name, type_ in columns.items()
        )
        return select(*parts).select_from(row).subquery("given")
    opened = func.json_to_recordset(cast(written, JSON))
    named = (column(name, type_) for name, type_ in columns.items())
    return opened.table_valued(*named, name="given").render_derived(with_types=True)


async def fetch_rows(connection: AsyncConnection, wanted: Select[Any]) -> list[list[Any]]:
    """The query's rows, in no order. Their columns must be of types that JSON has."""
    rows = wanted.subquery("wanted")
    gathered = (
        func.json_group_array(func.json_array(*rows.c))
        if is_sqlite(connection)
        else func.json_agg(func.json_build_array(*rows.c))
    )
    text = await connection.scalar(select(cast(gathered, Text)))
    found: list[list[Any]] = orjson.loads(text or "[]")
    return found
