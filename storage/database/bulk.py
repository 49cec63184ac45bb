"""Many rows to and from the database as one value, JSON: a statement takes only so many values, binding each by itself
costs more than the row, and with SQLite the thread that fetches a row waits for the interpreter at each of them.

What runs for every slice is a statement made once (`by_dialect`): making one anew, for the database to find that it
knows it, costs more than running it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.untrusted import clean_json
from storage.database.engine import BlockingConnection, is_sqlite

T = TypeVar("T")
AnyConnection = AsyncConnection | BlockingConnection


def by_dialect(make: Callable[[bool], T]) -> Callable[[AnyConnection], T]:
    """The statement for a connection's kind of database, made once for each. `make` receives whether it is SQLite."""
    made = cache(make)
    return lambda connection: made(is_sqlite(connection))


def table_of(
    connection: AnyConnection, rows: Sequence[Mapping[str, Any]], **columns: TypeEngine[Any]
) -> FromClause:
    """The rows as a table named `given` with these columns; what a row leaves out is null.

    The values are JSON's: a moment is given as its milliseconds.
    """
    written = as_rows([[row.get(name) for name in columns] for row in rows])
    return _opened(bindparam("rows", written, Text, unique=True), is_sqlite(connection), columns)


def given_rows(sqlite: bool, **columns: TypeEngine[Any]) -> FromClause:
    """As `table_of`, for a statement that is made once: the rows come as its parameter `rows`, from `as_rows`."""
    return _opened(bindparam("rows", type_=Text), sqlite, columns)


def as_rows(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as the parameter `rows`, each the values of the columns in their order: to find a value by its place is
    quicker than by a name, and names are not written and read again for each row."""
    return _as_json(rows)


def _opened(written: BindParameter[str], sqlite: bool, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    if sqlite:
        row = func.json_each(written).table_valued(column("value", Text))
        parts = (
            func.json_extract(row.c.value, literal_column(f"'$[{place}]'"), type_=type_).label(name)
            for place, (name, type_) in enumerate(columns.items())
        )
        return select(*parts).select_from(row).subquery("given")
    from sqlalchemy.dialects.postgresql import JSONB  # here, as a command on SQLite need not load it

    each = func.jsonb_array_elements(cast(written, JSONB)).table_valued(
        column("value", JSONB), name="each_row"
    )
    parts = (
        cast(each.c.value.op("->>")(literal_column(str(place))), type_).label(name)
        for place, (name, type_) in enumerate(columns.items())
    )
    return select(*parts).select_from(each).subquery("given")


def is_among(sqlite: bool, asked: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether the column is one of the values that the statement's `parameter` brings, from `as_values`."""
    if not sqlite:
        return asked == any_(given_array(parameter, asked.type))
    each = func.json_each(bindparam(parameter, type_=Text)).table_valued(column("value", asked.type))
    return asked.in_(select(each.c.value))


def given_array(parameter: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """On PostgreSQL, the values that the statement's `parameter` brings, from `as_values`."""
    return cast(bindparam(parameter), ARRAY(type_))


def among(
    connection: AnyConnection,
    asked: ColumnElement[Any],
    values: Iterable[Any],
    type_: TypeEngine[Any] | None = None,
) -> ColumnElement[bool]:
    """Whether the column is one of these values, passed as a single parameter, since a statement takes a limited
    number. `type_`: of the values, if JSON lacks the column's type."""
    if not is_sqlite(connection):
        return asked == any_(bindparam(None, list(values), type_=ARRAY(type_ or asked.type)))
    given = bindparam("values", _as_json(list(values)), Text, unique=True)
    each = func.json_each(given).table_valued(column("value", type_ or asked.type))
    return asked.in_(select(each.c.value))


def as_values(connection: AnyConnection, values: Iterable[Any]) -> Any:
    """Values as the parameter that `is_among` looks into, and `given_array` is."""
    return _as_json(list(values)) if is_sqlite(connection) else _as_array(list(values))


def _as_array(values: list[Any]) -> Any:
    """Values as PostgreSQL writes an array: the driver takes five times as long over a list. It is JSON between other
    brackets, until something is to be escaped."""
    written = _as_json(values)
    return clean_json(values) if "\\" in written else f"{{{written[1:-1]}}}"


def _as_json(value: Any) -> str:
    """The value as JSON, without characters that no database stores; most values have none."""
    try:
        written = orjson.dumps(value)
    except TypeError:
        written = orjson.dumps(clean_json(value))
    return (orjson.dumps(clean_json(value)) if b"\\u0000" in written else written).decode()


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
