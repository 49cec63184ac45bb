"""Rows go to the database and come back as one value, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import BigInteger, Text, select

from storage.database.bulk import fetch_rows, table_of
from storage.database.engine import Engine, reading

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
