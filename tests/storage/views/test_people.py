"""Pages of people: each filter finds exactly its people, by an index, and the pages add up to all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from sqlalchemy import bindparam, insert, select, update

from campaigns.states import JobState
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection, Engine, is_sqlite, reading, writing
from storage.runs.control import end_jobs
from storage.runs.runs import expire_jobs
from storage.sending.intents import Deferral, defer_or_skip
from storage.tables.audience import imports, recipients, rejects
from storage.tables.runs import attempts, events, jobs, runs
from storage.views import people
from storage.views.doubtful import count_doubtful, doubtful_messages
from storage.views.people import PeoplePlace, count_people, count_states, people_rows
from storage.views.people_ranges import PeopleFilter
from storage.views.rejected_rows import count_rejected, rejected_rows
from storage.views.report_scope import ScheduledRun, scheduled_runs
from storage.views.reports import failures
from tests.storage.database.test_plans import statements, whole_reads
from tests.support.campaigns import later, phone, spec, store_campaign
from tests.support.cases import each

SIZE = 60
STATES = ("failed", "pending", "read", "skipped", "in_doubt")
S = JobState


@dataclass
class World:
    engine: Engine
    campaign: Campaign
    run: ScheduledRun | None

    async def all(self, wanted: PeopleFilter, size: int = 7, run: ScheduledRun | None = None) -> list[str]:
        """The numbers of all pages."""
        found: list[str] = []
        place: PeoplePlace | None = None
        while True:
            async with reading(self.engine) as connection:
                page = await people_rows(connection, self.campaign, run or self.run, wanted, size, place)
            assert len(page.rows) <= size
            found += [row.phone for row in page.rows]
            if (place := page.next) is None:
                return found

    async def count(self, wanted: PeopleFilter) -> int | None:
        async with reading(self.engine) as connection:
            return await count_people(connection, self.campaign, self.run, wanted)


async def seen(engine: Engine) -> World:
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
        known = await scheduled_runs(connection, campaign.id)
    return World(engine, campaign, known[-1] if known else None)


@pytest.fixture
async def world(engine: Engine) -> World:
    """A run of sixty people, a fifth of them in each of five states, beside another campaign's run."""
    await store_campaign(engine, spec("other"), 10)
    await store_campaign(engine, spec(), SIZE)
    await launch_due(engine)
    async with writing(engine) as connection:
        mine = list(await connection.scalars(select(jobs.c.id).where(jobs.c.run_id == 2).order_by(jobs.c.id)))
        rows = [{"b_id": job, **_values(number)} for number, job in enumerate(mine)]
        await connection.execute(update(jobs).where(jobs.c.id == bindparam("b_id")), rows)
        call = {"number": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1, "intent_at": later(1)}
        await connection.execute(
            insert(attempts),
            [{"job_id": job, **call, "detail": f"Undeliverable {job}"} for job in mine[:20:5]],
        )
        report = {"at": later(2), "stored_at": later(2), "source": "webhook", "event": "failed"}
        await connection.execute(
            insert(events), [{"job_id": mine[25], **report, "detail": "Unreachable 100%"}]
        )
    return await seen(engine)


def _values(number: int) -> dict[str, Any]:
    state = STATES[number % 5]
    values: dict[str, Any] = {"state": state, "attempts": 1, "held_by": None, "due_at": later(0)}
    values |= {"reason": None, "code": None}
    if state == "failed":
        values |= {"reason": "refused", "code": "131026" if number < 30 else "131049"}
    if state == "pending" and number < 30:
        values |= {"held_by": "hours", "due_at": later(100)}
    if state == "skipped":
        values["reason"] = "opted_out" if number < 10 else "frequency_cap"
    return values


def those(rest: int, below: int = SIZE, above: int = 0) -> list[str]:
    return [phone(number) for number in range(rest, below, 5) if number >= above]


FILTERS = {
    "a state": (PeopleFilter([S.FAILED]), those(0)),
    "two states": (PeopleFilter([S.READ, S.FAILED]), [*those(0), *those(2)]),
    "no such state": (PeopleFilter([S.DELIVERED]), []),
    "a rule": (PeopleFilter(rule="hours"), those(1, 30)),
    "no rule but its turn": (PeopleFilter([S.PENDING], rule="pacing"), those(1, above=30)),
    "a code": (PeopleFilter(code="131026"), those(0, 30)),
    "a code and its state": (PeopleFilter([S.FAILED], code="131026"), those(0, 30)),
    "a code and another state": (PeopleFilter([S.READ], code="131026"), []),
    "a reason where there is no code": (PeopleFilter(code="opted_out"), those(3, 10)),
    "a reason": (PeopleFilter(reason="frequency_cap"), those(3, above=10)),
    "a code and its reason": (PeopleFilter(code="131026", reason="refused"), those(0, 30)),
    "what the provider answered": (PeopleFilter(text="UNDELIVERABLE"), those(0, 20)),
    "what the provider reported": (PeopleFilter(text="100%"), [phone(25)]),
    "that of a state": (PeopleFilter([S.READ], text="undeliverable"), []),
    "a number": (PeopleFilter(phone=phone(7)), [phone(7)]),
    "a number in another state": (PeopleFilter([S.READ], phone=phone(5)), []),
    "another campaign's number": (PeopleFilter(phone=phone(99)), []),
    "a part of a number": (PeopleFilter(part="900 007"), [phone(7)]),
    "a part of a cell": (PeopleFilter(part="aDA 7"), [phone(7)]),
    "a column's name": (PeopleFilter(part="first_name"), []),
    "what LIKE would take for anything": (PeopleFilter(part="A%a"), []),
}


@each("case", FILTERS)
async def test_a_filter_finds_exactly_its_people_by_an_index(world: World, case: str) -> None:
    wanted, expected = FILTERS[case]
    async with reading(world.engine) as connection:
        await assert_no_whole_read(connection, world, wanted)
    assert sorted(await world.all(wanted)) == sorted(expected)
    assert await world.count(wanted) == (None if wanted.text or wanted.part else len(expected))


async def test_the_pages_of_everybody_name_each_once_and_first_what_needs_somebody(world: World) -> None:
    found = await world.all(PeopleFilter())
    assert sorted(found) == sorted(phone(number) for number in range(SIZE))
    assert found[:12] == those(4)
    assert await world.count(PeopleFilter()) == SIZE
    async with reading(world.engine) as connection:
        counted = await count_states(connection, world.campaign, world.run)
    assert counted == {JobState(state): 12 for state in STATES}


async def test_a_letter_beyond_ascii_is_found_in_the_other_case(world: World) -> None:
    async with writing(world.engine) as connection:
        changed = update(recipients).where(recipients.c.phone == phone(3), recipients.c.campaign_id == 2)
        await connection.execute(changed.values(vars=orjson.dumps({"first_name": 'Élodie "Lo"'}).decode()))
    assert await world.all(PeopleFilter(part="élodie")) == [phone(3)]
    assert await world.all(PeopleFilter(part='"lo"')) == [phone(3)]


async def test_what_no_index_answers_is_looked_for_in_bounds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "LOOKED_AT", 25)
    async with reading(world.engine) as connection:
        first = await people_rows(connection, world.campaign, world.run, PeopleFilter(part="Ada 55"), 7)
    assert (list(first.rows), first.looked_at) == ([], 25)
    assert await world.all(PeopleFilter(part="Ada 55")) == [phone(55)]
    assert await world.all(PeopleFilter([S.FAILED], part="Ada 55")) == [phone(55)]


async def test_states_are_counted_without_reading_messages(world: World) -> None:
    async with reading(world.engine) as connection:
        with statements(world.engine) as asked:
            everybody = await count_states(connection, world.campaign, world.run)
            some = await count_people(connection, world.campaign, world.run, PeopleFilter([S.FAILED, S.READ]))
    assert (everybody.total(), some) == (SIZE, everybody[S.FAILED] + everybody[S.READ])
    assert asked
    assert not [statement for statement, _ in asked if "FROM jobs" in statement]


async def test_of_a_persons_tries_only_the_newest_counts(world: World) -> None:
    """Those who failed were tried again; one of them had got the first message after all."""
    async with writing(world.engine) as connection:
        old = (await connection.execute(select(runs).where(runs.c.id == 2))).mappings().one()
        retry = {**old, "id": 3, "kind": "retry", "parent_id": 2, "token": "t", "nominal_at": later(9)}
        await connection.execute(insert(runs).values(**retry))
        tried = select(jobs).where(jobs.c.run_id == 2, jobs.c.state == "failed").order_by(jobs.c.id)
        again = [dict(row) for row in (await connection.execute(tried)).mappings()]
        for number, row in enumerate(again):
            row |= {"id": 1000 + number, "run_id": 3, "state": "delivered", "reason": None, "code": None}
        again[0] |= {"state": "skipped", "reason": "already_arrived"}
        await connection.execute(insert(jobs), again)
    assert await world.all(PeopleFilter([S.FAILED])) == those(0)[:1]
    assert await world.all(PeopleFilter([S.DELIVERED])) == those(0)[1:]
    assert sorted(await world.all(PeopleFilter())) == sorted(phone(number) for number in range(SIZE))
    assert await world.count(PeopleFilter()) == SIZE


async def test_before_the_launch_the_list_waits(engine: Engine) -> None:
    await store_campaign(engine, spec(), 20)
    world = await seen(engine)
    everybody = [phone(number) for number in range(20)]
    assert await world.all(PeopleFilter()) == await world.all(PeopleFilter([S.PENDING])) == everybody
    assert await world.all(PeopleFilter([S.READ])) == await world.all(PeopleFilter(rule="hours")) == []
    assert (
        await world.all(PeopleFilter(phone=phone(3)))
        == await world.all(PeopleFilter(part="ada 3"))
        == [phone(3)]
    )
    assert await world.count(PeopleFilter()) == 20


async def assert_no_whole_read(connection: Connection, world: World, wanted: PeopleFilter) -> None:
    page = await people_rows(connection, world.campaign, world.run, wanted, 2)
    with statements(world.engine) as asked:
        await people_rows(connection, world.campaign, world.run, wanted, 2, page.next)
        await count_people(connection, world.campaign, world.run, wanted)
    assert asked
    for statement, parameters in asked:
        assert not await whole_reads(connection, statement, parameters), statement
        assert not await reads_in_order_of_ids(connection, statement, parameters), statement


async def pretend_a_million(connection: Connection) -> None:
    """SQLite plans as for a run of a million people; a connection knows it from its opening on."""
    if is_sqlite(connection):
        await connection.exec_driver_sql("ANALYZE")
        await connection.exec_driver_sql("DELETE FROM sqlite_stat1")
        large = "INSERT INTO sqlite_stat1 VALUES ('jobs', 'ix_jobs_run_state', '1000000 1000000 140000 1')"
        await connection.exec_driver_sql(large)


async def reads_in_order_of_ids(connection: Connection, statement: str, parameters: Any) -> bool:
    """Whether SQLite reads jobs by their ids, other than between two that are given: past all other runs."""
    if not is_sqlite(connection):
        return False
    steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return any(
        "jobs USING INTEGER PRIMARY KEY (rowid" in step[-1]
        and "rowid>? AND rowid<?" not in step[-1]
        and "rowid=?" not in step[-1]
        for step in steps
    )


async def test_rejected_rows_by_file_line_code_and_part(world: World) -> None:
    async with writing(world.engine) as connection:
        first = await connection.scalar(select(imports.c.id).where(imports.c.campaign_id == 2))
        other = {
            "source": "more.csv",
            "digest": "2",
            "rows": 9,
            "accepted": 0,
            "rejected": 9,
            "duplicates": 0,
        }
        detected = '{"columns":["phone","name"],"delimiter":";"}'
        added = insert(imports).values(campaign_id=2, detected=detected, created_at=later(0), **other)
        second = await connection.scalar(added.returning(imports.c.id))
        rows = [
            {
                "campaign_id": 2,
                "import_id": which,
                "line": line,
                "column": "phone",
                "code": "duplicate" if line % 2 else "bad_phone",
                "reason": "…",
                "raw": f"07{line};Ada {line}",
            }
            for which in (second, first)
            for line in range(2, 11)
        ]
        await connection.execute(insert(rejects), rows)
    found, place = [], None
    async with reading(world.engine) as connection:
        while True:
            with statements(world.engine) as asked:
                page = await rejected_rows(connection, world.campaign, world.run, "", "", 4, place)
            found += [(row.source, row.line) for row in page.rows]
            for statement, parameters in asked:
                assert not await whole_reads(connection, statement, parameters), statement
            if (place := page.next) is None:
                break
        assert found == [(name, line) for name in ("list.csv", "more.csv") for line in range(2, 11)]
        odd = await rejected_rows(connection, world.campaign, world.run, "duplicate", "", 100)
        assert {row.line % 2 for row in odd.rows} == {1}
        assert await count_rejected(connection, world.campaign, world.run, "duplicate") == len(odd.rows) == 8
        nine = await rejected_rows(connection, world.campaign, world.run, "", "ada 9", 100)
        assert [row.line for row in nine.rows] == [9, 9]
        assert (odd.rows[-1].columns, odd.rows[-1].delimiter) == (("phone", "name"), ";")


async def test_messages_in_doubt_with_their_last_call(world: World) -> None:
    async with writing(world.engine) as connection:
        await pretend_a_million(connection)
    await world.engine.dispose()
    async with reading(world.engine) as connection:
        with statements(world.engine) as asked:
            page = await doubtful_messages(connection, 2, 5)
            rest = await doubtful_messages(connection, 2, 100, after=page[-1].job_id)
            one = await doubtful_messages(connection, 2, 5, phone=phone(9))
            assert await count_doubtful(connection, 2) == 12
        assert [row.phone for row in [*page, *rest]] == those(4)
        assert [row.phone for row in one] == [phone(9)]
        for statement, parameters in asked:
            assert not await reads_in_order_of_ids(connection, statement, parameters), statement
            assert not await whole_reads(connection, statement, parameters), statement


ENDS = ("opted_out", "expired", "run_cancelled")


@pytest.mark.parametrize("reason", ENDS)
async def test_what_ends_after_a_refusal_has_one_reason_wherever_it_is_shown(
    engine: Engine, reason: str
) -> None:
    """The code of the refusal that it waited for is no reason of its end: a report would count it by the code, and a
    list of people by the reason."""
    await store_campaign(engine, spec(), 1)
    await launch_due(engine)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(code="131056", held_by="pair_limit"))
        match reason:
            case "opted_out":
                await defer_or_skip(connection, [Deferral(1, S.SKIPPED, reason=reason)], later(9))
            case "expired":
                await connection.execute(update(runs).values(expires_at=later(9)))
                await expire_jobs(connection, later(9))
            case _:
                await end_jobs(
                    connection, "spring", S.PENDING, S.CANCELLED, later(9), reason=reason, detail=reason
                )
    world = await seen(engine)
    async with reading(engine) as connection:
        [failure] = await failures(connection, world.campaign)
    shown = failure.code or failure.reason or ""
    assert (shown, failure.reason) == (reason, reason)
    assert await world.all(PeopleFilter(code=shown)) == await world.all(PeopleFilter(reason=reason)) != []
