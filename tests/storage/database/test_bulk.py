"""Rows go to the database and come back as one value, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import BigInteger, Text, select

from storage.database.bulk import as_values, fetch_rows, is_among, table_of
from storage.database.engine import Engine, is_sqlite, reading

TEXTS = [
    "",
    "plain",
    'quo\'te "and" \\',
    "línea\n\ttwo",
    "\u202e𝟘 👍",
    "null",
    "{}",
    "'); DROP TABLE jobs; --",
]


@pytest.mark.parametrize("number", [0, -1, 2**53, 2**63 - 1])
async def test_values_arrive_as_they_are(engine: Engine, number: int) -> None:
    rows: list[dict[str, Any]] = [{"id": number, "text": text} for text in TEXTS]
    async with reading(engine) as connection:
        given = table_of(connection, rows, id=BigInteger(), text=Text())
        found = (await connection.execute(select(given.c.id, given.c.text))).all()
    assert [tuple(row) for row in found] == [(number, text) for text in TEXTS]


async def test_what_a_row_leaves_out_is_null(engine: Engine) -> None:
    async with reading(engine) as connection:
        given = table_of(connection, [{"id": 1}, {"text": "two"}], id=BigInteger(), text=Text())
        found = (await connection.execute(select(given.c.id, given.c.text))).all()
    assert [tuple(row) for row in found] == [(1, None), (None, "two")]


async def test_rows_come_back_however_many(engine: Engine) -> None:
    rows = [{"id": number, "text": TEXTS[number % len(TEXTS)]} for number in range(40_000)]
    async with reading(engine) as connection:
        given = table_of(connection, rows, id=BigInteger(), text=Text())
        found = await fetch_rows(connection, select(given.c.id, given.c.text))
        none = await fetch_rows(connection, select(given.c.id).where(given.c.id < 0))
    assert sorted(found) == [[row["id"], row["text"]] for row in rows]
    assert none == []


@pytest.mark.parametrize("asked", [TEXTS[:2], TEXTS, ["pl\0ain", "b", "a,b", "{a}"], []])
async def test_texts_are_found_whatever_they_hold(engine: Engine, asked: list[str]) -> None:
    rows = [{"text": text} for text in [*TEXTS, "a", "NULL", "a,b", "{a}"]]
    wanted = {text.replace("\0", "") for text in asked}
    async with reading(engine) as connection:
        given = table_of(connection, rows, text=Text())
        among_them = select(given.c.text).where(is_among(is_sqlite(connection), given.c.text, "texts"))
        found = await connection.scalars(among_them, {"texts": as_values(connection, asked)})
    assert sorted(found) == sorted(wanted.intersection(row["text"] for row in rows))


async def test_numbers_are_found(engine: Engine) -> None:
    numbers = [0, -1, 2**53, 2**63 - 1]
    async with reading(engine) as connection:
        given = table_of(connection, [{"id": number} for number in numbers], id=BigInteger())
        among_them = select(given.c.id).where(is_among(is_sqlite(connection), given.c.id, "ids"))
        found = await connection.scalars(among_them, {"ids": as_values(connection, numbers[1:])})
    assert sorted(found) == sorted(numbers[1:])
