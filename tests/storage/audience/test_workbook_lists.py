"""Everything that reads a list takes a sheet, on both databases: load, its rejects, the same file again, each run,
opt-outs."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from app.actions.contacts import import_preferences
from campaigns.intake.model import IntakeOptions
from scheduler.audience.load import check, load
from scheduler.audience.load_report import LoadReport
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, reading
from storage.tables.audience import imports, recipients, rejects
from tests.support.campaigns import spec, store_campaign
from tests.support.workbooks import Table, xls, xlsx

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
A, B, C = "+447911123456", "+33612345678", "+12025550123"
PEOPLE: Table = [
    ["Mobile", "first_name"],
    [447911123456, "Ada\nLovelace"],
    [447911123456, "Ada"],
    ["12", "Mallory"],
    [B, "Bob"],
]


class Desk:
    def __init__(self, engine: Engine, folder: Path, campaign: int) -> None:
        self.engine, self.folder, self.campaign = engine, folder, campaign

    async def load(self, path: Path, **options: str) -> LoadReport:
        return await load(
            self.engine, self.campaign, path, IntakeOptions(**options),  # type: ignore[arg-type]
            max_reject_percent=100, rejects_path=self.folder / "people.rejects.csv", now=lambda: NINE,
        )  # fmt: skip

    async def phones(self) -> list[tuple[str, int]]:
        async with reading(self.engine) as connection:
            found = await connection.execute(
                select(recipients.c.phone, recipients.c.line).order_by(recipients.c.line)
            )
            return [tuple(row) for row in found]  # type: ignore[misc]


async def desk(engine: Engine, folder: Path) -> Desk:
    return Desk(engine, folder, await store_campaign(engine, spec(), 0))


async def test_a_sheet_is_loaded_and_its_rejects_come_back(engine: Engine, tmp_path: Path) -> None:
    books = await desk(engine, tmp_path)
    path = tmp_path / "people.xlsx"
    path.write_bytes(xlsx({"Kunden": PEOPLE, "Alt": [["phone"], [C]]}))
    report = await books.load(path, sheet="Kunden")
    assert (report.rows, report.accepted, report.duplicates) == (4, 2, 1)
    assert await books.phones() == [(A, 2), (B, 5)]
    async with reading(engine) as connection:
        stored = (
            await connection.execute(select(rejects.c.line, rejects.c.reason).order_by(rejects.c.line))
        ).all()
        assert (
            await connection.scalar(select(imports.c.source).order_by(imports.c.id.desc()).limit(1))
            == "people.xlsx [Kunden]"
        )
    assert [line for line, _ in stored] == [3, 4]
    assert stored[0][1] == "Same number as line 2. (Row 3 of sheet 'Kunden'.)"
    bad = report.rejects_file
    assert bad is not None
    with bad.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["drumbeat_line"], row["Mobile"], row["drumbeat_code"]) for row in rows] == [
        ("3", A[1:], "duplicate"), ("4", "12", "phone_too_short"),
    ]  # fmt: skip
    bad.write_text(bad.read_text(encoding="utf-8-sig").replace('"12"', f'"{C}"'), encoding="utf-8-sig")
    again = await books.load(bad)
    assert (again.accepted, again.rejected) == (1, 1)
    assert (C, 4) in await books.phones()


async def test_the_same_sheet_again_adds_nothing_and_another_does(engine: Engine, tmp_path: Path) -> None:
    books = await desk(engine, tmp_path)
    path = tmp_path / "people.xls"
    path.write_bytes(xls({"one": [["phone"], [A]], "two": [["phone"], [B]]}))
    assert not (await books.load(path, sheet="one")).already_loaded
    assert (await books.load(path, sheet="one")).already_loaded
    assert (await books.load(path, sheet="two")).accepted == 1


async def test_a_check_of_a_sheet_reports_what_it_read(tmp_path: Path) -> None:
    path = tmp_path / "people.ods"
    path.write_bytes(xlsx({"Kunden": PEOPLE}))  # its content decides, not its name
    report = await check(path, IntakeOptions(), max_reject_percent=100, rejects_path=tmp_path / "bad.csv")
    assert report.detected.summary() == "xlsx, sheet 'Kunden', phones in 'Mobile'"
    assert report.as_json()["detected"]["sheet"] == "Kunden"


async def test_each_run_reads_the_sheet_again(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "people.xlsx"
    path.write_bytes(xlsx({"Old": [["phone"], [C]], "Kunden": [["phone"], [A]]}))
    wanted = spec(
        audience={"csv": path, "refresh": "each_run", "sheet": "Kunden"},
        schedule={"every": "1d", "starts_at": NINE},
        content={"text": "Hello"},
    )
    campaign = await store_campaign(engine, wanted, 0, start_at=NINE)
    options = wanted.audience.options(frozenset(), None)
    await load(engine, campaign, path, options, rejects_path=tmp_path / "bad.csv", replaces=True)
    path.write_bytes(xlsx({"Old": [["phone"], [C]], "Kunden": [["phone"], [A], [B]]}))
    assert len(await launch_due(engine, now=lambda: NINE)) == 1
    assert await Desk(engine, tmp_path, campaign).phones() == [(A, 2), (B, 3)]


async def test_opt_outs_are_imported_from_a_sheet(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "stopped.xlsx"
    path.write_bytes(xlsx({"Stop": [["phone", "action"], [447911123456, "out"], ["12", "out"], [B, "in"]]}))
    report = await import_preferences(
        engine, path, IntakeOptions(), "out", None, "import:me", rejects=tmp_path / "bad.csv"
    )
    assert (report.opted["out"], report.rejected) == (1, 1)
    assert report.first_rejects[0].line == 3
    assert "Row 3 of sheet 'Stop'" in report.first_rejects[0].reason
