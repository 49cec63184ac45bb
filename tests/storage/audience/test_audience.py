"""Loading on both databases: all or nothing, nobody twice, every row accounted for, returning rejects."""

from __future__ import annotations

import asyncio
import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from campaigns.errors import IntakeError, NotFound, UsageError
from campaigns.intake.model import IntakeOptions
from campaigns.states import CampaignState
from scheduler.audience.load import check, load
from scheduler.audience.load_report import LoadReport, TooManyRejects
from storage.audience.audience import Audience, add_recipients, holders
from storage.audience.samples import all_rows, first_rows
from storage.database.engine import open_blocking, reading, writing
from storage.runs.editions import Edition, of_audience
from storage.tables.audience import campaigns, imports, recipients, rejects

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
A, B, C, D = "+447911123456", "+33612345678", "+12025550123", "+2348031234567"


@pytest.fixture
async def campaign(engine: AsyncEngine) -> int:
    return await new_campaign(engine, "spring")


async def new_campaign(engine: AsyncEngine, name: str) -> int:
    async with writing(engine) as connection:
        new = insert(campaigns).values(
            name=name,
            state=CampaignState.DRAFT,
            spec="{}",
            category="marketing",
            created_at=NOW,
            updated_at=NOW,
        )
        return int((await connection.execute(new.returning(campaigns.c.id))).scalar_one())


class Desk:
    """Loads files into one campaign and looks at what is stored."""

    def __init__(self, engine: AsyncEngine, campaign: int, folder: Path) -> None:
        self.engine, self.campaign, self.folder = engine, campaign, folder

    async def load(self, name: str, text: str, *, most: float = 100, **options: Any) -> LoadReport:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        report = await load(
            self.engine, self.campaign, path, IntakeOptions(**options),
            max_reject_percent=most, rejects_path=path.with_suffix(".rejects"), now=lambda: NOW,
        )  # fmt: skip
        await self.assert_accounts()
        assert report.rows == report.accepted + report.rejected
        assert sum(report.reasons.values()) == report.rejected
        return report

    async def rows(self, *columns: Any) -> list[Any]:
        async with reading(self.engine) as connection:
            return [tuple(row) for row in await connection.execute(select(*columns).order_by(*columns))]

    async def audience(self) -> dict[str, tuple[int, str]]:
        found = await self.rows(recipients.c.phone, recipients.c.line, recipients.c.vars)
        return {phone: (line, json.loads(variables).get("name")) for phone, line, variables in found}

    async def bad(self) -> list[tuple[int, str]]:
        return await self.rows(rejects.c.line, rejects.c.code)

    async def assert_accounts(self) -> None:
        """Recipients + rejects of every import are its rows, less those settled in earlier imports."""
        async with reading(self.engine) as connection:
            for id_, rows, settled in (
                await connection.execute(select(imports.c.id, imports.c.rows, imports.c.settled))
            ).all():
                parts = [
                    (await connection.execute(
                        select(func.count()).select_from(table).where(table.c.import_id == id_)
                    )).scalar_one()
                    for table in (recipients, rejects)
                ]  # fmt: skip
                assert sum(parts) == rows - settled


@pytest.fixture
def desk(engine: AsyncEngine, campaign: int, tmp_path: Path) -> Desk:
    return Desk(engine, campaign, tmp_path)


def read(path: Path | None) -> list[dict[str, str]]:
    assert path is not None
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


async def test_rows_are_stored_with_all_that_is_known_of_them(desk: Desk) -> None:
    report = await desk.load("a.csv", f"phone,First Name,city\n{A},Ana,\nbad,Bo,x\n{D},Zoë,Łódź\n")
    assert report.as_json() == {
        "campaign": "spring", "rows": 3, "accepted": 2, "rejected": 1, "duplicates": 0,
        "rejects_file": str(desk.folder / "a.rejects"),
        "detected": {"encoding": "utf-8", "delimiter": ",", "phone_column": "phone", "phone_columns": ["phone"]},
        "reasons": {"phone_not_a_number": 1}, "left_out": 0, "respelt": 0, "already_loaded": False, "already_in": [],
    }  # fmt: skip
    stored = recipients.c
    assert await desk.rows(stored.line, stored.phone, stored.region, stored.bucket, stored.vars) == [
        (2, A, "GG", 4446, '{"first_name":"Ana","city":""}'),
        (4, D, "NG", 4237, '{"first_name":"Zoë","city":"Łódź"}'),
    ]
    assert await desk.rows(rejects.c.line, rejects.c.column, rejects.c.raw) == [(3, "phone", "bad,Bo,x")]


async def test_what_rows_say_of_themselves_is_stored(desk: Desk) -> None:
    own = (recipients.c.timezone, recipients.c.send_at, recipients.c.consent_at)
    text = (
        f"phone,timezone,send_at,consent_at\n{A},Asia/Tokyo,2026-12-01T09:00,2026-01-31\n{B},,,\n{C},Mars,,\n"
    )
    report = await desk.load("a.csv", text)
    assert report.reasons == {"bad_timezone": 1}
    said = (A, "Asia/Tokyo", datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 1, 30, 15, tzinfo=UTC))
    assert await desk.rows(recipients.c.phone, *own) == [(B, None, None, None), said]
    await desk.load("b.csv", f"phone,timezone\n{B},Asia/Tokyo\n{D},Europe/Paris\n", duplicates="last")
    zones = [(B, "Asia/Tokyo"), (A, "Asia/Tokyo"), (D, "Europe/Paris")]
    assert sorted(await desk.rows(recipients.c.phone, recipients.c.timezone)) == sorted(zones)
    await desk.load("c.csv", f"phone,name\n{A},Ana\n", duplicates="last")
    assert (A, None, None, None) in await desk.rows(recipients.c.phone, *own)


async def test_rows_come_in_the_order_of_the_file_and_the_first_of_a_number_is_kept(desk: Desk) -> None:
    numbers = [A, D, A, B, C, B, D]
    await desk.load("a.csv", "phone\n" + "".join(f"{number}\n" for number in numbers))
    await desk.load("b.csv", f"phone\n{C}\n+447911123457\n{A}\n+12025550100\n")
    async with reading(desk.engine) as connection:
        first = await first_rows(connection, desk.campaign, 5)
        every = [row.line async for page in all_rows(connection, desk.campaign) for row in page]
    assert [row.phone for row in first] == [A, D, B, C, "+447911123457"]
    assert every == [2, 3, 5, 6, 3, 5]
    duplicates = [(2, "duplicate"), *((line, "duplicate") for line in (4, 4, 7, 8))]
    assert await desk.bad() == duplicates


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_a_chunk_costs_does_not_grow_with_the_rows_before_it(desk: Desk) -> None:
    """PostgreSQL has no statistics of a table that is being filled, and read it whole for each chunk."""
    await desk.load("a.csv", f"phone\n{A}\n")
    names = "campaign_id, edition, import_id, region, bucket, vars"
    many = f"""INSERT INTO recipients (line, phone, {names})
        SELECT 3, '+' || n, {names} FROM recipients, generate_series(1, 5000) AS each(n)"""
    fetched = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'recipients'"
    newer = [f"+{number}" for number in range(4_981, 5_041)]
    async with writing(desk.engine) as connection:
        await connection.execute(text(many))
        first = select(recipients.c.import_id, recipients.c.edition).limit(1)
        import_id, number = (await connection.execute(first)).one()
        edition, size = Edition(desk.campaign, number), len(newer)
        before = await connection.scalar(text(fetched))
        more = Audience([import_id] * size, range(size), newer, ["GB"] * size, [1] * size, ["{}"] * size)
        assert await add_recipients(connection, edition, more) == list(range(20))
        assert len(await holders(connection, edition, newer[:20])) == 20
        after = await connection.scalar(text(fetched))
    assert 20 <= after - before < 500


async def test_the_same_file_again_adds_nothing_and_is_reported(desk: Desk) -> None:
    text = f"phone,name\n{A},Ana\nbad,x\n"
    first = await desk.load("a.csv", text)
    again = await desk.load("copy.csv", text)
    assert again.already_loaded
    assert (again.rows, again.accepted, again.rejected, again.reasons) == (2, 1, 1, first.reasons)
    assert len(await desk.rows(imports.c.id)) == 1
    assert len(await desk.audience()) == 1


async def test_the_first_of_duplicates_stays(desk: Desk) -> None:
    text = f"phone,name\n{A},one\n07911 123456,two\n{B},x\n+44 (0)7911 123456,three\n"
    report = await desk.load("a.csv", text, default_country="GB")
    assert (report.accepted, report.duplicates) == (2, 2)
    assert await desk.audience() == {A: (2, "one"), B: (4, "x")}
    assert [row["drumbeat_reason"] for row in read(report.rejects_file)] == ["Same number as line 2."] * 2


async def test_the_last_of_duplicates_stays(desk: Desk) -> None:
    text = f"phone,name\n{A},one\n{B},x\n{A},two\n{A},three\n"
    report = await desk.load("a.csv", text, duplicates="last")
    assert await desk.audience() == {A: (5, "three"), B: (3, "x")}
    assert await desk.bad() == [(2, "duplicate"), (4, "duplicate")]
    assert {row["name"] for row in read(report.rejects_file)} == {"one", "two"}


async def test_no_copy_of_duplicates_stays(desk: Desk) -> None:
    text = f"phone,name\n{A},one\n{B},x\n{A},two\n{A},three\n"
    report = await desk.load("a.csv", text, duplicates="reject")
    assert await desk.audience() == {B: (3, "x")}
    assert await desk.bad() == [(2, "duplicate"), (4, "duplicate"), (5, "duplicate")]
    assert {row["name"] for row in read(report.rejects_file)} == {"one", "two", "three"}


@pytest.mark.parametrize("policy", ["first", "last", "reject"])
async def test_duplicates_far_apart_in_the_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr("campaigns.bounded_files.BLOCK", 1 << 12)
    rows = [f"+4479{number:08},n{number}" for number in range(11_000_000, 11_000_600)]
    text = "\n".join(["phone,name", f"{B},early", *rows, f"{B},late", f"{C},x", f"{B},latest"])
    report = await desk.load("a.csv", text, duplicates=policy)
    audience = await desk.audience()
    assert report.duplicates == {"first": 2, "last": 2, "reject": 3}[policy]
    assert audience.get(B, (0, None))[1] == {"first": "early", "last": "latest", "reject": None}[policy]


async def test_duplicates_of_an_earlier_file(desk: Desk) -> None:
    await desk.load("a.csv", f"phone,name\n{A},one\n{B},x\n")
    report = await desk.load("b.csv", f"phone,name\n{A},two\n{C},y\n")
    assert (report.accepted, report.duplicates) == (1, 1)
    assert [row["drumbeat_reason"] for row in read(report.rejects_file)] == [
        "Same number as line 2 of a.csv, loaded 2026-11-20 12:00 UTC."
    ]
    assert [(source.file, rows) for source, rows in report.earlier.items()] == [("a.csv", 1)]
    kept = await desk.load("c.csv", f"phone,name\n{A},three\n{D},z\n", duplicates="reject")
    assert kept.duplicates == 1
    assert await desk.audience() == {A: (2, "one"), B: (3, "x"), C: (3, "y"), D: (3, "z")}


async def test_the_last_replaces_a_row_of_an_earlier_file(desk: Desk) -> None:
    await desk.load("a.csv", f"phone,name\n{A},one\n{B},x\n")
    report = await desk.load("b.csv", f"phone,name\n{C},y\n{A},two\n", duplicates="last")
    assert (report.accepted, report.rejected) == (2, 0)
    assert await desk.audience() == {A: (3, "two"), B: (3, "x"), C: (2, "y")}
    found = await desk.rows(rejects.c.line, rejects.c.code, rejects.c.reason, rejects.c.raw)
    assert found == [(2, "duplicate", "Line 3 of b.csv has the same number.", f"{A},one")]


async def test_fixed_rejects_take_their_old_places(desk: Desk) -> None:
    first = await desk.load("a.csv", f"phone,name\n{A},one\nbad,two\n{A},three\n12,=four\n{C},five,extra\n")
    rows = read(first.rejects_file)
    assert [row["drumbeat_line"] for row in rows] == ["3", "4", "5", "6"]
    assert rows[2]["name"] == "'=four"
    assert rows[3]["name"] == "five,extra"
    assert first.rejects_file is not None
    fixed = first.rejects_file.read_text("utf-8-sig").replace('"bad"', f'"{B}"').replace('"12"', f'"{D}"')
    second = await desk.load("again.csv", fixed)
    assert (second.rows, second.accepted, second.rejected) == (4, 3, 1)
    assert await desk.audience() == {A: (2, "one"), B: (3, "two"), D: (5, "=four"), C: (6, "five,extra")}
    assert await desk.bad() == [(4, "duplicate")]
    assert (await desk.rows(imports.c.rows, imports.c.settled)) == [(4, 4), (5, 0)]
    assert second.rejects_file == desk.folder / "again.rejects"
    third = await desk.load("more.csv", second.rejects_file.read_text("utf-8-sig").replace("79111", "79112"))
    assert (third.rows, third.accepted) == (1, 1)
    assert len(await desk.audience()) == 5
    assert await desk.bad() == []


async def test_a_broken_row_of_a_rejects_file_is_still_the_old_row(desk: Desk) -> None:
    first = await desk.load("a.csv", f"phone,name\n{A},one\nbad,two\n")
    assert first.rejects_file is not None
    await desk.load("b.csv", first.rejects_file.read_text("utf-8-sig").replace('"two",', "t,w,o,"))
    assert await desk.bad() == [(3, "too_many_cells")]


async def test_too_many_rejects_load_nothing_but_write_the_file(desk: Desk) -> None:
    with pytest.raises(TooManyRejects, match=r"2 of 3 rows \(66\.7 %\)") as caught:
        await desk.load("a.csv", f"phone,name\n{A},x\nbad,y\n,z\n", most=20)
    assert caught.value.exit_code == 5
    assert caught.value.report.rejected == 2
    assert len(read(caught.value.report.rejects_file)) == 2
    assert await desk.rows(imports.c.id) == []
    assert await desk.audience() == {}


async def test_an_edited_list_adds_its_new_people_and_reports_the_known_ones(desk: Desk) -> None:
    await desk.load("a.csv", f"phone,name\n{A},one\n{B},x\n")
    edited = f"phone,name\n{A},ONE\n{A},ONE\n{B},x\n{C},new\n"
    report = await desk.load("b.csv", edited, most=0)
    assert (report.accepted, report.known, report.harmless) == (1, 3, 3)
    assert [(source.file, source.loaded_at, rows) for source, rows in report.earlier.items()] == [
        ("a.csv", NOW, 3)
    ]
    assert await desk.audience() == {A: (2, "one"), B: (3, "x"), C: (5, "new")}
    await desk.load("a.csv", edited + "\n", most=0, duplicates="last")
    assert await desk.audience() == {A: (3, "ONE"), B: (4, "x"), C: (5, "new")}


async def test_harmless_duplicates_do_not_count_as_bad(desk: Desk) -> None:
    await desk.load("a.csv", f"phone,name\n{A},one\n{A},two\n{A},three\n", most=0)
    with pytest.raises(TooManyRejects, match=r"1 of 2 rows \(50\.0 %\) are bad, 2 duplicates not counted"):
        await desk.load("b.csv", f"phone,name\n{A},x\n{A},y\nbad,x\n{C},new\n", most=20)


async def test_duplicates_of_which_none_is_kept_count_as_bad(desk: Desk) -> None:
    await desk.load("a.csv", f"phone,name\n{A},one\n")
    with pytest.raises(TooManyRejects, match=r"2 of 3 rows \(66\.7 %\) are bad, 1 duplicates"):
        await desk.load("b.csv", f"phone\n{A}\n{B}\n{B}\n{C}\n", most=20, duplicates="reject")


async def test_duplicates_among_corrected_rejects_do_not_block_the_others(desk: Desk) -> None:
    first = await desk.load("a.csv", f"phone,name\n{A},one\n{A},two\n{A},three\nbad,four\n")
    assert first.rejects_file is not None
    fixed = first.rejects_file.read_text("utf-8-sig").replace('"bad"', f'"{B}"')
    second = await desk.load("again.csv", fixed, most=0)
    assert (second.accepted, second.duplicates) == (1, 2)
    assert await desk.audience() == {A: (2, "one"), B: (5, "four")}


async def test_a_file_loaded_again_after_a_later_one_reports_what_that_one_replaced(desk: Desk) -> None:
    first = f"phone,name\n{A},one\n{B},x\n"
    await desk.load("a.csv", first)
    await desk.load("b.csv", f"phone,name\n{A},two\n", duplicates="last")
    path = desk.folder / "a.csv"
    again = await load(
        desk.engine,
        desk.campaign,
        path,
        IntakeOptions(duplicates="last"),
        rejects_path=path.with_suffix(".bad"),
    )
    assert again.loaded_before is not None
    assert (again.loaded_before.file, again.replaced, again.already_loaded) == ("a.csv", 1, True)
    await desk.load("a.csv", first + "\n", duplicates="last")  # as the note says
    assert (await desk.audience())[A] == (2, "one")


async def test_a_load_that_fails_leaves_all_that_was_loaded_before(desk: Desk) -> None:
    first = await desk.load("a.csv", f"phone,name\n{A},one\nbad,two\n")
    before = [await desk.rows(*table.c) for table in (imports, recipients, rejects)]
    assert first.rejects_file is not None
    returning = first.rejects_file.read_text("utf-8-sig").replace("bad", B) + "nobody,ONE,,,,\n" * 9
    with pytest.raises(TooManyRejects):
        await desk.load("b.csv", returning, most=20, duplicates="last")
    assert [await desk.rows(*table.c) for table in (imports, recipients, rejects)] == before


async def test_a_load_shows_nothing_before_it_is_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.bounded_files.BLOCK", 1 << 15)
    await desk.load("a.csv", f"phone,name\n{A},one\n")
    rows = "".join(f"+4479{number:08},{'n' * 100}\n" for number in range(11_000_000, 11_001_500))
    path = desk.folder / "b.csv"
    path.write_text(f"phone,name\n{rows}")
    blocking, seen = open_blocking(desk.engine), list[int]()

    def look(_rows: int) -> None:
        """At once: a look that waits for its turn may come when the load is whole."""
        with blocking.connect() as connection:
            counted = connection.execute(select(func.count()).where(of_audience(desk.campaign)))
            seen.append(counted.scalar_one())

    await load(
        desk.engine, desk.campaign, path, IntakeOptions(), rejects_path=desk.folder / "r.csv",
        max_reject_percent=100, progress=look,
    )  # fmt: skip
    assert len(seen) > 3
    assert set(seen[:-1]) == {1}
    look(0)
    assert seen[-1] > 1_000
    blocking.dispose()
    assert len(await desk.rows(imports.c.id)) == 2


async def test_as_many_rejects_as_allowed_are_loaded(desk: Desk) -> None:
    rows = "".join(f"+4479111{number:05},x\n" for number in range(4))
    assert (await desk.load("a.csv", f"phone,name\n{rows}bad,y\n", most=20)).accepted == 4


async def test_a_failure_leaves_nothing(desk: Desk) -> None:
    def fail(rows: int) -> None:
        raise RuntimeError(rows)

    path = desk.folder / "a.csv"
    path.write_text(f"phone\n{A}\nbad\n")
    with pytest.raises(RuntimeError):
        await load(desk.engine, desk.campaign, path, IntakeOptions(), max_reject_percent=100,
                   rejects_path=desk.folder / "r.csv", progress=fail)  # fmt: skip
    assert await desk.rows(imports.c.id) == []
    assert await desk.audience() == {}
    assert [file.name for file in desk.folder.glob("*r.csv*")] == []


async def test_a_file_of_blank_rows(desk: Desk) -> None:
    with pytest.raises(IntakeError, match="only blank rows") as caught:
        await desk.load("a.csv", "phone,name\n,\n,\n")
    assert caught.value.code == "header_only"


async def test_no_such_campaign_and_no_overwriting(desk: Desk) -> None:
    path = desk.folder / "a.csv"
    path.write_text(f"phone\n{A}\nbad\n")
    with pytest.raises(NotFound):
        await load(desk.engine, 99, path, IntakeOptions(), rejects_path=desk.folder / "r.csv")
    report = await load(
        desk.engine, desk.campaign, path, IntakeOptions(), max_reject_percent=50, rejects_path=path
    )
    assert (report.rejects_file, path.read_text()) == (desk.folder / "a-2.csv", f"phone\n{A}\nbad\n")
    path.write_text("phone\nbad\n")
    with pytest.raises(UsageError, match="cannot be written"):
        await load(
            desk.engine, desk.campaign, path, IntakeOptions(), rejects_path=desk.folder / "no" / "r.csv"
        )


async def test_a_number_may_be_in_two_campaigns(desk: Desk) -> None:
    await desk.load("a.csv", f"phone,name\n{A},one\n")
    other = Desk(desk.engine, await new_campaign(desk.engine, "autumn"), desk.folder)
    assert (await other.load("a.csv", f"phone,name\n{A},one\n")).accepted == 1


async def test_two_loads_at_once_take_turns(desk: Desk) -> None:
    texts = [f"phone,name\n{A},one\n{B},x\n", f"phone,name\n{A},two\n{C},y\n"]
    paths = [desk.folder / f"{index}.csv" for index in range(2)]
    for path, content in zip(paths, texts, strict=True):
        path.write_text(content)
    reports = await asyncio.gather(
        *(load(desk.engine, desk.campaign, path, IntakeOptions(), max_reject_percent=50,
               rejects_path=path.with_suffix(".rejects")) for path in paths)
    )  # fmt: skip
    assert sorted(report.accepted for report in reports) == [1, 2]
    assert set(await desk.audience()) == {A, B, C}
    await desk.assert_accounts()


async def test_progress_and_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.bounded_files.BLOCK", 1 << 15)
    path = tmp_path / "a.csv"
    rows = "".join(f"+4479{number:08},name {number}\n" for number in range(11_000_000, 11_006_000))
    path.write_text(f"phone,name\n{rows}{A},x\n{A},x\n")
    seen: list[int] = []
    report = await check(path, IntakeOptions(), rejects_path=tmp_path / "r.csv", progress=seen.append)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == report.rows == 6_002
    assert report.campaign is None
    assert report.duplicates >= 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "r.csv"]


async def test_a_check_has_no_file_that_a_kill_could_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = tmp_path / "a.csv"
    rows = "".join(f"+4479{number:08},{'name' * 100}\n" for number in range(11_000_000, 11_010_000))
    path.write_text(f"phone,name\n{rows}")
    seen: list[list[Path]] = []
    await check(
        path, IntakeOptions(), rejects_path=tmp_path / "r.csv",
        progress=lambda _: seen.append(list((tmp_path / "temporary").iterdir())),
    )  # fmt: skip
    assert len(seen) > 2
    assert not any(seen)


async def test_two_spellings_of_one_person_are_a_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "phone\n+55 31 98888 7777\n+55 31 8888 7777\n+52 1 55 1234 5678\n5215512345678@c.us\n+229 97 00 00 00\n"
        "+2290197000000\n"
    )
    report = await check(path, IntakeOptions(), rejects_path=tmp_path / "r.csv")
    assert (report.accepted, report.duplicates, report.rejected) == (3, 3, 3)
    assert (report.respelt, report.respelt_example) == (4, ("+55 31 8888 7777", "+5531988887777"))
    assert report.as_json()["respelt"] == 4


async def test_rows_that_a_filter_leaves_out_are_counted_and_are_no_rejects(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"phone,Opt-in\n{A},Oui\n{B},Non\nbad,Non\nbad,Oui\n")
    options = IntakeOptions(where={"Opt-in": frozenset({"Oui"})})
    report = await check(path, options, max_reject_percent=50, rejects_path=tmp_path / "r.csv")
    assert (report.rows, report.accepted, report.rejected, report.left_out) == (2, 1, 1, 2)
    assert report.as_json()["left_out"] == 2
    none = replace(options, where={"Opt-in": frozenset({"oui"})})
    with pytest.raises(IntakeError) as caught:
        await check(path, none, rejects_path=tmp_path / "n.csv")
    assert caught.value.code == "no_row_chosen"
    assert "all 4 rows" in str(caught.value)


async def test_a_check_without_rejects_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"phone\n{A}\n")
    report = await check(path, IntakeOptions(), rejects_path=tmp_path / "r.csv")
    assert report.rejects_file is None
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
