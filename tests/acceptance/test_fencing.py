"""Whoever slept through its lease writes nothing and starts no further call; whoever lost the runner's lock neither."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text

from campaigns.errors import Locked, UsageError
from providers.http.connection import TOO_LATE, NeverLeft
from scheduler.clock.locks import SETTLED, runner_lock
from storage.database.advisory import RUNNER_LOCK, SILENCE, TRUSTED, advisory_lock
from storage.database.engine import Engine, database_file, open_engine, reading, writing
from storage.tables.runs import attempts
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
    monkeypatch.setattr("scheduler.sending.lease.TRUSTED_LEASE", NAP)
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


async def test_the_server_takes_the_lock_from_a_silent_holder(server: Engine) -> None:
    async with advisory_lock(server) as hold:
        assert hold is not None
        time.sleep(SILENCE + 0.5)  # noqa: ASYNC251
        async with advisory_lock(server) as other:
            assert other is not None


async def test_a_runner_whose_lock_was_cut_takes_it_again_and_sends_nothing_twice(
    world: World,
) -> None:
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
    world: World,
) -> None:
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
    """Let another runner in under the one at work."""
    if (database := database_file(engine)) is not None:
        _lock_file(database).unlink()
        return
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND objid = :key"
    )
    async with writing(engine) as connection:
        await connection.execute(text(query), {"key": RUNNER_LOCK})


def _lock_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


@pytest.fixture
def database(sqlite_engine: Engine) -> Path:
    found = database_file(sqlite_engine)
    assert found is not None
    return found


@pytest.mark.parametrize("through", ["the file", "its folder"])
async def test_a_symbolic_link_leads_to_the_same_lock(
    sqlite_engine: Engine, database: Path, tmp_path: Path, through: str
) -> None:
    link = tmp_path / "link"
    link.symlink_to(database if through == "the file" else database.parent)
    other = open_engine(f"sqlite:///{link if through == 'the file' else link / database.name}")
    async with runner_lock(sqlite_engine):
        with pytest.raises(Locked, match="Another runner"):
            async with runner_lock(other):
                pass
    async with runner_lock(other):
        pass
    await other.dispose()


async def test_a_database_with_two_names_is_opened_by_neither(sqlite_engine: Engine, database: Path) -> None:
    other = database.with_name("other.db")
    other.hardlink_to(database)
    for name in (database, other):
        with pytest.raises(UsageError, match=f"{name.name} has another name"):
            open_engine(f"sqlite:///{name}")
    with pytest.raises(UsageError, match="hard link"):
        async with runner_lock(sqlite_engine):
            pass
    other.unlink()
    async with runner_lock(sqlite_engine) as hold:
        other.hardlink_to(database)
        assert hold.held  # whoever makes a copy by links does not stop the one at work


@pytest.mark.parametrize("way", ["removed", "replaced"])
async def test_a_runner_stops_when_its_lock_file_is(sqlite_engine: Engine, database: Path, way: str) -> None:
    async with runner_lock(sqlite_engine) as hold:
        assert hold.held
        if way == "removed":
            _lock_file(database).unlink()
        else:
            (database.parent / "new").touch()
            (database.parent / "new").replace(_lock_file(database))
        async with asyncio.timeout(2):
            await hold.lost()
        assert not hold.held
        async with runner_lock(sqlite_engine) as other:
            assert other.held
            assert not other.settled  # the one before may need a moment to write down what it was told
            assert not hold.held


async def test_a_lock_file_that_was_there_before_needs_no_waiting(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with runner_lock(sqlite_engine) as first:
        assert not first.settled
        started = time.monotonic()
        monkeypatch.setattr("scheduler.clock.locks.time.monotonic", lambda: started + SETTLED)
        assert first.settled
    monkeypatch.undo()
    async with runner_lock(sqlite_engine) as second:
        assert second.settled


@pytest.mark.parametrize("way", ["removed", "replaced"])
async def test_a_runner_whose_database_is_not_there_any_more_ends(
    sqlite_engine: Engine, database: Path, way: str
) -> None:
    async with runner_lock(sqlite_engine) as hold:
        database.rename(database.with_name("away.db"))
        if way == "replaced":
            database.touch()
        assert not hold.held
        with pytest.raises(Locked, match="moved, removed or replaced"):
            async with asyncio.timeout(2):
                await hold.lost()


async def test_a_runner_sends_nothing_once_its_database_was_moved(
    sqlite_world: World, database: Path
) -> None:
    await sqlite_world.campaign(spec(pace={"delay_between": 20}), 60)
    moved = False

    async def move_once(_request: httpx.Request) -> None:
        nonlocal moved
        if not moved and len(await sqlite_world.ledger()) >= 5:
            moved = True
            database.rename(database.with_name("away.db"))

    sqlite_world.transport.before_send = move_once
    with pytest.raises(Locked, match="moved, removed or replaced"):
        await sqlite_world.run()
    assert len(await sqlite_world.ledger()) <= 7  # those under way


async def test_a_lock_file_that_cannot_be_used_is_named(sqlite_engine: Engine, database: Path) -> None:
    _lock_file(database).symlink_to(database.with_name("elsewhere"))
    with pytest.raises(Locked, match=r"drumbeat\.db\.lock cannot be locked"):
        async with runner_lock(sqlite_engine):
            pass


async def test_the_lock_file_is_for_its_user_alone(sqlite_engine: Engine, database: Path) -> None:
    async with runner_lock(sqlite_engine):
        assert _lock_file(database).stat().st_mode & 0o777 == 0o600
