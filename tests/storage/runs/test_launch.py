"""Recurring campaigns on both databases: each occurrence is launched once or recorded as missed, and they end."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from campaigns.approval import ApprovalLimits
from campaigns.errors import InvalidInput, NotFound, Stopped
from scheduler.actions.approval import Guard
from scheduler.actions.approving import approve
from scheduler.actions.control import cancel, pause, resume
from scheduler.clock.backfill import backfill, missed_between
from scheduler.clock.launch import launch, launch_due
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.occurrences import list_missed
from storage.runs.runs import complete_runs, due_campaigns, expire_jobs, next_start
from storage.tables.audience import campaigns, recipients
from storage.tables.runs import attempts, events, jobs, missed_runs, runs
from tests.support.campaigns import job_rows, spec, store_campaign

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINE = datetime(2026, 6, 1, 9, tzinfo=UTC)
"""A Monday."""


def daily(name: str = "spring", **schedule: Any) -> Any:
    return spec(name, schedule={"cron": "0 9 * * *", "timezone": "UTC", **schedule})


async def store(engine: Engine, wanted: Any, size: int = 2, start_at: datetime = NINE) -> int:
    return await store_campaign(engine, wanted, size, start_at=start_at)


async def launch_at(engine: Engine, moment: datetime) -> list[str]:
    return await launch_due(engine, now=lambda: moment)


async def look(engine: Engine) -> tuple[str, datetime | None, list[datetime]]:
    """The one campaign's state and next nominal time, and those of its runs."""
    async with reading(engine) as connection:
        campaign = (await connection.execute(select(campaigns.c.state, campaigns.c.start_at))).one()
        launched = await connection.scalars(select(runs.c.nominal_at).order_by(runs.c.nominal_at))
        return campaign.state, campaign.start_at, list(launched)


async def missed(engine: Engine) -> list[tuple[datetime, str]]:
    async with reading(engine) as connection:
        return [(each.nominal_at, each.reason) for each in await list_missed(connection, 1)]


async def finish(engine: Engine, moment: datetime, **values: Any) -> None:
    """All messages are delivered, or what `values` say, and the runs are closed."""
    async with writing(engine) as connection:
        changed = update(jobs).where(jobs.c.state.in_(["pending", "sending"]))
        await connection.execute(changed.values({"state": "delivered", "held_by": None, **values}))
        await complete_runs(connection, moment)


async def test_between_its_runs_a_campaign_is_scheduled_and_after_the_last_completed(engine: Engine) -> None:
    await store(engine, daily(max_runs=2))
    assert await launch_at(engine, NINE) == ["spring"]
    assert await look(engine) == ("running", NINE + DAY, [NINE])
    await finish(engine, NINE + HOUR)
    assert await look(engine) == ("scheduled", NINE + DAY, [NINE])
    assert await launch_at(engine, NINE + HOUR) == []
    assert await launch_at(engine, NINE + DAY) == ["spring"]
    assert await look(engine) == ("running", None, [NINE, NINE + DAY])
    await finish(engine, NINE + DAY + HOUR)
    assert await look(engine) == ("completed", None, [NINE, NINE + DAY])
    assert await launch_at(engine, NINE + 5 * DAY) == []
    assert len(await job_rows(engine)) == 4


async def test_receipts_that_are_out_hold_up_no_run(engine: Engine) -> None:
    await store(engine, daily())
    await launch_at(engine, NINE)
    await finish(engine, NINE, state="sent")
    assert await launch_at(engine, NINE + DAY) == ["spring"]
    assert await look(engine) == ("running", NINE + 2 * DAY, [NINE, NINE + DAY])
    await finish(engine, NINE + DAY)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.state == "sent").values(state="read"))
        assert len(await complete_runs(connection, NINE + DAY)) == 1
    assert (await look(engine))[0] == "scheduled"


async def test_ends_at_ends_it(engine: Engine) -> None:
    await store(engine, daily(ends_at=NINE + DAY + HOUR))
    await launch_at(engine, NINE)
    await finish(engine, NINE)
    await launch_at(engine, NINE + DAY)
    await finish(engine, NINE + DAY)
    assert await look(engine) == ("completed", None, [NINE, NINE + DAY])
    async with reading(engine) as connection:
        assert set(await connection.scalars(select(runs.c.expires_at))) == {NINE + DAY + HOUR}


async def test_a_last_run_that_was_missed_completes_the_campaign(engine: Engine) -> None:
    await store(engine, daily(ends_at=NINE + DAY))
    assert await launch_at(engine, NINE + 2 * HOUR) == []
    assert await look(engine) == ("completed", None, [])
    assert await missed(engine) == [(NINE, "late")]


async def test_many_launchers_launch_each_occurrence_once(engine: Engine, database_url: str) -> None:
    await store(engine, daily(), 50)
    others = [open_engine(database_url) for _ in range(4)]
    for day in range(3):
        moment = NINE + day * DAY
        async with reading(engine) as connection:
            [due] = await due_campaigns(connection, moment)
        clock = partial(NINE.__add__, day * DAY)
        launched = await asyncio.gather(*(launch(other, due, now=clock) for other in others))
        assert sorted(launched) == [False, False, False, True]
        await finish(engine, moment)
    for other in others:
        await other.dispose()
    assert Counter(row.run_id for row in await job_rows(engine)) == {1: 50, 2: 50, 3: 50}


async def test_a_runner_that_was_down_obeys_catch_up(engine: Engine) -> None:
    await store(engine, daily(catch_up="2h"))
    await launch_at(engine, NINE)
    await finish(engine, NINE)
    back = NINE + 3 * DAY + 2 * HOUR
    assert await launch_at(engine, back) == ["spring"]
    assert await look(engine) == ("running", NINE + 4 * DAY, [NINE, NINE + 3 * DAY])
    assert await missed(engine) == [(NINE + DAY, "late"), (NINE + 2 * DAY, "late")]
    await finish(engine, back)
    assert await launch_at(engine, NINE + 4 * DAY + 3 * HOUR) == []
    assert (await missed(engine))[-1] == (NINE + 4 * DAY, "late")


async def test_a_clock_that_jumps_launches_nothing_twice(engine: Engine) -> None:
    await store(engine, daily())
    for jump in (0, 30, 1, 2, 31, 5, 32, 30):
        await launch_at(engine, NINE + jump * DAY)
        await finish(engine, NINE + jump * DAY)
    state, start_at, launched = await look(engine)
    assert (state, start_at) == ("scheduled", NINE + 33 * DAY)
    assert launched == [NINE + day * DAY for day in (0, 30, 31, 32)]
    assert len(await missed(engine)) == 29


async def test_an_occurrence_that_has_a_run_gets_no_other(engine: Engine) -> None:
    """Whatever set the clock of the campaign back: an edited file, a restored backup of one table."""
    await store(engine, daily())
    await launch_at(engine, NINE)
    await finish(engine, NINE)
    async with writing(engine) as connection:
        await connection.execute(update(campaigns).values(start_at=NINE))
    assert await launch_at(engine, NINE) == []
    assert await look(engine) == ("scheduled", NINE + DAY, [NINE])
    await cancel(engine, "spring")
    assert await launch_at(engine, NINE + DAY) == []


async def test_a_one_off_that_was_launched_before_campaigns_recurred_is_over(engine: Engine) -> None:
    await store(engine, spec())
    await launch_at(engine, NINE)
    async with writing(engine) as connection:
        await connection.execute(update(campaigns).values(start_at=NINE))
    assert await launch_at(engine, NINE + HOUR) == []
    assert await look(engine) == ("running", None, [NINE])
    await finish(engine, NINE + HOUR)
    assert (await look(engine))[0] == "completed"


async def test_a_run_that_comes_while_another_sends_is_skipped(engine: Engine) -> None:
    await store(engine, daily())
    await launch_at(engine, NINE)
    assert await launch_at(engine, NINE + DAY) == []
    assert await look(engine) == ("running", NINE + 2 * DAY, [NINE])
    assert await missed(engine) == [(NINE + DAY, "overlap")]


@pytest.mark.parametrize(
    ("values", "sends"),
    [
        ({"state": "pending", "due_at": NINE + 9 * DAY, "held_by": "hours"}, True),
        ({"state": "pending", "due_at": NINE + 9 * DAY}, False),
        ({"state": "sending"}, True),
        ({"state": "in_doubt"}, False),
        ({"state": "accepted"}, False),
    ],
)
async def test_what_counts_as_still_sending(engine: Engine, values: dict[str, Any], sends: bool) -> None:
    await store(engine, daily())
    await launch_at(engine, NINE)
    await finish(engine, NINE, **values)
    assert await launch_at(engine, NINE + DAY) == ([] if sends else ["spring"])


async def test_a_run_in_the_queue_waits_for_the_one_before(engine: Engine) -> None:
    await store(engine, daily(overlap="queue"))
    await launch_at(engine, NINE)
    for hours in (0, 24, 30):
        moment = NINE + DAY + hours * HOUR
        assert await launch_at(engine, moment) == []
        async with reading(engine) as connection:
            assert await due_campaigns(connection, moment) == []  # a runner that is to end when idle may end
    assert await look(engine) == ("running", NINE + DAY, [NINE])
    over = NINE + 2 * DAY + 7 * HOUR
    async with writing(engine) as connection:
        row = {"job_id": 1, "run_id": 1, "number": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1}
        await connection.execute(insert(attempts).values(intent_at=over, ended_at=over, **row))
    await finish(engine, over, state="sent")
    assert await launch_at(engine, over + HOUR / 2) == ["spring"]
    assert await look(engine) == ("running", NINE + 3 * DAY, [NINE, NINE + 2 * DAY])
    assert await missed(engine) == [(NINE + DAY, "overlap")]


async def test_a_paused_campaign_catches_up_as_after_a_stall(engine: Engine) -> None:
    await store(engine, daily())
    await launch_at(engine, NINE)
    await finish(engine, NINE)
    await pause(engine, "spring")
    assert await launch_at(engine, NINE + DAY) == []
    await resume(engine, "spring")
    assert await launch_at(engine, NINE + 2 * DAY) == ["spring"]
    assert await missed(engine) == [(NINE + DAY, "late")]


async def test_a_failing_launch_pauses_that_campaign_only(engine: Engine) -> None:
    for name in ("broken", "whole"):
        await store(engine, daily(name))
        await launch_at(engine, NINE)
    await finish(engine, NINE, state="sent")
    async with writing(engine) as connection:
        broken = campaigns.c.name == "broken"
        await connection.execute(update(campaigns).where(broken).values(spec='{"schedule": 5}'))
    assert await launch_at(engine, NINE + DAY) == ["whole"]
    async with reading(engine) as connection:
        columns = (campaigns.c.state, campaigns.c.reason)
        state, reason = (await connection.execute(select(*columns).where(broken))).one()
        states = list(await connection.scalars(select(runs.c.state).order_by(runs.c.id)))
    assert (state, reason.startswith("It could not be launched: ")) == ("paused", True)
    assert states == ["paused", "running", "running"]


async def test_a_run_that_needs_approval_waits_for_it(engine: Engine) -> None:
    guard = Guard(ApprovalLimits(recipients=1))
    await store(engine, daily())
    assert await launch_due(engine, guard=guard, now=lambda: NINE) == []
    assert await look(engine) == ("paused", NINE, [])
    await approve(engine, "spring", "Ada", now=lambda: NINE)
    for day in range(2):
        clock = partial(NINE.__add__, day * DAY)
        assert await launch_due(engine, guard=guard, now=clock) == ["spring"]
        await finish(engine, clock())


async def test_each_run_is_frozen_as_the_campaign_stood_then(engine: Engine) -> None:
    await store(engine, daily())
    await launch_at(engine, NINE)
    await finish(engine, NINE)
    edited = daily().changed(content={"text": "New"})
    async with writing(engine) as connection:
        await connection.execute(update(campaigns).values(spec=edited.to_json()))
    await launch_at(engine, NINE + DAY)
    async with reading(engine) as connection:
        frozen = list(await connection.scalars(select(runs.c.spec).order_by(runs.c.id)))
    assert frozen == [daily().to_json(), edited.to_json()]


async def test_the_alarm_is_for_a_time_to_come(engine: Engine) -> None:
    await store(engine, daily(overlap="queue"))
    async with reading(engine) as connection:
        assert await next_start(connection, NINE - HOUR) == NINE
        assert await next_start(connection, NINE) is None


async def test_missed_runs_are_launched_by_name(engine: Engine) -> None:
    await store(engine, daily(max_runs=1))
    late = NINE + 3 * DAY + 2 * HOUR
    await launch_at(engine, late)
    assert [time for time, _ in await missed(engine)] == [NINE + day * DAY for day in range(4)]
    with pytest.raises(NotFound, match="has missed no run from"):
        await missed_between(engine, "spring", NINE - DAY, NINE - HOUR)
    chosen = (NINE + DAY, NINE + 2 * DAY)
    assert [each.nominal_at for each in await missed_between(engine, "spring", *chosen)] == list(chosen)
    assert await backfill(engine, "spring", *chosen, now=lambda: late) == list(chosen)
    assert await look(engine) == ("running", NINE + 4 * DAY, list(chosen))
    assert len(await job_rows(engine)) == 4
    assert [time for time, _ in await missed(engine)] == [NINE, NINE + 3 * DAY]
    with pytest.raises(NotFound):
        await backfill(engine, "spring", *chosen, now=lambda: late)
    await finish(engine, late)
    assert await launch_at(engine, NINE + 4 * DAY) == []  # those were its runs
    assert (await look(engine))[0] == "completed"


async def test_two_who_backfill_at_once_launch_it_once(engine: Engine, database_url: str) -> None:
    await store(engine, daily())
    await launch_at(engine, NINE + 2 * HOUR)
    others = [open_engine(database_url) for _ in range(3)]
    done = await asyncio.gather(
        *(backfill(other, "spring", NINE, NINE, now=lambda: NINE + 3 * HOUR) for other in others),
        return_exceptions=True,
    )
    for other in others:
        await other.dispose()
    assert sorted(type(each).__name__ for each in done) == ["NotFound", "NotFound", "list"]
    assert (await look(engine))[2] == [NINE]


async def test_a_backfill_is_refused_where_it_makes_no_sense(engine: Engine) -> None:
    await store(engine, daily(ends_at=NINE + DAY))
    late = NINE + 2 * HOUR
    await launch_at(engine, late)
    with pytest.raises(InvalidInput, match="everything would expire at once"):
        await backfill(engine, "spring", NINE, NINE, now=lambda: NINE + DAY)
    with pytest.raises(Stopped, match="It needs approval"):
        await backfill(
            engine, "spring", NINE, NINE, guard=Guard(ApprovalLimits(recipients=1)), now=lambda: late
        )
    async with writing(engine) as connection:
        await connection.execute(update(campaigns).values(state="paused", reason="why"))
    with pytest.raises(InvalidInput, match="spring is paused: why"):
        await backfill(engine, "spring", NINE, NINE, now=lambda: late)


# recipients' own time -----------------------------------------------------------------------------------------------


async def store_people(
    engine: Engine, people: list[dict[str, Any]], start_at: datetime = NINE, **schedule: Any
) -> None:
    """A campaign in recipients' own time whose recipients have these columns."""
    zone = {"timezone": "UTC", "recipient_local_time": True}
    await store(engine, spec(schedule={**zone, **schedule}), len(people), start_at)
    async with writing(engine) as connection:
        for number, person in enumerate(people, start=1):
            await connection.execute(update(recipients).where(recipients.c.id == number).values(**person))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def dues(engine: Engine) -> list[tuple[str, datetime]]:
    return [(row.state, row.due_at) for row in await job_rows(engine)]


async def test_everybody_gets_it_when_the_time_comes_where_they_live(engine: Engine) -> None:
    people: list[dict[str, Any]] = [
        {"phone": "+819012345678", "region": "JP"},
        {"phone": "+33612345678", "region": "FR"},
        {"phone": "+12025550123", "region": "US"},
        {"phone": "+12085550123", "region": "US"},
        {"phone": "+33612345679", "region": "FR", "timezone": "Pacific/Honolulu"},
        {"phone": "+5511987654321", "region": "BR"},
        {"phone": "+870773111632", "region": None},
    ]
    await store_people(engine, people)
    assert await launch_at(engine, NINE - 14 * HOUR - timedelta(seconds=1)) == []
    assert await launch_at(engine, NINE - 14 * HOUR) == ["spring"]
    assert await dues(engine) == [
        ("pending", at("2026-06-01T09:00+09:00")),
        ("pending", at("2026-06-01T09:00+02:00")),
        ("pending", at("2026-06-01T09:00-04:00")),
        ("pending", at("2026-06-01T09:00-07:00")),  # Idaho is in two zones: the later one
        ("pending", at("2026-06-01T09:00-10:00")),
        ("pending", at("2026-06-01T09:00-03:00")),
        ("pending", NINE),  # a satellite telephone: the campaign's zone
    ]
    assert (await look(engine))[1:] == (None, [NINE])


async def test_a_zone_whose_time_has_passed_gets_it_now_or_not_at_all(engine: Engine) -> None:
    people: list[dict[str, Any]] = [
        {"timezone": "Asia/Tokyo"},
        {"timezone": "Europe/Moscow"},
        {"timezone": "Europe/Paris"},
        {"timezone": "America/New_York"},
    ]
    await store_people(engine, people, catch_up="3h")
    launched = at("2026-06-01T09:00+02:00") + 2 * HOUR
    await launch_at(engine, launched)
    assert await dues(engine) == [
        ("skipped", launched),
        ("pending", launched),
        ("pending", launched),
        ("pending", at("2026-06-01T09:00-04:00")),
    ]
    async with reading(engine) as connection:
        assert (await job_rows(engine))[0].reason == "too_late"
        told = (await connection.execute(select(events.c.job_id, events.c.event, events.c.detail))).all()
    assert [tuple(row) for row in told] == [(1, "skipped", "too_late")]


async def test_always_sends_to_the_last(engine: Engine) -> None:
    await store_people(engine, [{"timezone": "Asia/Tokyo"}], catch_up="always")
    await launch_at(engine, NINE + 90 * HOUR)
    assert await dues(engine) == [("pending", NINE + 90 * HOUR)]


async def test_a_message_expires_after_the_last_zone_has_had_its_time(engine: Engine) -> None:
    people = [{"timezone": "Asia/Tokyo"}, {"timezone": "America/New_York"}]
    await store_people(engine, people, expires_after="3h")
    await launch_at(engine, NINE - 14 * HOUR)
    async with reading(engine) as connection:
        assert await connection.scalar(select(runs.c.expires_at)) == at("2026-06-01T12:00-04:00")


@pytest.mark.parametrize(
    "schedule",
    [
        {"at": "2027-03-28T02:30"},
        {"cron": "30 2 * * *"},
        {"every": "1d", "starts_at": "2027-03-28T02:30"},
        {"every": "1w", "starts_at": "2027-03-21T02:30"},
    ],
)
async def test_a_time_that_the_campaigns_own_zone_skips_is_that_time_elsewhere(
    engine: Engine, schedule: dict[str, Any]
) -> None:
    """In Paris 02:30 becomes 03:00 on that day, and nowhere else."""
    zones = ["Asia/Tokyo", "Europe/Paris", "Europe/London", "America/New_York", "Europe/Madrid"]
    wanted = {"timezone": "Europe/Paris", "recipient_local_time": True, "cron": None, **schedule}
    await store(engine, spec(schedule=wanted), len(zones), at("2027-03-28T03:00+02:00"))
    async with writing(engine) as connection:
        for number, zone in enumerate(zones, start=1):
            await connection.execute(
                update(recipients).where(recipients.c.id == number).values(timezone=zone)
            )
    assert await launch_at(engine, at("2027-03-28T02:30+14:00") - timedelta(seconds=1)) == []
    assert await launch_at(engine, at("2027-03-28T02:30+14:00")) == ["spring"]
    assert [due for _, due in await dues(engine)] == [
        at("2027-03-28T02:30+09:00"),
        at("2027-03-28T03:00+02:00"),
        at("2027-03-28T02:30+01:00"),
        at("2027-03-28T02:30-04:00"),
        at("2027-03-28T03:00+02:00"),
    ]


@pytest.mark.parametrize(("schedule", "planned"), [({}, NINE), ({"catch_up": "always"}, NINE + 28 * DAY)])
async def test_a_late_start_leaves_a_message_no_longer_than_a_punctual_one(
    engine: Engine, schedule: dict[str, Any], planned: datetime
) -> None:
    """The machine was off for four weeks: `expires_after` counts from the planned time, once and again and again."""
    late = NINE + 28 * DAY + 9 * HOUR
    wanted = daily(expires_after="8h", **schedule) if schedule else spec(schedule={"expires_after": "8h"})
    await store(engine, wanted)
    assert await launch_at(engine, late) == ["spring"]
    async with writing(engine) as connection:
        assert await connection.scalar(select(runs.c.expires_at)) == planned + 8 * HOUR
        await expire_jobs(connection, late)
    assert {row.state for row in await job_rows(engine)} == {"expired"}


async def test_in_recipients_own_time_a_late_start_leaves_a_message_no_longer(engine: Engine) -> None:
    await store_people(engine, [{"timezone": "America/New_York"}], expires_after="3h", catch_up="always")
    await launch_at(engine, NINE + 28 * DAY)
    async with reading(engine) as connection:
        assert await connection.scalar(select(runs.c.expires_at)) == at("2026-06-01T12:00-04:00")


async def test_what_a_person_launches_late_expires_from_then_on(engine: Engine) -> None:
    await store(engine, daily(expires_after="8h"))
    late = NINE + 9 * HOUR
    await launch_at(engine, late)
    assert await backfill(engine, "spring", NINE, NINE, now=lambda: late) == [NINE]
    async with reading(engine) as connection:
        assert await connection.scalar(select(runs.c.expires_at)) == late + 8 * HOUR


async def test_each_day_of_a_daily_campaign_is_sent_everywhere(engine: Engine) -> None:
    """The next day begins in the east before this one ends in the west: that is no overlap."""
    people = [{"timezone": "Pacific/Kiritimati"}, {"timezone": "Pacific/Pago_Pago"}]
    await store_people(engine, people, cron="0 9 * * *")
    for day in range(3):
        moment = NINE - 14 * HOUR + day * DAY
        async with writing(engine) as connection:
            await connection.execute(update(jobs).where(jobs.c.due_at <= moment).values(state="delivered"))
        assert await launch_at(engine, moment) == ["spring"]
    assert await missed(engine) == []
    assert {row.due_at for row in await job_rows(engine)} == {
        *(at("2026-06-01T09:00+14:00") + day * DAY for day in range(3)),
        *(at("2026-06-01T09:00-11:00") + day * DAY for day in range(3)),
    }


async def test_the_table_of_local_times_is_dropped_after_each_launch(engine: Engine) -> None:
    for name in ("first", "second"):
        schedule = {"timezone": "UTC", "recipient_local_time": True}
        await store(engine, spec(name, schedule=schedule), 3)
        assert await launch_at(engine, NINE) == [name]
    await store(engine, spec("nobody", schedule=schedule), 0)
    assert await launch_at(engine, NINE) == ["nobody"]


# send_at ------------------------------------------------------------------------------------------------------------


async def test_a_row_is_not_sent_before_its_own_time(engine: Engine) -> None:
    await store(engine, spec(), 3)
    async with writing(engine) as connection:
        for number, hours in ((1, -5), (2, 5)):
            own = {"send_at": NINE + hours * HOUR}
            await connection.execute(update(recipients).where(recipients.c.id == number).values(**own))
    await launch_at(engine, NINE)
    assert [due for _, due in await dues(engine)] == [NINE, NINE + 5 * HOUR, NINE]


async def test_a_row_may_have_both_a_zone_and_a_time(engine: Engine) -> None:
    own: dict[str, Any] = {"timezone": "Europe/Paris"}
    people = [{**own, "send_at": NINE - 9 * HOUR}, {**own, "send_at": NINE + 9 * HOUR}]
    await store_people(engine, people)
    await launch_at(engine, NINE - 14 * HOUR)
    assert [due for _, due in await dues(engine)] == [at("2026-06-01T09:00+02:00"), NINE + 9 * HOUR]


async def test_the_database_keeps_one_row_for_a_missed_occurrence(engine: Engine) -> None:
    await store(engine, daily())
    for _ in range(2):
        async with writing(engine) as connection:
            await connection.execute(update(campaigns).values(start_at=NINE, state="scheduled"))
        await launch_at(engine, NINE + 2 * HOUR)
    async with reading(engine) as connection:
        assert len((await connection.execute(select(missed_runs))).all()) == 1


async def test_postgresql_knows_of_the_jobs_that_a_launch_made(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it looks for a hundred due ones as if there were none, and reads them all."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite does not go by numbers")
    monkeypatch.setattr("storage.database.vacuum.FEW", 100)
    await store_campaign(engine, spec(), 120)
    await launch_due(engine)
    async with reading(engine) as connection:
        known = await connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'jobs'"))
    assert known == 120
