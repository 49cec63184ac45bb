"""Whoever slept through its lease writes nothing and starts no further call; whoever lost the runner's lock neither."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, text

from campaigns.errors import Locked
from providers.http.transport import TOO_LATE, NeverLeft
from storage.database.advisory import RUNNER_LOCK, SILENCE, TRUSTED, advisory_lock
from storage.database.engine import Engine, open_engine, reading, writing
from storage.tables import attempts
from tests.acceptance.conftest import World
from tests.support.campaigns import spec
from tests.support.databases import fresh_database

NAP = 0.5


@pytest.fixture
async def server(postgres: str) -> AsyncIterator[Engine]:
    with fresh_database(postgres) as url:
        engine = open_engine(url)
        yield engine
        await engine.dispose()


async def test_a_sleeper_starts_none_of_the_calls_whose_intents_it_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.sending.shift.TRUSTED_LEASE", NAP)
    await world.campaign(
        spec(), 50
    )  # unpaced: one slice has them all, and all their calls are set off at once
    slept = False

    async def sleep_once(_request: httpx.Request) -> None:
        nonlocal slept
        if not slept:
            slept = True
            time.sleep(NAP)  # noqa: ASYNC251  # nothing in this process goes on, as under SIGSTOP

    world.transport.before_send = sleep_once
    await world.run()
    async with reading(world.engine) as connection:
        epochs = Counter((await connection.scalars(select(attempts.c.epoch))).all())
    first = min(epochs)
    assert (
        epochs[first] == 1
    )  # the call under way; those that had not left were given back, and another shift made them
    await all_got_one(world, 50)


async def test_a_call_found_too_late_at_its_connection_is_taken_back(world: World) -> None:
    await world.campaign(spec(), 10)
    late = False

    async def late_once(_request: httpx.Request) -> None:
        nonlocal late
        if not late:
            late = True
            raise NeverLeft(TOO_LATE, "It was too late to send it.")

    world.transport.before_send = late_once
    await world.run()
    async with reading(world.engine) as connection:
        outcomes = Counter((await connection.scalars(select(attempts.c.outcome))).all())
    assert outcomes == {"accepted": 10}  # no attempt is counted, and no back-off follows
    await all_got_one(world, 10)


async def test_one_has_the_lock_and_who_ends_gives_it_up(server: Engine) -> None:
    async with advisory_lock(server) as first:
        assert first is not None
        assert first.held
        async with advisory_lock(server) as second:
            assert second is None
    async with advisory_lock(server) as third:
        assert third is not None


async def test_a_cut_connection_is_noticed_before_the_lock_is_trusted_again(server: Engine) -> None:
    async with advisory_lock(server) as hold:
        assert hold is not None
        await _cut_holder(server)
        async with asyncio.timeout(2.0):
            await hold.lost()
        assert not hold.held
        async with advisory_lock(server) as other:
            assert other is not None
            assert not other.settled  # the one before may need a moment to notice


async def test_a_holder_that_sleeps_stops_before_the_server_gives_the_lock_away(server: Engine) -> None:
    async with advisory_lock(server) as hold:
        assert hold is not None
        time.sleep(TRUSTED + 0.1)  # noqa: ASYNC251  # as under SIGSTOP
        assert not hold.held
    assert TRUSTED < SILENCE


async def test_the_server_takes_the_lock_from_a_holder_that_says_nothing(server: Engine) -> None:
    async with advisory_lock(server) as hold:
        assert hold is not None
        time.sleep(SILENCE + 0.5)  # noqa: ASYNC251
        async with advisory_lock(server) as other:
            assert other is not None


async def test_a_runner_whose_lock_was_cut_takes_it_again_and_nobody_gets_it_twice(
    world: World, database_url: str
) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("a file's lock cannot be lost")
    await world.campaign(spec(pace={"delay_between": 20}), 60)
    cut = False

    async def cut_once(_request: httpx.Request) -> None:
        nonlocal cut
        if not cut and len(await world.ledger()) >= 5:
            cut = True
            await _cut_holder(world.engine)

    world.transport.before_send = cut_once
    await world.run(wait_receipts=timedelta(0))
    received = [message["to"] for message in await world.ledger()]
    assert cut
    assert (len(received), len(set(received))) == (60, 60)


async def test_a_second_runner_that_gets_a_cut_lock_sends_nothing_twice(
    world: World, database_url: str
) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("a file's lock cannot be lost")
    await world.campaign(spec(pace={"delay_between": 20}), 60)
    second: asyncio.Task[None] | None = None

    async def run_once_it_is_free() -> None:
        while True:
            with suppress(Locked):
                await world.run(wait_receipts=timedelta(0))
                return
            await asyncio.sleep(0.01)

    async def cut_once(_request: httpx.Request) -> None:
        nonlocal second
        if second is None and len(await world.ledger()) >= 5:
            second = asyncio.create_task(run_once_it_is_free())
            await asyncio.sleep(0.2)  # it has met the lock
            await _cut_holder(world.engine)

    world.transport.before_send = cut_once
    await world.run(wait_receipts=timedelta(0))
    assert second is not None
    await second
    await all_got_one(world, 60)


async def all_got_one(world: World, size: int) -> None:
    received = [message["to"] for message in await world.ledger()]
    assert (len(received), len(set(received))) == (size, size)


async def _cut_holder(engine: Engine) -> None:
    query = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = :key"
    async with writing(engine) as connection:
        await connection.execute(text(query), {"key": RUNNER_LOCK})
