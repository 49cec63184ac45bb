"""`retry-failed` tries again what may go better, and never gives a person two messages of one occurrence."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from campaigns.errors import InvalidInput, NotFound
from campaigns.states import LEFT, TRANSITIONS, JobState
from scheduler.actions.control import cancel, pause
from scheduler.actions.retrying import retry_failed
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.retries import any_arrived, skip_arrived
from storage.runs.runs import complete_runs
from storage.tables.audience import campaigns, imports, recipients
from storage.tables.runs import events, jobs, runs
from storage.views.reports import delivery
from tests.support.campaigns import job_rows, later, phone, spec, store_campaign
from tests.support.examples import share

S = JobState
FAILED = {"state": "failed", "reason": "retries_exhausted"}
TEMPORARY = {"state": "failed", "reason": "provider_failed", "code": "131000"}
UNREACHABLE = {"state": "failed", "reason": "provider_failed", "code": "131026"}


async def launched(engine: Engine, *ends: dict[str, Any], **tables: Any) -> None:
    """The campaign `spring`, launched, its jobs ended as said in the order of its recipients."""
    await store_campaign(engine, spec(**tables), len(ends))
    await launch_due(engine, now=lambda: later(1))
    await put(engine, {phone(number): end for number, end in enumerate(ends)})


async def put(engine: Engine, ends: dict[str, dict[str, Any]]) -> None:
    """The newest job of each of these people becomes that."""
    blank = {"reason": None, "code": None, "held_by": None, "updated_at": later(10)}
    async with writing(engine) as connection:
        for to, values in ends.items():
            newest = select(jobs.c.id).where(jobs.c.phone == to).order_by(jobs.c.id.desc()).limit(1)
            one = update(jobs).where(jobs.c.id == newest.scalar_subquery())
            await connection.execute(one.values({**blank, **values}))


async def child_jobs(engine: Engine) -> list[Any]:
    async with reading(engine) as connection:
        retries = select(runs.c.id).where(runs.c.kind == "retry")
        return list(
            await connection.execute(select(jobs).where(jobs.c.run_id.in_(retries)).order_by(jobs.c.id))
        )


async def test_those_that_may_go_better_get_a_job_in_a_child_run(engine: Engine) -> None:
    delivered, doubt = {"state": "delivered"}, {"state": "in_doubt", "reason": "interrupted"}
    await launched(engine, FAILED, delivered, UNREACHABLE, doubt, TEMPORARY, {"state": "sending"})
    made = await retry_failed(engine, "spring", now=lambda: later(60))
    assert (made.retried, {(g.code or g.reason, g.count, bool(g.again)) for g in made.groups}) == (
        2,
        {
            ("retries_exhausted", 1, True),
            ("131000", 1, True),
            ("131026", 1, False),
            ("interrupted", 1, False),
        },
    )
    rows = await child_jobs(engine)
    assert [(row.phone, row.state, row.attempts, row.due_at) for row in rows] == [
        (phone(0), "pending", 0, later(60)),
        (phone(4), "pending", 0, later(60)),
    ]
    async with reading(engine) as connection:
        [parent, child] = await connection.execute(select(runs).order_by(runs.c.id))
    assert (child.kind, child.parent_id, child.jobs, child.spec) == ("retry", parent.id, 2, parent.spec)
    assert [row.lane for row in rows] == ["ourvoice/shop"] * 2


async def test_a_person_whom_the_provider_spares_waits_out_the_day(engine: Engine) -> None:
    await launched(engine, {**TEMPORARY, "code": "131049"})
    await retry_failed(engine, "spring", now=lambda: later(60))
    assert [row.due_at for row in await child_jobs(engine)] == [later(10) + timedelta(hours=24)]


async def test_a_day_after_it_is_due_at_once(engine: Engine) -> None:
    await launched(engine, {**TEMPORARY, "code": "131049"})
    moment = later(100) + timedelta(hours=24)
    await retry_failed(engine, "spring", now=lambda: moment)
    assert [row.due_at for row in await child_jobs(engine)] == [moment]


async def test_a_closed_window_is_met_with_the_template(engine: Engine) -> None:
    content = {"text": "Hi", "template": {"name": "hi", "language": "en"}}
    await launched(engine, {**TEMPORARY, "code": "131047"}, content=content)
    await retry_failed(engine, "spring", now=lambda: later(60))
    (job,) = await child_jobs(engine)
    assert (job.held_by, job.free_refused_at) == ("use_template", later(10))


async def test_a_second_call_finds_nothing_until_something_fails_again(engine: Engine) -> None:
    await launched(engine, FAILED, {"state": "read"})
    assert (await retry_failed(engine, "spring", now=lambda: later(60))).retried == 1
    again = await retry_failed(engine, "spring", now=lambda: later(61))
    assert (again.run_id, again.retried, again.groups) == (None, 0, ())
    await put(engine, {phone(0): FAILED})
    assert (await retry_failed(engine, "spring", now=lambda: later(62))).retried == 1
    async with reading(engine) as connection:
        assert list(await connection.scalars(select(runs.c.parent_id).order_by(runs.c.id))) == [None, 1, 1]


async def test_two_calls_at_once_make_one_child(engine: Engine, database_url: str) -> None:
    await launched(engine, *[FAILED] * 40)
    others = [open_engine(database_url) for _ in range(4)]
    made = await asyncio.gather(*(retry_failed(other, "spring", now=lambda: later(60)) for other in others))
    for other in others:
        await other.dispose()
    assert sorted(one.retried for one in made) == [0, 0, 0, 40]
    assert Counter(row.phone for row in await child_jobs(engine)) == {phone(n): 1 for n in range(40)}


async def test_the_completed_campaign_runs_again_and_completes_again(engine: Engine) -> None:
    await launched(engine, FAILED, {"state": "read"})
    async with writing(engine) as connection:
        await complete_runs(connection, later(20))
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with writing(engine) as connection:
        assert await connection.scalar(select(campaigns.c.state)) == "running"
        assert await complete_runs(connection, later(61)) == []
    await put(engine, {phone(0): {"state": "delivered"}})
    async with writing(engine) as connection:
        assert len(await complete_runs(connection, later(62))) == 1
        assert await connection.scalar(select(campaigns.c.state)) == "completed"


async def test_some_go_only_by_name(engine: Engine) -> None:
    expired = {"state": "expired", "reason": "expired"}
    given_up = {"state": "cancelled", "reason": "given_up"}
    await launched(engine, expired, given_up)
    assert (await retry_failed(engine, "spring", now=lambda: later(60))).run_id is None
    await retry_failed(engine, "spring", expired=True, now=lambda: later(61))
    assert [row.phone for row in await child_jobs(engine)] == [phone(0)]
    await retry_failed(engine, "spring", given_up=True, now=lambda: later(62))
    assert [row.phone for row in await child_jobs(engine)] == [phone(0), phone(1)]
    # It may have arrived: that a later try failed for a passing reason does not make it forgotten.
    await put(engine, {phone(1): FAILED})
    assert (await retry_failed(engine, "spring", now=lambda: later(63))).run_id is None


async def test_reports_count_a_person_once(engine: Engine) -> None:
    await launched(engine, FAILED, {"state": "read"}, UNREACHABLE)
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with reading(engine) as connection:
        counted = await delivery(connection, await require(connection, "spring"))
    assert (counted.jobs, counted.states) == (3, {S.PENDING: 1, S.READ: 1, S.FAILED: 1})
    assert counted.failed == {"131026": 1}


async def test_a_retry_is_not_sent_where_the_first_message_arrived_after_all(engine: Engine) -> None:
    await launched(engine, FAILED, FAILED)
    await retry_failed(engine, "spring", now=lambda: later(60))
    async with writing(engine) as connection:
        assert not await any_arrived(connection)
        assert await skip_arrived(connection, later(61)) == 0
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="delivered", reason=None))
        assert await any_arrived(connection)
        assert await skip_arrived(connection, later(62)) == 1
        assert await skip_arrived(connection, later(63)) == 0
        assert not await any_arrived(connection)
    rows = await child_jobs(engine)
    assert [(row.state, row.reason) for row in rows] == [("skipped", "already_arrived"), ("pending", None)]
    async with reading(engine) as connection:
        counted = await delivery(connection, await require(connection, "spring"))
        told = list(await connection.execute(select(events.c.job_id, events.c.event)))
    assert counted.states == {S.PENDING: 1, S.DELIVERED: 1}
    assert [tuple(row) for row in told] == [(rows[0].id, "skipped")]


async def test_who_was_reached_by_an_earlier_try_is_not_written_to_again(engine: Engine) -> None:
    await launched(engine, FAILED)
    await retry_failed(engine, "spring", now=lambda: later(60))
    await put(engine, {phone(0): FAILED})
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="delivered", reason=None))
    assert (await retry_failed(engine, "spring", now=lambda: later(61))).run_id is None


async def test_what_is_not_under_way_is_not_retried(engine: Engine) -> None:
    await store_campaign(engine, spec(), 1)
    with pytest.raises(InvalidInput, match="not been sent yet"):
        await retry_failed(engine, "spring")
    await launch_due(engine, now=lambda: later(1))
    await put(engine, {phone(0): FAILED})
    await pause(engine, "spring")
    with pytest.raises(InvalidInput, match="is paused") as paused:
        await retry_failed(engine, "spring")
    assert paused.value.hint == "drumbeat campaign resume spring"
    await cancel(engine, "spring")
    with pytest.raises(InvalidInput, match="is cancelled") as cancelled:
        await retry_failed(engine, "spring")
    assert cancelled.value.hint == "drumbeat campaign clone spring NEW"
    with pytest.raises(NotFound) as unknown:
        await retry_failed(engine, "sprng")
    assert unknown.value.hint == "Did you mean spring?"
    assert await child_jobs(engine) == []


async def test_nothing_goes_after_the_campaigns_end(engine: Engine) -> None:
    await launched(engine, FAILED, schedule={"ends_at": "2026-01-01T01:00:00Z"})
    with pytest.raises(InvalidInput, match="ends_at"):
        await retry_failed(engine, "spring", now=lambda: later(3600))


CODES = st.sampled_from(["131000", "131026", "131049", "131053", None])
REASONS = st.sampled_from(["provider_failed", "retries_exhausted", "refused", "given_up", "expired", None])
ANY = st.fixed_dictionaries(
    {"state": st.sampled_from([s.value for s in S]), "reason": REASONS, "code": CODES}
)
ENDS = st.one_of(st.sampled_from([FAILED, TEMPORARY]), ANY)
PEOPLE = 4


@share(0.25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ends=st.lists(ENDS, min_size=PEOPLE, max_size=PEOPLE),
    rounds=st.lists(
        st.tuples(
            st.booleans(),
            st.booleans(),
            st.lists(ENDS, min_size=PEOPLE, max_size=PEOPLE),
            st.sets(st.integers(0, PEOPLE - 1)),
        ),
        max_size=3,
    ),
)
async def test_never_twice(engine: Engine, ends: list[Any], rounds: list[Any]) -> None:
    await _clear(engine)
    await launched(engine, *ends)
    for number, (expired, given_up, later_ends, arrived) in enumerate(rounds):
        before = await _tries(engine)
        await retry_failed(
            engine, "spring", expired=expired, given_up=given_up, now=partial(later, 60 + number)
        )
        after = await _tries(engine)
        for to, tries in after.items():
            new = tries[len(before[to]) :]
            assert len(new) <= 1
            if new:
                _assert_may_have_another(before[to], expired=expired, given_up=given_up)
        states = {to: TRANSITIONS[S(tries[-1].state)] for to, tries in after.items()}
        moves = {phone(n): end for n, end in enumerate(later_ends)}
        await put(engine, {to: end for to, end in moves.items() if end["state"] in states[to]})
        await _arrive_late(engine, [phone(n) for n in arrived])


def _assert_may_have_another(tries: list[Any], *, expired: bool, given_up: bool) -> None:
    """By the words of the promise, not by the query's: nothing under way, nothing that arrived or may have."""
    states = {S(row.state) for row in tries}
    assert not states & {*LEFT, S.PENDING}
    assert given_up or not any(row.state == "cancelled" and row.reason == "given_up" for row in tries)
    last = tries[-1]
    assert last.state in {"failed", *(["expired"] if expired else []), *(["cancelled"] if given_up else [])}
    assert last.state != "failed" or last.code != "131026" or last.reason != "provider_failed"


async def _arrive_late(engine: Engine, people: list[str]) -> None:
    """The first message to these people, which had failed, has arrived after all."""
    first = select(func.min(jobs.c.id)).group_by(jobs.c.phone)
    failed = update(jobs).where(jobs.c.id.in_(first), jobs.c.phone.in_(people), jobs.c.state == "failed")
    async with writing(engine) as connection:
        await connection.execute(failed.values(state="delivered", reason=None, code=None))


async def _tries(engine: Engine) -> dict[str, list[Any]]:
    """Everybody's jobs, the first first."""
    found = defaultdict(list)
    for row in await job_rows(engine):
        found[row.phone].append(row)
    return found


async def _clear(engine: Engine) -> None:
    async with writing(engine) as connection:
        for table in (events, jobs, runs, recipients, imports, campaigns):
            await connection.execute(delete(table))
