"""A call that is cut off at any moment, and made again with the same Idempotency-Key: it is done once.

The process ends just before one of the transactions of the call is committed: each such moment stands for all since
the commit before. What is in the database at the end is what one undisturbed call leaves there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.repeatable_calls import ABANDONED
from storage.database.engine import open_blocking, open_engine, writing
from storage.runs.runs import cancel_jobs
from storage.tables.all_tables import metadata
from storage.tables.types import Instant
from tests.web.api.world import LAST, World, filled, name_of
from web.api.app import OPERATIONS
from web.api.openapi import identifier
from web.api.operations import REPEAT, Again, Operation

POSTS = sorted(
    (operation for operation in OPERATIONS if operation.repeatable), key=lambda each: name_of(each) in LAST
)
CHANGES = 4
"""The commit that changes something: before it, the key's use, the call and the audit's row are stored."""
OURS = ("audit", "audit_outcomes", "api_answers", "api_keys")
"""What tells of the calls themselves."""
ERASURE = "'out', 'erased', None"
"""The note of an erasure: repeated, it is written once more, and says the same."""
NewWorld = Callable[[], World]


class Left(NamedTuple):
    """How many commits a call tried, and what the database holds after it."""

    commits: int
    contents: dict[str, list[Any]]


class Killed(BaseException):
    """The process has ended."""


@contextmanager
def ending_before(engine: AsyncEngine, last: int) -> Iterator[list[int]]:
    """The process ends before the commit of that number, and commits nothing afterwards; 0: it goes on."""
    seen: list[int] = []

    def see(_connection: object) -> None:
        seen.append(1)
        if last and len(seen) >= last:
            raise Killed

    event.listen(engine.sync_engine, "commit", see)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, "commit", see)


async def call(world: World, operation: Operation, ends: int = 0) -> tuple[httpx.Response | None, int]:
    """The answer, None if it was cut off; and how many commits were tried."""
    address, given = filled(operation)
    headers = {**given.pop("headers", {}), REPEAT: identifier(operation)}
    with ending_before(world.engine, ends) as seen:
        try:
            answer = await world.client.request("POST", address, headers=headers, **given)
        except Killed:
            return None, len(seen)
    return answer, len(seen)


def contents(world: World) -> dict[str, list[Any]]:
    """Every row, without the times at which something happened and what is drawn by chance."""
    found, engine = {}, open_blocking(world.engine)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            by_whom = ("source", "detail") if table.name == "events" else ()
            columns = [
                column
                for column in table.columns
                if not isinstance(column.type, Instant) and column.name not in by_whom
            ]
            if table.name not in OURS and columns:
                rows = connection.execute(select(*columns))
                texts = (re.sub("[0-9a-f]{16,}", "#", repr(row)) for row in rows)
                found[table.name] = sorted(text for text in texts if ERASURE not in text)
    engine.dispose()
    return found


async def restarted(world: World) -> None:
    """The next process, after the time that a call may take."""
    await world.engine.dispose()
    world.engine = open_engine(world.settings.database_url)
    world.clock.time += ABANDONED
    await world.open()


async def undisturbed(world: World) -> Sequence[Left]:
    """What each call leaves in the database, one after the other."""
    left = []
    await world.open()
    for operation in POSTS:
        answer, commits = await call(world, operation)
        assert answer is not None
        assert answer.status_code == operation.status, f"{name_of(operation)}: {answer.text}"
        again, _ = await call(world, operation)
        assert again is not None
        assert again.text == answer.text
        world.clock.time += ABANDONED
        left.append(Left(commits, contents(world)))
    return left


MOMENTS = [
    pytest.param(lambda commits: min(CHANGES + 1, commits), id="after its first change"),
    pytest.param(
        lambda commits: min(CHANGES, commits), id="before it changes anything", marks=pytest.mark.soak
    ),
    pytest.param(lambda commits: commits, id="before its answer is stored", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_call_that_was_cut_off_and_repeated_is_done_once(
    new_world: NewWorld, moment: Callable[[int], int]
) -> None:
    left = await undisturbed(new_world())
    world = new_world()
    await world.open()
    for operation, (commits, once) in zip(POSTS, left, strict=True):
        await cut_off_and_repeat(world, operation, moment(commits))
        assert contents(world) == once, name_of(operation)
    assert len(world.created) <= 1


async def clock_works(world: World) -> None:
    """What the clock of a runner finishes, if a cancellation was cut off."""
    async with writing(world.engine) as connection:
        await cancel_jobs(connection, world.clock())


async def cut_off_and_repeat(world: World, operation: Operation, ends: int) -> None:
    world.clock.time += ABANDONED
    cut, _ = await call(world, operation, ends)
    assert cut is None, name_of(operation)
    await restarted(world)
    repeated, _ = await call(world, operation)
    assert repeated is not None
    about = f"{name_of(operation)}, cut off before commit {ends}: {repeated.text}"
    if operation.again is Again.UNKNOWN:
        assert repeated.json()["type"] == "urn:drumbeat:problem:not-known", about
        return
    assert repeated.status_code == operation.status, about
    await clock_works(world)
    last, _ = await call(world, operation)
    assert last is not None
    assert last.text == repeated.text


async def test_the_same_call_is_refused_while_it_is_under_way(new_world: NewWorld) -> None:
    world = new_world()
    await world.open()
    operation = next(each for each in POSTS if each.path.endswith("/pause"))
    await call(world, operation, 4)
    await world.engine.dispose()
    again, _ = await call(world, operation)
    assert again is not None
    assert (again.status_code, again.json()["type"]) == (409, "urn:drumbeat:problem:under-way")
    assert again.headers["retry-after"] == "5"
