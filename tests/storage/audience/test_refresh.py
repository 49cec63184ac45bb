"""A list that is read again for each run, on both databases: each run is of the list as it was then, whole or not at
all, and every row of every reading is accounted for."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from campaigns.approval import ApprovalLimits
from campaigns.errors import IntakeError, InvalidInput
from campaigns.intake.model import ANY_USER_ID, UserIds
from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.actions.approval import Guard
from scheduler.actions.approving import approve
from scheduler.audience.load import TooManyRejects, load
from scheduler.audience.sendability import Refuse
from scheduler.audience.staging import begin_stage
from scheduler.clock.backfill import backfill
from scheduler.clock.launch import launch_due, launch_with_list
from scheduler.clock.refresh import Check
from storage.audience.audience import Audience, RejectedRow, add_recipients, add_rejects
from storage.audience.campaigns import list_campaigns, list_imports, replace_spec, require
from storage.audience.samples import first_rows
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.occurrences import MissedRun, list_missed
from storage.runs.runs import DueCampaign, complete_runs, open_runs
from storage.sending.intents import claim_due
from storage.sending.lanes import ensure_lanes
from storage.tables.audience import imports, recipients, rejects
from storage.tables.runs import jobs, runs
from storage.views.estimates import count_recipients
from storage.views.overview import newest_runs
from storage.views.recipient_rows import stream_recipients
from storage.views.reports import Delivery, delivery, reject_groups
from storage.views.timelines import find_rejects
from tests.storage.audience.test_clones import cloned
from tests.support.campaigns import job_rows, spec, store_campaign

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = "phone,first_name\n+447700900001,Ada\n+447700900002,Bob\nnobody,Mallory\n"
SECOND = "phone,first_name\n+447700900002,Robert\n+447700900003,Cy\n+447700900004,Di\nnone,Eve\nnil,Eve\n"


class List:
    """A campaign every day at nine, and the file that it reads."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.path, self.id = engine, folder / "people.csv", 0

    async def store(self, text: str = FIRST, **schedule: Any) -> None:
        """Load the campaign as the command does."""
        self.path.write_text(text)
        wanted = self.spec(schedule or {"every": "1d", "starts_at": NINE})
        self.id = await store_campaign(self.engine, wanted, 0, start_at=NINE)
        await self.load()

    def spec(self, schedule: dict[str, Any]) -> CampaignSpec:
        audience = {"csv": self.path, "refresh": "each_run", "max_reject_percent": 50}
        return spec(audience=audience, schedule=schedule)

    async def load(self, **options: Any) -> None:
        read = self.spec({"at": NINE}).audience.options(frozenset({"first_name"}), None)
        rejects_path = self.path.with_name("rejects.csv")
        await load(
            self.engine, self.id, self.path, read, max_reject_percent=50, rejects_path=rejects_path,
            replaces=True, **options,
        )  # fmt: skip

    async def launch(self, day: int, text: str | None = None, **options: Any) -> list[str]:
        """Write the file, and launch that day's run; the one before it is over by then."""
        if text is not None:
            self.path.write_text(text)
        return await launch_due(self.engine, now=lambda: NINE + day * DAY, **options)

    async def end_runs(self) -> None:
        """All messages were delivered."""
        async with writing(self.engine) as connection:
            await connection.execute(jobs.update().values(state="delivered"))
            await complete_runs(connection, NINE)

    async def sent_to(self) -> list[tuple[int, str, str]]:
        """(run, phone, name) of every job, as a shift would take it up."""
        async with reading(self.engine) as connection:
            found = select(jobs.c.run_id, jobs.c.phone, recipients.c.vars).join(recipients)
            rows = (await connection.execute(found.order_by(jobs.c.id))).all()
        return [(run, phone[-1], json.loads(vars)["first_name"]) for run, phone, vars in rows]

    async def delivery(self) -> Delivery:
        async with reading(self.engine) as connection:
            return await delivery(connection, await require(connection, "spring"))

    async def missed(self) -> list[MissedRun]:
        async with reading(self.engine) as connection:
            return await list_missed(connection, self.id)

    async def tables(self) -> list[int]:
        """How many rows there are of everything that a reading makes."""
        async with reading(self.engine) as connection:
            return [
                int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
                for table in (imports, recipients, rejects, runs, jobs)
            ]


@pytest.fixture
def daily(engine: Engine, tmp_path: Path) -> List:
    return List(engine, tmp_path)


async def test_each_run_is_of_the_list_as_it_is_then(daily: List) -> None:
    await daily.store()
    assert await daily.launch(0) == ["spring"]
    await daily.end_runs()
    assert await daily.launch(1, SECOND) == ["spring"]
    assert await daily.sent_to() == [
        (1, "1", "Ada"),
        (1, "2", "Bob"),
        (2, "2", "Robert"),
        (2, "3", "Cy"),
        (2, "4", "Di"),
    ]
    async with reading(daily.engine) as connection:
        assert [row.phone[-1] for row in await first_rows(connection, daily.id, 9)] == ["2", "3", "4"]
        assert await count_recipients(connection, daily.id) == 3
        [line] = await list_campaigns(connection)
        assert (line.recipients, line.rejected) == (3, 2)
        assert [(file.rows, file.rejected) for file in await list_imports(connection, daily.id)] == [(5, 2)]


async def test_the_rows_of_every_reading_are_accounted_for(daily: List) -> None:
    await daily.store("phone,first_name\n" + "+447700900009,Zoe\nbad,Yan\n")
    before = await daily.delivery()
    assert (before.rows, before.rejected, before.jobs) == (2, 1, 1)
    await daily.launch(0, FIRST)
    after = await daily.delivery()
    assert (after.rows, after.rejected, after.jobs) == (3, 1, 2)
    await daily.end_runs()
    await daily.launch(1, SECOND)
    whole = await daily.delivery()
    assert (whole.rows, whole.rejected, whole.jobs) == (3 + 5, 1 + 2, 2 + 3)
    async with reading(daily.engine) as connection:
        each = [(run.rejected, run.jobs) for run in await newest_runs(connection, daily.id, 9)]
        groups = await reject_groups(connection, await require(connection, "spring"))
        people = [row async for row in stream_recipients(connection, await require(connection, "spring"))]
    assert each == [(2, 3), (1, 2)]
    assert [(group.code, group.count) for group in groups] == [("phone_not_a_number", 3)]
    assert len(people) == 5


async def test_the_rejects_of_a_run_are_written_beside_the_list(daily: List) -> None:
    await daily.store()
    await daily.launch(0)
    assert '"nobody","Mallory","4","phone"' in (
        daily.path.with_name("spring-rejects-20260302T090000Z.csv").read_text("utf-8-sig")
    )


TROUBLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (
        Path.unlink,
        "cannot be opened: No such file or directory. The list is read where the clock runs",
    ),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be opened: Is a directory."),
    "empty": (lambda path: path.write_text(""), "people.csv is empty."),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "people.csv is a pipe, not a file."),
    "a device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "is a device, not a file."),
    "a workbook": (
        lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)),
        "cannot be read as a spreadsheet",
    ),
    "without a column": (lambda path: path.write_text("phone\n+447700900001\n"), "needs 'first_name'"),
    "mostly bad": (
        lambda path: path.write_text("phone,first_name\n+447700900001,Ada\nx,y\nz,y\n"),
        "2 of 3 rows (66.7 %) are bad; 50 % is the most. Nothing was loaded. They are in ",
    ),
    "its own rejects": (
        lambda path: path.write_bytes(path.with_name("rejects.csv").read_bytes()),
        "the list is replaced as a whole",
    ),
}


async def test_a_list_that_cannot_be_read_leaves_its_run_out(daily: List) -> None:
    await daily.store()
    await daily.launch(0)
    await daily.end_runs()
    before = await daily.tables()
    for day, (trouble, (spoil, told)) in enumerate(TROUBLES.items(), 1):
        spoil(daily.path)
        assert await daily.launch(day) == [], trouble
        assert await daily.tables() == before, trouble
        missed = max(await daily.missed(), key=lambda run: run.nominal_at)
        assert (missed.nominal_at, missed.reason) == (NINE + day * DAY, "list")
        assert told in (missed.detail or ""), trouble
        async with reading(daily.engine) as connection:
            found = await require(connection, "spring")
            assert (found.state, found.start_at) == ("scheduled", NINE + (day + 1) * DAY)
            assert await count_recipients(connection, daily.id) == 2
        if daily.path.is_dir():
            daily.path.rmdir()
        daily.path.unlink(missing_ok=True)
        daily.path.write_text(FIRST)
    assert len(await daily.missed()) == len(TROUBLES)
    assert await daily.launch(len(TROUBLES) + 1, SECOND) == ["spring"]
    assert len(await job_rows(daily.engine)) == 2 + 3


async def test_the_last_run_of_all_may_be_the_one_that_fails(daily: List) -> None:
    await daily.store(FIRST, every="1d", starts_at=NINE, max_runs=1)
    daily.path.unlink()
    assert await daily.launch(0) == []
    assert await daily.launch(1, FIRST) == ["spring"], "a run that was left out is no run"
    async with reading(daily.engine) as connection:
        assert (await require(connection, "spring")).start_at is None


async def test_a_one_off_waits_for_a_person_instead(daily: List) -> None:
    await daily.store(FIRST, at=NINE)
    daily.path.unlink()
    assert await daily.launch(0) == []
    async with reading(daily.engine) as connection:
        found = await require(connection, "spring")
        assert (found.state, found.start_at) == ("paused", NINE)
        assert "could not be launched" in (found.reason or "")
        assert await count_recipients(connection, daily.id) == 2


def meddling(daily: List, act: Callable[[], object]) -> Check:
    """A row check during which something happens while the list is read."""

    def refuse(_vars: str) -> None:
        act()

    return lambda _spec, _templates: (refuse, ANY_USER_ID)


async def test_a_list_that_changes_while_it_is_read_is_not_used(daily: List) -> None:
    await daily.store()
    check = meddling(daily, lambda: daily.path.write_text(SECOND))
    assert await daily.launch(0, check=check) == []
    [missed] = await daily.missed()
    assert missed.detail == "people.csv changed while it was read."
    assert await job_rows(daily.engine) == []


class Slow:
    """A row check that makes reading a list last until `go`."""

    def __init__(self) -> None:
        self.reading, self.go = threading.Event(), threading.Event()

    def check(self, _spec: CampaignSpec, _templates: object) -> tuple[Refuse, UserIds]:
        def refuse(_vars: str) -> None:
            self.reading.set()
            self.go.wait(60)

        return refuse, ANY_USER_ID

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.reading.wait, 30)


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.go.set()


async def write_something(engine: Engine) -> None:
    """As a shift would meanwhile; waits for no lock."""
    async with asyncio.timeout(5), writing(engine) as connection:
        await ensure_lanes(connection, ["ourvoice/shop"])


async def test_nobody_waits_for_a_list_that_is_read(daily: List, slow: Slow) -> None:
    await daily.store()
    launching = asyncio.create_task(daily.launch(0, SECOND, check=slow.check))
    await slow.has_begun()
    await write_something(daily.engine)
    async with reading(daily.engine) as connection:
        assert await count_recipients(connection, daily.id) == 2, "nobody sees a part of it"
        assert await find_rejects(connection, daily.id, "Eve") == []
    assert (await daily.delivery()).rows == 3
    slow.go.set()
    assert await launching == ["spring"]
    assert [name for _, _, name in await daily.sent_to()] == ["Robert", "Cy", "Di"]


async def test_nobody_waits_for_a_load(daily: List, slow: Slow) -> None:
    await daily.store()
    daily.path.write_text(SECOND)
    loading = asyncio.create_task(daily.load(refuse=slow.check(daily.spec({"at": NINE}), None)[0]))
    await slow.has_begun()
    await write_something(daily.engine)
    assert (await daily.delivery()).rows == 3
    slow.go.set()
    await loading
    assert (await daily.delivery()).rows == 5


async def test_a_campaign_that_changes_while_its_list_is_read_is_met_anew(daily: List, slow: Slow) -> None:
    await daily.store()
    launching = asyncio.create_task(daily.launch(0, SECOND, check=slow.check))
    await slow.has_begun()
    later = daily.spec({"every": "1d", "starts_at": NINE}).changed(content={"text": "Bye {{ first_name }}"})
    async with writing(daily.engine) as connection:
        await replace_spec(connection, daily.id, later, NINE)
    slow.go.set()
    assert await launching == []
    assert await daily.missed() == []
    assert await daily.tables() == [1, 2, 1, 0, 0]
    assert await daily.launch(0) == ["spring"]


async def test_a_list_that_another_load_replaced_meanwhile_is_not_used(daily: List, slow: Slow) -> None:
    await daily.store()
    launching = asyncio.create_task(daily.launch(0, check=slow.check))
    await slow.has_begun()
    daily.path.unlink()
    daily.path.write_text(SECOND)
    await daily.load(now=lambda: NINE)
    slow.go.set()
    assert await launching == []
    assert await daily.launch(0) == ["spring"]
    assert [name for _, _, name in await daily.sent_to()] == ["Robert", "Cy", "Di"]


async def test_a_stop_does_not_wait_for_a_list(daily: List, slow: Slow) -> None:
    await daily.store()
    before = await daily.tables()
    stop = asyncio.Event()
    wanted = daily.spec({"every": "1d", "starts_at": NINE})
    due = DueCampaign(daily.id, "spring", wanted.to_json(), NINE)
    launching = asyncio.create_task(
        launch_with_list(daily.engine, due, wanted, check=slow.check, now=lambda: NINE, stop=stop)
    )
    await slow.has_begun()
    stop.set()
    async with asyncio.timeout(5):
        assert not await launching
    assert await daily.tables() == before
    assert await daily.missed() == []
    slow.go.set()
    assert await daily.launch(0) == ["spring"]


async def test_a_disk_that_does_not_answer_is_given_up(
    daily: List, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    await daily.store()
    monkeypatch.setattr("scheduler.audience.load.PART", 0.1)
    assert await daily.launch(0, check=slow.check) == []
    [missed] = await daily.missed()
    assert missed.detail == "The list could not be read within 0.1 seconds."
    assert await daily.tables() == [1, 2, 1, 0, 0]


async def test_leftovers_of_a_killed_reader_are_unused_and_deleted_by_a_later_reading(daily: List) -> None:
    await daily.store()
    before = await daily.tables()
    for begun_at in (NINE - 2 * DAY, NINE):
        async with writing(daily.engine) as connection:
            stage = await begin_stage(connection, daily.id, empty=True, source="x", digest="x", now=begun_at)
            left = Audience([stage.import_id], [2], ["+447700900099"], ["GB"], [1], ["{}"])
            assert await add_recipients(connection, stage.edition, left) == []
            bad = RejectedRow((stage.import_id, 3), None, "duplicate", "twice", "99")
            await add_rejects(connection, daily.id, [bad])
    assert await daily.tables() == [before[0] + 2, before[1] + 2, before[2] + 2, 0, 0]
    assert (await daily.delivery()).rows == 3
    async with reading(daily.engine) as connection:
        assert await count_recipients(connection, daily.id) == 2
    assert await daily.launch(0) == ["spring"]
    assert await daily.tables() == [before[0] + 1, before[1] + 1, before[2] + 1, 1, 2], (
        "one may still be at work"
    )
    await daily.end_runs()
    assert await daily.launch(2, SECOND) == ["spring"]
    assert await daily.tables() == [2, 2 + 3, 1 + 2, 2, 2 + 3]


async def test_long_lists_are_written_and_removed_in_parts(
    daily: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.runs.editions.PART", 7)
    rows = [f"+4477009{number:05d},Ada {number}" for number in range(100)]
    await daily.store("\n".join(["phone,first_name", *rows, *rows[:50], ""]))
    assert await daily.launch(0, "\n".join(["phone,first_name", *rows[:30], *rows[:20], ""])) == ["spring"]
    assert await daily.tables() == [1, 30, 20, 1, 30]


class Crash(BaseException):
    """The process dies."""


async def test_a_crash_while_it_is_read_leaves_nothing_and_is_made_up_for(daily: List) -> None:
    def crash() -> None:
        raise Crash

    await daily.store()
    before = await daily.tables()
    with pytest.raises(Crash):
        await daily.launch(0, SECOND, check=meddling(daily, crash))
    assert await daily.tables() == before
    assert await daily.missed() == []
    assert await daily.launch(0) == ["spring"]
    assert len(await job_rows(daily.engine)) == 3


async def test_of_many_launchers_one_uses_its_reading(daily: List, database_url: str) -> None:
    await daily.store()
    others = [open_engine(database_url) for _ in range(4)]
    launched = await asyncio.gather(*(launch_due(other, now=lambda: NINE) for other in others))
    for other in others:
        await other.dispose()
    assert sorted(launched) == [[], [], [], ["spring"]]
    assert (await daily.tables()) == [1, 2, 1, 1, 2]


async def test_an_approval_is_of_the_list_that_was_read_and_no_other(daily: List) -> None:
    few = Guard(ApprovalLimits(2))
    await daily.store()
    assert await daily.launch(0, guard=few) == ["spring"]
    await daily.end_runs()
    assert await daily.launch(1, SECOND, guard=few) == []
    async with reading(daily.engine) as connection:
        found = await require(connection, "spring")
        assert (found.state, found.reason) == ("paused", "It needs approval: 3 recipients, more than 2.")
        assert await count_recipients(connection, daily.id) == 3, "the one who approves sees the new list"
    assert (await daily.delivery()).rows == 3, "only what was launched counts"
    await approve(daily.engine, "spring", "ada")
    assert await daily.launch(1, SECOND.replace("Cy", "Cyrus"), guard=few) == []
    async with reading(daily.engine) as connection:
        reason = (await require(connection, "spring")).reason or ""
    assert reason.startswith("It needs approval again, because it was changed after ada approved it")
    await approve(daily.engine, "spring", "ada")
    assert await daily.launch(1, guard=few) == ["spring"]
    assert (await daily.delivery()).rows == 3 + 5


async def test_what_was_missed_is_launched_with_the_list_of_today(daily: List) -> None:
    await daily.store()
    daily.path.unlink()
    for day in range(2):
        await daily.launch(day)
    before = await daily.tables()
    with pytest.raises(InvalidInput, match="cannot be opened"):
        await backfill(daily.engine, "spring", NINE, NINE + DAY, now=lambda: NINE + DAY)
    assert await daily.tables() == before
    daily.path.write_text(SECOND)
    done = await backfill(daily.engine, "spring", NINE, NINE + DAY, now=lambda: NINE + DAY)
    assert done == [NINE, NINE + DAY]
    assert await daily.missed() == []
    found = await daily.delivery()
    assert (found.rows, found.rejected, found.jobs) == (10, 4, 6)


async def test_a_load_takes_the_place_of_the_one_before_it(daily: List) -> None:
    await daily.store()
    daily.path.write_text(SECOND)
    await daily.load()
    assert await daily.tables() == [1, 3, 2, 0, 0]
    daily.path.write_text("phone,first_name\nx,y\n")
    with pytest.raises(TooManyRejects):
        await daily.load()
    daily.path.write_bytes(daily.path.with_name("rejects.csv").read_bytes())
    with pytest.raises(IntakeError, match="the list is replaced as a whole"):
        await daily.load()
    assert await daily.tables() == [1, 3, 2, 0, 0]


async def test_a_clone_has_the_newest_audience(daily: List) -> None:
    await daily.store()
    await daily.launch(0)
    await daily.end_runs()
    await daily.launch(1, SECOND)
    assert await cloned(daily.engine, "spring", "again") == 3
    async with reading(daily.engine) as connection:
        again = await require(connection, "again")
        assert await count_recipients(connection, again.id) == 3
        assert (await delivery(connection, again)).rows == 5


async def test_what_waits_for_its_time_is_still_sent_as_it_was_then(daily: List) -> None:
    await daily.store("phone,first_name,send_at\n+447700900002,Bob,2026-03-09T09:00Z\n")
    await daily.launch(0)
    assert await daily.launch(1, "phone,first_name,send_at\n+447700900002,Robert,\n") == ["spring"]
    async with writing(daily.engine) as connection:
        claimed = [
            job
            for run in await open_runs(connection)
            for job in await claim_due(connection, run.id, "ourvoice/shop", NINE + 7 * DAY, 9)
        ]
    assert [json.loads(job.vars)["first_name"] for job in claimed] == ["Bob", "Robert"]
