"""A year of recurring campaigns in twelve zones, on a clock that the test moves: the oracle says what is launched."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, open_engine, reading
from storage.runs.runs import next_start
from storage.tables.audience import campaigns
from storage.tables.runs import missed_runs, runs
from tests.support.campaigns import spec, store_campaign
from tests.support.clockwork import YEAR, ZONES, expected

DAY, SWEEP = timedelta(days=1), timedelta(seconds=0.25)
CRON = "30 2 * 2-4,9-11 0"
"""On Sunday nights, in the months when clocks are changed."""


def campaign(zone: str) -> CampaignSpec:
    name = zone.lower().replace("/", "-").replace("_", "-")
    return spec(name, schedule={"cron": CRON, "timezone": zone})


async def store_all(engine: Engine, zones: Sequence[str]) -> None:
    for zone in zones:
        await store_campaign(engine, campaign(zone), 0, start_at=expected(CRON, zone)[0])


async def launch_at(engine: Engine, now: datetime) -> None:
    await launch_due(engine, now=lambda: now)


async def alarm(engine: Engine, now: datetime) -> datetime:
    """The next moment at which there is something to launch."""
    async with reading(engine) as connection:
        start = await next_start(connection, now)
    assert start is not None
    return start


async def nominal_times(engine: Engine, zone: str) -> tuple[list[datetime], list[datetime]]:
    """Those of the zone's campaign that were launched, and those that were missed."""
    async with reading(engine) as connection:
        mine = select(campaigns.c.id).where(campaigns.c.name == campaign(zone).name).scalar_subquery()
        times = select(runs.c.nominal_at, runs.c.launched_at).where(runs.c.campaign_id == mine)
        launched = (await connection.execute(times.order_by(runs.c.id))).all()
        lost = select(missed_runs.c.nominal_at).where(missed_runs.c.campaign_id == mine)
        missed = list(await connection.scalars(lost.order_by(missed_runs.c.nominal_at)))
    assert all(row.nominal_at <= row.launched_at <= row.nominal_at + timedelta(hours=1) for row in launched)
    return [row.nominal_at for row in launched], missed


@pytest.mark.large  # a shorter calendar of each zone is in tests/scheduler/clock, and a year's launches are below
async def test_a_year_in_twelve_zones(sqlite_engine: Engine) -> None:
    await store_all(sqlite_engine, ZONES)
    now = await alarm(sqlite_engine, YEAR[0] - DAY)
    while now < YEAR[1]:
        await launch_at(sqlite_engine, now)
        now = await alarm(sqlite_engine, now)
    for zone in ZONES:
        assert await nominal_times(sqlite_engine, zone) == (expected(CRON, zone), []), zone


async def test_a_year_of_stalls_restarts_and_a_jumping_clock(sqlite_engine: Engine, tmp_path: Path) -> None:
    """Down for hours or days, restarted, set forth and back: each is launched in time or missed, none twice."""
    zones = ("Europe/Paris", "America/New_York", "Pacific/Chatham")
    await store_all(sqlite_engine, zones)
    chance, engine, highest = random.Random(4), sqlite_engine, YEAR[0]
    now = YEAR[0]
    while now < YEAR[1]:
        await launch_at(engine, now)
        highest = max(highest, now)
        match chance.randrange(8):
            case 0:
                now += chance.random() * 4 * DAY
            case 1:
                now -= chance.random() * 2 * DAY
            case 2:
                await engine.dispose()
                engine = open_engine(f"sqlite:///{tmp_path / 'drumbeat.db'}")
            case _:
                now = await alarm(engine, now) + SWEEP
    missed_some = 0
    for zone in zones:
        launched, missed = await nominal_times(engine, zone)
        assert launched == sorted(set(launched))
        assert sorted([*launched, *missed]) == [time for time in expected(CRON, zone) if time <= highest]
        missed_some += len(missed)
    assert missed_some
    await engine.dispose()
