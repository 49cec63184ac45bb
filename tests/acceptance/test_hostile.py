"""Hostile bytes from a provider, from the socket to the database, on both: each message keeps its true outcome."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cli import cli
from scheduler.clock.launch import launch_due
from scheduler.receipts.reconcile import reconcile
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.shift import Shift
from storage.database.engine import reading, writing
from storage.sending.lanes import ensure_lanes
from storage.tables.runs import attempts, events
from tests.acceptance.conftest import World
from tests.support.campaigns import phone, spec
from tests.support.refusing import refuse

UPDATE = "UPDATE ON jobs"
PEOPLE = 20
ARRIVED = {"delivered", "read"}
Change = Callable[[bytes], bytes]


class Changing(httpx.AsyncBaseTransport):
    """The emulator, whose answers are changed on their way."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.posts: dict[str, httpx.Response] = {}
        """The answer to a message to this number, in place of the emulator's."""
        self.taken: dict[str, Change] = {}
        """How the emulator's answer to one is changed."""
        self.asked: Change = bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        to = "+" + orjson.loads(request.content)["to_number"][0] if request.method == "POST" else ""
        if to in self.posts:
            return self.posts[to]
        response = await self.inner.handle_async_request(request)
        body = await response.aread()
        change = self.taken.get(to, bytes) if to else self.asked
        headers = [
            (b"Content-Type", b"application/json"),
            (b"X-Served-By", b"Z\xfcrich"),
            (b"X-Request-Id", b"r-test-key"),
        ]
        return httpx.Response(response.status_code, headers=headers, content=change(body), request=request)


@pytest.fixture
def changing(world: World) -> Changing:
    return Changing(world.transport)


@pytest.fixture
async def lane(world: World, changing: Changing) -> AsyncIterator[Lane]:
    opened = open_lanes({"ourvoice": world.account}, transport=changing)
    async with writing(world.engine) as connection:
        await ensure_lanes(connection, opened)
    await world.campaign(spec(), PEOPLE)
    await launch_due(world.engine)
    yield opened["ourvoice/shop"]
    await close_lanes(opened)


async def shift(world: World, lane: Lane) -> None:
    await Shift(
        world.engine, lane, "test", asyncio.Event(), no_other_runner=True, jitter=random.Random(1)
    ).run()


async def states(world: World) -> list[str]:
    return [row.state for row in await world.jobs()]


def put(key: str, value: bytes) -> Change:
    """An answer whose `key` has this value, as it stands in the JSON."""

    def change(body: bytes) -> bytes:
        whole = orjson.loads(body)
        for place in _objects(whole):
            if key in place:
                place[key] = "@@"
        return orjson.dumps(whole).replace(b'"@@"', value)

    return change


def _objects(value: Any) -> list[dict[str, Any]]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = [value] if isinstance(value, dict) else []
    return own + [found for each in inner for found in _objects(each)]


async def test_hostile_answers_cost_no_other_message_its_outcome(
    world: World, lane: Lane, changing: Changing
) -> None:
    changing.posts[phone(3)] = httpx.Response(422, content=b'{"message": "no \\u0000 such \\ud83d number"}')
    changing.posts[phone(4)] = httpx.Response(
        422, content=b'{"message": "' + "é".encode() * 1_000_000 + b'"}'
    )
    for number, (key, value) in enumerate(
        [
            ("cost", b"1e30"),
            ("cost", b"1e300"),
            ("cost", b"1e400"),
            ("new_balance", b"1e300"),
            ("content", b'"\\ud83d"'),
            ("content", b'"\xff"'),
        ],
        5,
    ):
        changing.taken[phone(number)] = put(key, value)
    await shift(world, lane)
    expected = ["failed" if number in (3, 4) else "accepted" for number in range(PEOPLE)]
    assert [("accepted" if state == "sent" else state) for state in await states(world)] == expected
    async with reading(world.engine) as connection:
        rows = list(await connection.execute(select(attempts).order_by(attempts.c.job_id)))
    assert {row.request_id for row in rows if row.outcome == "accepted"} == {"r-[secret]"}
    assert rows[3].detail == "no such \ufffd number"
    assert len(rows[4].detail) <= 1_000
    jobs = await world.jobs()
    assert [jobs[number].cost_micros for number in (5, 6, 7)] == [None] * 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reason", b'"a \\u0000 \\ud83d"'),
        ("cost", b"1e30"),
        ("cost", b"1e300"),
        ("read_at", b'"9999-12-31T23:59:59Z"'),
    ],
)
async def test_a_hostile_value_in_a_page_of_receipts_leaves_no_message_behind(
    world: World, lane: Lane, changing: Changing, key: str, value: bytes
) -> None:
    await shift(world, lane)

    def odd(body: bytes) -> bytes:
        """One message shows the value, and the page shows one message twice."""
        whole = orjson.loads(body)
        items = whole["data"]
        items[0][key] = "@@"
        items.append(dict(items[1]))
        return orjson.dumps(whole).replace(b'"@@"', value)

    changing.asked = odd
    for _ in range(100):
        await reconcile(world.engine, lane, everything=True)
        if set(await states(world)) <= ARRIVED:
            break
        await asyncio.sleep(0.02)
    assert set(await states(world)) <= ARRIVED


async def test_an_outcome_that_the_database_refuses_is_kept_aside_alone(
    world: World, lane: Lane, changing: Changing, caplog: pytest.LogCaptureFixture
) -> None:
    await refuse(world.engine, UPDATE, f"NEW.phone = '{phone(7)}' AND NEW.state = 'accepted'")
    await shift(world, lane)
    assert await states(world) == ["sending" if number == 7 else "accepted" for number in range(PEOPLE)]
    assert [
        record.job for record in caplog.records if getattr(record, "action", "") == "outcome_refused"
    ] == [8]
    async with reading(world.engine) as connection:
        told = list(await connection.scalars(select(events.c.job_id).where(events.c.event == "accepted")))
    assert sorted(told) == [number + 1 for number in range(PEOPLE) if number != 7]  # once each
    await shift(world, lane)
    assert (await states(world))[7] == "in_doubt"


async def test_words_that_the_database_refuses_do_not_cost_the_outcome(
    world: World, lane: Lane, changing: Changing
) -> None:
    await refuse(world.engine, UPDATE, "NEW.code = '422'")
    changing.posts[phone(7)] = httpx.Response(422, json={"message": "no such number"})
    await shift(world, lane)
    assert await states(world) == ["failed" if number == 7 else "accepted" for number in range(PEOPLE)]
    assert (await world.jobs())[7].code == "message"


async def test_a_receipt_that_the_database_refuses_is_left_out_alone(world: World, lane: Lane) -> None:
    await shift(world, lane)
    await refuse(world.engine, UPDATE, f"NEW.phone = '{phone(7)}' AND NEW.state IN ('delivered', 'read')")
    for _ in range(100):
        await reconcile(world.engine, lane, everything=True)
        left = [number for number, state in enumerate(await states(world)) if state not in ARRIVED]
        if left == [7]:
            break
        await asyncio.sleep(0.02)
    assert left == [7]


def test_what_is_typed_in_another_encoding_is_stored(database_url: str) -> None:
    """A terminal that is not UTF-8 gives bytes that are no characters."""
    told = ["contacts", "optout", phone(1), "--evidence", "tick\udcffet \ud83d", "--source", "me\udcff"]
    result = CliRunner().invoke(cli, ["--database", database_url, *told, "--json"])
    assert result.exit_code == 0, result.output
    shown = CliRunner().invoke(cli, ["--database", database_url, "contacts", "show", phone(1), "--json"])
    assert "tick\ufffdet \ufffd" in json.loads(shown.stdout)["log"][0].values()
