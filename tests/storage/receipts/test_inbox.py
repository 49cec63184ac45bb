"""Stored webhooks are handed out in order and once, refusals add up, opt-outs follow the newest word."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from storage.database.compression import pack, unpack
from storage.database.engine import Engine, open_blocking, open_engine, reading, writing
from storage.database.health import is_outage
from storage.receipts.inbox import (
    Arrival,
    NewNotice,
    add_notices,
    count_refusals,
    keep_webhooks,
    new_webhooks,
    set_aside,
    take_webhooks,
)
from storage.tables.receipts import notices, webhook_refusals, webhooks
from tests.support.campaigns import later


def arrival(body: bytes, account: str = "hooked") -> Arrival:
    return Arrival(account, later(1), "http://hooks.test/webhooks/hooked", "{}", body)


def packed(body: bytes) -> Arrival:
    return Arrival.packed("hooked", later(1), "http://hooks.test/webhooks/hooked", "{}", body)


async def bodies(engine: Engine, most: int = 100, most_bytes: int = 10_000, after: int = 0) -> list[bytes]:
    async with reading(engine) as connection:
        rows = await new_webhooks(connection, ["hooked"], most, most_bytes, after=after, largest=1_000_000)
        return [row.body for row in rows]


async def test_webhooks_come_out_as_they_went_in_and_in_order(engine: Engine) -> None:
    kept = [bytes([n]) * n for n in range(20)]
    async with writing(engine) as connection:
        await connection.run_sync(keep_webhooks, [arrival(body) for body in kept])
        await connection.run_sync(keep_webhooks, [arrival(b"another's", "other")])
        await connection.run_sync(keep_webhooks, [])
    assert await bodies(engine) == kept
    assert await bodies(engine, most=3) == kept[:3]
    assert await bodies(engine, most=3, after=5) == kept[5:8]


async def test_many_at_once_are_as_many_statements_as_the_database_takes(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    blocking = open_blocking(engine)
    with blocking.begin() as connection:
        keep_webhooks(connection, [arrival(bytes([n])) for n in range(200)])
    blocking.dispose()
    assert await bodies(engine, most=500) == [bytes([n]) for n in range(200)]
    await engine.dispose()


async def test_a_portion_is_bounded_by_bytes_but_never_empty(engine: Engine) -> None:
    async with writing(engine) as connection:
        await connection.run_sync(
            keep_webhooks, [arrival(b"x" * 5000), arrival(b"y" * 10), arrival(b"z" * 95)]
        )
    assert await bodies(engine, most_bytes=100) == [b"x" * 5000]
    async with writing(engine) as connection:
        assert await take_webhooks(connection, [1], later(2)) == {1}
    assert await bodies(engine, most_bytes=100) == [b"y" * 10]
    assert await bodies(engine, most_bytes=105) == [b"y" * 10, b"z" * 95]


async def test_a_long_body_is_stored_shorter_and_comes_out_as_it_arrived(engine: Engine) -> None:
    repetitive, random_one = b'{"status": "delivered"}' * 2_000, Random(1).randbytes(5_000)
    whole = [repetitive, random_one, b"short"]
    async with writing(engine) as connection:
        await connection.run_sync(keep_webhooks, [packed(body) for body in whole])
        rows = (await connection.execute(select(webhooks).order_by(webhooks.c.id))).all()
    assert [row.size for row in rows] == [len(repetitive), None, None]
    assert len(rows[0].body) < len(repetitive) / 20
    assert [row.body for row in rows[1:]] == whole[1:]
    assert await bodies(engine, most_bytes=100_000) == whole
    # Memory must hold them as they arrived.
    assert await bodies(engine, most_bytes=len(repetitive) + 1) == [repetitive]


async def test_postgresql_does_not_compress_once_more_what_is_packed(database_url: str) -> None:
    """It would take longer than everything else that it does with a body."""
    engine = open_engine(database_url)
    if engine.dialect.name == "postgresql":
        arrival = packed(b'{"status": "delivered"}' * 50_000)
        async with writing(engine) as connection:
            await connection.run_sync(keep_webhooks, [arrival])
            stored = await connection.scalar(select(func.pg_column_size(webhooks.c.body)))
        assert stored == len(arrival.body) > 2_000
    await engine.dispose()


@given(st.binary(max_size=200), st.integers(1, 100))
def test_whatever_is_packed_is_unpacked_to_the_byte(part: bytes, times: int) -> None:
    body = part * times
    shorter = pack(body)
    assert shorter is None or (len(shorter) < len(body) and unpack(shorter) == body)


async def test_processed_and_unreadable_webhooks_are_not_returned_again(engine: Engine) -> None:
    async with writing(engine) as connection:
        await connection.run_sync(keep_webhooks, [arrival(b"a"), arrival(b"b"), arrival(b"c")])
        assert await take_webhooks(connection, [1, 2], later(2)) == {1, 2}
        assert await take_webhooks(connection, [1, 2], later(3)) == frozenset()
        await set_aside(connection, {2: "KeyError: 'id'"})
    assert await bodies(engine) == [b"c"]
    async with reading(engine) as connection:
        rows = (await connection.execute(select(webhooks).order_by(webhooks.c.id))).all()
    assert [(row.processed_at, row.problem) for row in rows] == [
        (later(2), None),
        (later(2), "KeyError: 'id'"),
        (None, None),
    ]
    assert rows[1].body == b"b"


async def test_refusals_add_up(engine: Engine) -> None:
    for seconds, refused in ((1, {"hooked": 2}), (2, {"hooked": 40, "other": 1}), (3, {})):
        async with writing(engine) as connection:
            await connection.run_sync(count_refusals, refused, later(seconds))
    async with reading(engine) as connection:
        rows = (await connection.execute(select(webhook_refusals).order_by(webhook_refusals.c.account))).all()
    assert [tuple(row) for row in rows] == [("hooked", 42, later(2)), ("other", 1, later(2))]


async def test_a_notice_is_kept_once(engine: Engine) -> None:
    news = [
        NewNotice("template_status", "spring", "PAUSED", later(1)),
        NewNotice("quality", "shop", "LOW", later(1)),
    ]
    async with writing(engine) as connection:
        await add_notices(connection, "hooked", [*news, *news])
        await add_notices(connection, "hooked", news)
        await add_notices(connection, "other", news[:1])
    async with reading(engine) as connection:
        rows = (await connection.execute(select(notices).order_by(notices.c.id))).all()
    assert [(row.account, row.kind, row.text) for row in rows] == [
        ("hooked", "template_status", "PAUSED"),
        ("hooked", "quality", "LOW"),
        ("other", "template_status", "PAUSED"),
    ]


class _TooLarge(Exception):
    sqlstate = "54000"


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (OperationalError("INSERT", {}, Exception("database is locked")), True),
        (InterfaceError("INSERT", {}, Exception("the connection is closed")), True),
        (OSError("no space left on device"), True),
        (OperationalError("INSERT", {}, _TooLarge()), False),
        (DataError("INSERT", {}, Exception("a NUL in a text")), False),
        (IntegrityError("INSERT", {}, Exception("not null")), False),
        (ValueError("no time zone"), False),
    ],
)
def test_an_outage_is_distinguished_from_a_refused_value(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage
