"""`drumbeat campaign resolve`: about all messages in doubt, or those to some numbers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import select, update

from scheduler.clock.launch import launch_due
from storage.database.engine import open_engine, reading, writing
from storage.tables.runs import jobs
from tests.support.campaigns import phone, spec, store_campaign
from tests.support.project import invoke


async def in_doubt(url: str, count: int) -> None:
    engine = open_engine(url)
    await store_campaign(engine, spec(), count)
    await launch_due(engine)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="in_doubt"))
    await engine.dispose()


async def states(url: str) -> list[str]:
    engine = open_engine(url)
    async with reading(engine) as connection:
        found = list(await connection.scalars(select(jobs.c.state).order_by(jobs.c.id)))
    await engine.dispose()
    return found


def test_some_are_given_up_by_their_numbers(tmp_path: Path, sqlite_url: str) -> None:
    asyncio.run(in_doubt(sqlite_url, 3))
    give_up = ("--database", sqlite_url, "campaign", "resolve", "spring", "--in-doubt", "give-up")
    done = invoke(tmp_path, *give_up, "--phone", phone(0), "--phone", phone(2), "--json")
    assert done.json["resolved"] == 2
    assert asyncio.run(states(sqlite_url)) == ["cancelled", "in_doubt", "cancelled"]
    again = invoke(tmp_path, *give_up, "--phone", phone(0))
    assert again.code == 5
    assert f"No message of spring to {phone(0)} is in doubt" in again.err
    assert invoke(tmp_path, *give_up, "--phone", "nobody").code == 5
    assert invoke(tmp_path, *give_up).code == 0
    assert asyncio.run(states(sqlite_url)) == ["cancelled"] * 3
