"""Tests go to named numbers, whatever state the campaign is in, and leave its caps, its reports and its runs alone."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from campaigns.errors import InvalidInput, NotFound
from campaigns.phones.phone import bucket
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, JobState
from scheduler.actions.control import cancel, pause, resume
from scheduler.actions.testing import LIFETIME, start_test
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading
from storage.tables.audience import recipients
from storage.tables.runs import jobs, runs
from storage.views.reports import delivery
from storage.views.timelines import find_jobs
from tests.support.campaigns import EPOCH, job_rows, later, phone, spec, store_campaign

MINE, YOURS = phone(700), phone(701)


async def test_a_draft_is_tested_with_the_values_of_a_row(engine: Engine) -> None:
    await store_campaign(engine, spec(senders=["a", "b"]), 5, start_at=None)
    trial = await start_test(engine, "spring", [MINE, YOURS, MINE], 4, now=lambda: later(7))
    assert (trial.line, trial.phones, trial.expires_at) == (4, (MINE, YOURS), later(7) + LIFETIME)
    rows = await job_rows(engine)
    lanes = [f"ourvoice/{'ab'[bucket(to) % 2]}" for to in (MINE, YOURS)]
    assert [(row.phone, row.lane, row.state, row.due_at) for row in rows] == [
        (MINE, lanes[0], "pending", later(7)),
        (YOURS, lanes[1], "pending", later(7)),
    ]
    async with reading(engine) as connection:
        [run] = await connection.execute(select(runs))
        [row] = await connection.execute(select(recipients).where(recipients.c.id == rows[0].recipient_id))
        assert (await require(connection, "spring")).state is CampaignState.DRAFT
    assert (run.kind, run.state, run.jobs, row.line) == ("test", "running", 2, 4)


async def test_a_test_is_held_back_by_no_rule_that_chooses_people_or_hours(engine: Engine) -> None:
    await store_campaign(
        engine,
        spec(
            caps=[{"max": 1, "per": "7d"}],
            hours={"allow": "09:00-10:00"},
            holdout={"percent": 99},
            consent={"required": True},
            pace={"ramp": [1], "contact_gap": "6h", "rate": "2/s"},
            budget={"max": "1.00", "currency": "USD"},
        ),
        1,
    )
    await start_test(engine, "spring", [MINE])
    async with reading(engine) as connection:
        frozen = CampaignSpec.from_json((await connection.execute(select(runs.c.spec))).scalar_one())
    assert (frozen.caps, frozen.obeys_caps, frozen.counts_toward_caps) == ([], False, False)
    assert (frozen.hours, frozen.holdout, frozen.consent) == (None, None, None)
    assert (frozen.pace.ramp, frozen.pace.contact_gap) == (None, None)
    assert frozen.pace.rate is not None
    assert frozen.budget is not None


async def test_reports_do_not_count_it_and_why_shows_it(engine: Engine) -> None:
    campaign_id = await store_campaign(engine, spec(), 3)
    await start_test(engine, "spring", [MINE, phone(0)])
    async with reading(engine) as connection:
        found = await require(connection, "spring")
        assert (await delivery(connection, found)).states == {JobState.PENDING: 3}
    await launch_due(engine, now=lambda: later(1))
    async with reading(engine) as connection:
        assert (await delivery(connection, found)).states == {JobState.PENDING: 3}
        told = [await find_jobs(connection, campaign_id, to) for to in (MINE, phone(0))]
    assert [{story.run_kind for story in stories} for stories in told] == [{"test"}, {"test", "scheduled"}]


async def test_pausing_and_resuming_leaves_a_test_alone(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1, start_at=later(60))
    await start_test(engine, "spring", [MINE])
    await pause(engine, "spring")
    async with reading(engine) as connection:
        assert list(await connection.scalars(select(runs.c.state))) == ["running"]
    await resume(engine, "spring")
    async with reading(engine) as connection:
        assert (await require(connection, "spring")).state is CampaignState.SCHEDULED
    assert await cancel(engine, "spring") == 1


async def test_it_never_takes_the_moment_of_a_run(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1, start_at=EPOCH)
    for _ in range(3):
        await start_test(engine, "spring", [MINE], now=lambda: EPOCH)
    assert await launch_due(engine, now=lambda: EPOCH) == ["spring"]
    await start_test(engine, "spring", [MINE], now=lambda: EPOCH)
    async with reading(engine) as connection:
        moments = list(await connection.scalars(select(runs.c.nominal_at).order_by(runs.c.nominal_at)))
        numbers = list(await connection.scalars(select(jobs.c.run_id)))
    assert moments == [later(ms / 1000) for ms in range(5)]
    assert len(numbers) == 5


async def test_wrong_numbers_lines_and_names_are_reported(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    await store_campaign(engine, spec("empty"), 0)
    with pytest.raises(InvalidInput, match="'hello' cannot be used"):
        await start_test(engine, "spring", [MINE, "hello"])
    with pytest.raises(NotFound, match="No recipient of spring is on line 77"):
        await start_test(engine, "spring", [MINE], 77)
    with pytest.raises(InvalidInput, match="has no recipients"):
        await start_test(engine, "empty", [MINE])
    with pytest.raises(NotFound) as unknown:
        await start_test(engine, "sprng", [MINE])
    assert unknown.value.hint == "Did you mean spring?"
    assert await job_rows(engine) == []
