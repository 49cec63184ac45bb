"""How a message must go is remembered whatever holds it later: `held_by` shows the newest hold and no more."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from campaigns.outcomes import FailureKind, Refused, acknowledge
from campaigns.states import JobState
from scheduler.clock.launch import launch_due
from scheduler.sending.facts import FRESH, Known
from scheduler.sending.limits import Tier
from storage.database.engine import Engine, open_engine, reading, writing
from storage.database.schema import upgrade
from storage.receipts.receipts import doubts, mark_orphans, send_again
from storage.sending.intents import Deferral, DueJob, Intent, claim_due, commit_intents, defer_or_skip
from storage.sending.outcomes import Outcome, store_outcomes
from storage.sending.windows import Window
from tests.storage.database.test_schema import STORED
from tests.support.campaigns import later, phone, spec, store_campaign

LANE = "ourvoice/shop"


async def refused(engine: Engine, kind: FailureKind) -> None:
    """The one job's call was refused so."""
    await store_campaign(engine, spec(), 1)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        (job,) = await claim_due(connection, 1, LANE, later(2), 1)
        intent = Intent(job, "call", "text", "{}", 1, None, later(3))
        await commit_intents(connection, LANE, 1, [intent], later(3))
        result = Refused(kind, "131047")
        ack = acknowledge(result, 1, later(4), random.Random(1))
        await store_outcomes(connection, [Outcome(intent, result, ack, later(4), 400, None, 5)], later(4))


async def claimed(engine: Engine) -> DueJob:
    async with writing(engine) as connection:
        (job,) = await claim_due(connection, 1, LANE, later(1_000), 1)
        return job


async def held(engine: Engine) -> None:
    async with writing(engine) as connection:
        await defer_or_skip(
            connection, [Deferral(1, JobState.PENDING, due_at=later(20), held_by="quiet_hours")], later(5)
        )


async def in_doubt_and_back(engine: Engine) -> None:
    async with writing(engine) as connection:
        (job,) = await claim_due(connection, 1, LANE, later(6), 1)
        await commit_intents(
            connection, LANE, 1, [Intent(job, "c", "text", "{}", 1, None, later(6))], later(6)
        )
        assert await mark_orphans(connection, LANE, later(7)) == 1
        (doubt,) = await doubts(connection, LANE, 9)
        assert await send_again(connection, doubt, later(8))


@pytest.mark.parametrize("meanwhile", [held, in_doubt_and_back])
async def test_a_later_hold_makes_nothing_forgotten(engine: Engine, meanwhile: Any) -> None:
    await refused(engine, FailureKind.SPLIT)
    await meanwhile(engine)
    job = await claimed(engine)
    assert (job.goes_alone, job.free_refused_at) == (True, None)
    assert job.held_by not in (None, "alone")


@pytest.mark.parametrize("meanwhile", [held, in_doubt_and_back])
async def test_a_refused_free_form_is_remembered(engine: Engine, meanwhile: Any) -> None:
    await refused(engine, FailureKind.USE_TEMPLATE)
    await meanwhile(engine)
    job = await claimed(engine)
    assert (job.goes_alone, job.free_refused_at) == (False, later(4))


UNCOUNTED = Tier(None, "ourvoice", is_counted=False)


def known_at(moment: Any, window: Window | None, *, asks: bool) -> Known:
    lane: Any = SimpleNamespace(adapter=SimpleNamespace(capabilities=SimpleNamespace(asks_window=asks)))
    return Known(lane, moment, {}, {phone(1): window} if window else {}, {}, Counter(), UNCOUNTED, None, {})


OPEN_SINCE_BEFORE = Window(later(3_600), "inbound", later(1))
WROTE_SINCE = Window(later(7_200), "inbound", later(9))


@pytest.mark.parametrize(
    ("window", "asks", "after", "is_refused"),
    [
        (None, False, timedelta(days=2), True),
        (OPEN_SINCE_BEFORE, False, timedelta(minutes=30), True),
        (WROTE_SINCE, False, timedelta(minutes=30), False),
        (None, True, FRESH / 2, True),
        (None, True, FRESH, False),  # it is asked about again
        (OPEN_SINCE_BEFORE, True, timedelta(minutes=30), True),
        (WROTE_SINCE, True, FRESH / 2, False),
    ],
)
def test_the_newest_report_about_the_window_holds(
    window: Window | None, asks: bool, after: timedelta, is_refused: bool
) -> None:
    job = DueJob(1, 1, phone(1), 1, "quiet_hours", "{}", None, None, None, None, free_refused_at=later(4))
    known = known_at(later(4) + after, window, asks=asks)
    assert known._is_refused_as_free(job) is is_refused
    assert known._in_window(job) is (window is WROTE_SINCE)


async def test_what_an_older_version_held_by_name_is_kept(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    await upgrade(engine, "0007")
    async with writing(engine) as connection:
        for statement in STORED[:-1]:
            await connection.execute(text(statement))
        for number, rule in enumerate(("alone", "use_template", "quiet_hours"), 1):
            await connection.execute(
                text(
                    "INSERT INTO jobs (id, run_id, recipient_id, phone, lane, state, held_by, due_at, updated_at) "
                    f"VALUES ({number}, 1, 1, '+{number}', 'a/b', 'pending', '{rule}', 0, 7)"
                )
            )
    await upgrade(engine)
    async with reading(engine) as connection:
        kept = await connection.execute(text("SELECT id, goes_alone, free_refused_at FROM jobs ORDER BY id"))
        assert kept.all() == [(1, True, None), (2, False, 7), (3, False, None)]
    await engine.dispose()
