"""Many rows given to a statement as one bound value, for the database to open: a statement takes only so many values,
and binding each by itself costs more than the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, FromClause, Text, bindparam, cast, column, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from storage.engine import is_sqlite


def table_of(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], **columns: TypeEngine[Any]
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
