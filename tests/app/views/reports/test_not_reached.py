"""Everybody who was not reached: counted by reason, and as a list that a new campaign loads."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, insert, select, update

from app.actions.loading import Flags, load_campaign
from app.actions.steering import cancel_campaign
from app.views.reports.not_reached import not_reached
from app.views.reports.reports import delivery_report, failures_report
from app.wiring.settings import load_settings
from campaigns.errors import NotFound
from campaigns.states import JobState
from storage.audience.campaigns import require
from storage.database.engine import Engine, open_engine, reading, writing
from storage.tables.audience import imports, recipients
from storage.tables.runs import jobs, runs
from tests.support.project import CAMPAIGN, invoke, write_project

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PEOPLE = """\
First Name,Handy,note,phone,send_at
Ada,+447700900010,"=1+1, ""x"" y",office 1,
Grace,07700 900011,\u202eabc,office 2,2031-01-01T09:00:00+00:00
Alan,+447700900012,'quoted,office 3,
"Doe, J",+447700900013,-5,,
Linus,+447700900014,@home,\\x1b,
Barbara,+447700900015,plain,office 6,
Edsger,+447700900016,plain,office 7,
Mallory,nobody,plain,office 8,
"""
SPEC = CAMPAIGN.replace(
    'default_country = "GB"', 'default_country = "GB"\nphone_column = "Handy"\nmap = { note = "remark" }'
).replace("Hi {{ first_name }}", "Hi {{ first_name }}, {{ remark }}")
ENDS = (
    ("failed", "refused", "131026"),
    ("skipped", "opted_out", None),
    ("expired", "expired", None),
    ("cancelled", "run_cancelled", None),
    ("failed", "refused", "131026"),
    ("in_doubt", "no_trusted_answer", "timeout"),
    ("delivered", None, None),
)
"""How the messages of the seven good rows ended, in their order."""


async def launched(engine: Engine, number: int, ends: Any = ENDS) -> int:
    """A run of the loaded campaign `spring` at that day, whose messages ended like this; its id."""
    async with writing(engine) as connection:
        people = (await connection.execute(select(recipients).order_by(recipients.c.id))).all()
        made = await connection.execute(
            insert(runs)
            .values(
                campaign_id=people[0].campaign_id,
                nominal_at=NOW + timedelta(days=number),
                state="completed",
                priority=0,
                spec="{}",
                edition=people[0].edition,
                jobs=len(people),
                launched_at=NOW,
            )
            .returning(runs.c.id)
        )
        run_id = int(made.scalar_one())
        for person, (state, reason, code) in zip(people, ends, strict=True):
            values = {"state": state, "reason": reason, "code": code, "due_at": NOW, "updated_at": NOW}
            await connection.execute(
                insert(jobs).values(
                    run_id=run_id,
                    recipient_id=person.id,
                    phone=person.phone,
                    lane="ourvoice/shop",
                    provider_message_id="m1" if state == "delivered" else None,
                    **values,
                )
            )
    return run_id


async def given(engine: Engine, folder: Path) -> Any:
    """The campaign `spring`, loaded from the list; the settings."""
    write_project(folder, people=PEOPLE, campaign=SPEC)
    settings = load_settings(folder / "drumbeat.toml", None)
    await load_campaign(engine, settings, folder / "spring.toml", Flags(rejects=folder / "bad.csv"))
    return settings


async def rest_of(engine: Engine, run_id: int | None = None, now: datetime = NOW) -> str:
    """The file that `report recipients --not-reached --output` writes."""
    file = StringIO()
    async with reading(engine) as connection:
        people = await not_reached(connection, "spring", run_id, now)
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(people.header)
        writer.writerows([people.cells(row) async for row in people.rows])
    return file.getvalue()


async def people_of(engine: Engine, name: str) -> dict[str, dict[str, str]]:
    """Each recipient's variables, as loaded."""
    async with reading(engine) as connection:
        campaign = await require(connection, name)
        found = await connection.execute(
            select(recipients.c.phone, recipients.c.vars).where(recipients.c.campaign_id == campaign.id)
        )
        return {phone: orjson.loads(vars) for phone, vars in found}


async def reloaded(engine: Engine, settings: Any, folder: Path, text: str) -> dict[str, dict[str, str]]:
    (folder / "rest.csv").write_text(text, encoding="utf-8", newline="")
    again = SPEC.replace('"spring"', '"again"').replace("spring.csv", "rest.csv")
    (folder / "again.toml").write_text(again.replace("= 50", "= 0"), encoding="utf-8")
    await load_campaign(engine, settings, folder / "again.toml", Flags())
    return await people_of(engine, "again")


async def test_the_list_of_the_not_reached_loads_exactly_those_people_with_their_cells(
    engine: Engine, tmp_path: Path
) -> None:
    settings = await given(engine, tmp_path)
    await launched(engine, 0)
    text = await rest_of(engine)
    header = text.splitlines()[0]
    assert header == '"First Name","Handy","note","phone","send_at","drumbeat_code","drumbeat_reason"'
    assert "'=1+1" in text
    first = await people_of(engine, "spring")
    missed = {f"+4477009000{number}" for number in (10, 11, 12, 13, 14)}
    again = await reloaded(engine, settings, tmp_path, text)
    assert again == {phone: vars for phone, vars in first.items() if phone in missed}


async def test_a_list_without_a_stored_header_is_written_from_its_rows(
    engine: Engine, tmp_path: Path
) -> None:
    settings = await given(engine, tmp_path)
    await launched(engine, 0)
    async with writing(engine) as connection:
        await connection.execute(update(imports).values(detected='{"phone_column": "Handy"}'))
    again = await reloaded(engine, settings, tmp_path, await rest_of(engine))
    assert len(again) == 5
    assert {vars["remark"] for vars in again.values()} == {
        '=1+1, "x" y',
        "\u202eabc",
        "'quoted",
        "-5",
        "@home",
    }


async def test_a_time_of_their_own_that_has_passed_is_left_blank(engine: Engine, tmp_path: Path) -> None:
    await given(engine, tmp_path)
    await launched(engine, 0)
    assert "2031-01-01" in await rest_of(engine)
    assert "2031-01-01" not in await rest_of(engine, now=datetime(2032, 1, 1, tzinfo=UTC))


async def test_of_several_runs_those_whom_none_reached_are_listed_once(
    engine: Engine, tmp_path: Path
) -> None:
    await given(engine, tmp_path)
    await launched(engine, 0)
    reached = ("delivered", None, None)
    second = await launched(engine, 1, [reached, *ENDS[1:5], reached, ("failed", "refused", "1")])
    numbers = [line.split('","')[1] for line in (await rest_of(engine)).splitlines()[1:]]
    assert numbers == ["+447700900011", "+447700900012", "+447700900013", "+447700900014"]
    of_one = [line.split('","')[1] for line in (await rest_of(engine, second)).splitlines()[1:]]
    assert of_one == [*numbers, "+447700900016"]


async def test_a_campaign_cancelled_before_its_launch_reached_no_person(
    engine: Engine, tmp_path: Path
) -> None:
    settings = await given(engine, tmp_path)
    assert (await rest_of(engine)).count("\n") == 1
    await cancel_campaign(engine, "spring")
    assert len(await reloaded(engine, settings, tmp_path, await rest_of(engine))) == 7
    async with reading(engine) as connection:
        report = (await failures_report(connection, "spring")).json
    assert [(one["code"], one["count"]) for one in report["cancelled"]] == [("run_cancelled", 7)]


async def test_failures_list_everybody_who_was_not_reached(engine: Engine, tmp_path: Path) -> None:
    await given(engine, tmp_path)
    await launched(engine, 0)
    async with reading(engine) as connection:
        report = await failures_report(connection, "spring")
    counted = [(row[0], row[1], row[3], row[4]) for row in report.tables[0].rows]
    assert counted == [
        ("in_doubt", "timeout", 1, "+447700900015"),
        ("failed", "131026", 2, "+447700900010"),
        ("skipped", "opted_out", 1, "+447700900011"),
        ("expired", "expired", 1, "+447700900012"),
        ("cancelled", "run_cancelled", 1, "+447700900013"),
        ("rejected", "phone_not_a_number", 1, "line 9"),
    ]
    assert report.json["not_reached"] == 7
    assert [one["count"] for one in report.json["expired"]] == [1]
    assert report.json["skipped"] == {"opted_out": 1}


async def test_several_runs_are_reported_together_and_each(engine: Engine, tmp_path: Path) -> None:
    await given(engine, tmp_path)
    first = await launched(engine, 0)
    second = await launched(engine, 1, [("delivered", None, None)] * 7)
    async with reading(engine) as connection:
        whole = await delivery_report(connection, "spring")
        one = await delivery_report(connection, "spring", first)
        failed = await failures_report(connection, "spring", second)
        with pytest.raises(NotFound, match=f"no run {second + 1}") as error:
            await delivery_report(connection, "spring", second + 1)
    assert error.value.hint == f"Its runs: {first}, {second}."
    assert whole.tables[0].rows[:3] == [
        ("rows of the file", 8, ""),
        ("rejected", 1, ""),
        ("messages of 2 runs", 14, ""),
    ]
    assert (whole.json["file_rows"], whole.json["jobs"]) == (8, 14)
    assert [(run["run"], run["jobs"]) for run in whole.json["runs"]] == [(second, 7), (first, 7)]
    assert [row[3:] for row in whole.tables[2].rows] == [(7, 0, 7, 0), (7, 0, 1, 6)]
    assert (one.json["file_rows"], one.json["rows"], one.json["states"][JobState.DELIVERED]) == (8, 8, 1)
    assert failed.json["not_reached"] == 1, "the rejected row"


async def test_a_retry_is_reported_with_its_run(engine: Engine, tmp_path: Path) -> None:
    await given(engine, tmp_path)
    first = await launched(engine, 0)
    retry = await launched(engine, 1, [("delivered", None, None)] * 7)
    async with writing(engine) as connection:
        await connection.execute(update(runs).where(runs.c.id == retry).values(kind="retry", parent_id=first))
        await connection.execute(delete(jobs).where(jobs.c.run_id == retry, jobs.c.phone != "+447700900010"))
        again = (jobs.c.run_id == first, jobs.c.phone == "+447700900010")
        await connection.execute(update(jobs).where(*again).values(tried_again=True))
    async with reading(engine) as connection:
        one = await delivery_report(connection, "spring", first)
        with pytest.raises(NotFound, match=f"retry of run {first}"):
            await failures_report(connection, "spring", retry)
    assert (one.json["jobs"], one.json["states"][JobState.DELIVERED]) == (7, 2)
    assert "+447700900010" not in await rest_of(engine)


def test_the_command_writes_the_file_and_names_who_is_not_in_it(sqlite_url: str, tmp_path: Path) -> None:
    async def made() -> None:
        engine = open_engine(sqlite_url)
        await given(engine, tmp_path)
        await launched(engine, 0)
        await engine.dispose()

    asyncio.run(made())
    command = ("report", "recipients", "spring", "--not-reached")
    done = invoke(tmp_path, *command, "--output", "r.csv")
    assert done.code == 0, done
    assert "1 message in doubt" in done.err
    assert "1 rejected row" in done.err
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 6
    shown = invoke(tmp_path, *command, "--json").json
    assert [row["row"]["Handy"] for row in shown][:2] == ["+447700900010", "+447700900011"]
