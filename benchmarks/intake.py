"""Intake against its bare limit, in the same run: `python -m benchmarks intake [--large]`.

Full: detect, read, validate, normalise, dedupe, persist, in one transaction. Bare: pandas reads all columns
as text and the same rows go into the same table in one transaction, unchecked. Each has its own process; memory is that
of this process and the one that it starts together.
A spreadsheet is loaded against a CSV of the same rows.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import json
import random
import resource
import sys
from collections.abc import Iterator
from itertools import count, islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from sqlalchemy import insert

from benchmarks.figures import measured, show
from benchmarks.seeding import DATABASES
from campaigns.intake.model import IntakeOptions
from campaigns.states import CampaignState
from campaigns.time.clock import utc_now
from scheduler.audience.load import load
from storage.audience.audience import ImportCounts, close_import, open_import
from storage.database.engine import Connection, Engine, is_sqlite, open_engine, writing
from storage.runs.editions import Edition
from storage.tables.all_tables import metadata
from storage.tables.audience import campaigns, recipients

ROWS = 300_000
MILLION = 1_000_000
TIMES = 3
BAR = 0.6
"""In the worst of the runs."""
SHEET_ROWS = 100_000
SHEET_BAR = 3.0
"""Times as long as a CSV."""
MEMORY_BAR_MB = 400
GROWTH_BAR = 2.0
"""Five times the rows and more take more only until the parts on their way are as large as they get."""
BARE_CHUNK = 25_000
_INSERT = (
    "INSERT INTO recipients (campaign_id, import_id, line, phone, region, bucket, vars) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_COPY = "COPY bare (campaign_id, import_id, line, phone, region, bucket, vars) FROM STDIN"


def report(rows: int = ROWS) -> bool:
    """Print every figure; whether each bar is met."""
    with TemporaryDirectory(prefix="drumbeat-bench-") as folder:
        audience, table, book = (Path(folder, name) for name in ("audience.csv", "sheet.csv", "sheet.xlsx"))
        write_audience(audience, rows)
        write_audience(table, SHEET_ROWS)
        _write_workbook(table, book)
        figures = [_show(kind, rows, audience, table, book) for kind in DATABASES]
    return all(figures)


def _show(database: str, rows: int, audience: Path, table: Path, book: Path) -> bool:
    runs = [run(database, audience) for _ in range(TIMES)]
    print(f"intake of {rows:,} rows into {database}: read, validate, normalise, dedupe, persist")
    ratios = [one["ratio"] for one in runs]
    well = [
        show("against pandas read + bulk insert, unchecked", ratios, at_least=BAR) and min(ratios) >= BAR,
        show("peak memory", [one["peak_mb"] for one in runs], "MB", below=MEMORY_BAR_MB, digits=0),
    ]
    for kind in ("full", "bare"):
        show(kind, [one[kind]["seconds"] for one in runs], "s", digits=1)
    sheets = [spreadsheet(database, table, book) for _ in range(TIMES)]
    times = [one["times"] for one in sheets]
    well.append(show(f"{SHEET_ROWS:,} rows as .xlsx, against as CSV", times, "times", below=SHEET_BAR))
    growth = [long["peak_mb"] / short["peak_mb"] for long, short in zip(runs, sheets, strict=True)]
    well.append(show(f"peak memory, against {SHEET_ROWS:,} rows", growth, "times", below=GROWTH_BAR))
    return all(well)


def run(database: str, audience: Path) -> dict[str, Any]:
    """Seconds and peak MB of both, each into a new database, and `ratio` = bare / full."""
    bare, full = (_measure(kind, audience, database) for kind in ("bare", "full"))
    return {
        "bare": bare,
        "full": full,
        "ratio": bare["seconds"] / full["seconds"],
        "peak_mb": full["peak_mb"],
    }


def spreadsheet(database: str, table: Path, book: Path) -> dict[str, float]:
    """How many `times` as long as a CSV a spreadsheet of the same rows takes, each into a new database, and the CSV's
    peak MB."""
    of_table, of_book = (_measure("full", path, database) for path in (table, book))
    return {"times": of_book["seconds"] / of_table["seconds"], "peak_mb": of_table["peak_mb"]}


def _write_workbook(table: Path, book: Path) -> None:
    import xlsxwriter  # not measured, and neither is its memory

    with xlsxwriter.Workbook(str(book), {"constant_memory": True}) as workbook, table.open() as file:
        sheet = workbook.add_worksheet()
        for line, cells in enumerate(csv.reader(file)):
            for column, cell in enumerate(cells):
                sheet.write_string(line, column, cell)


def write_audience(path: Path, rows: int, seed: int = 7) -> None:
    """A list as marketers have it: mostly E.164 and plain digits, some spaced, 1.5 % bad, 1 % duplicates."""
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,first_name,code\n")
        file.writelines(islice(_lines(random.Random(seed)), rows))


def _lines(chance: random.Random) -> Iterator[str]:
    names = ["Ana", "Bola", "Chloé", "Dmitri", "Esi", "Farid", "Grace", "Hugo", "Inès", "Jún"]
    mobile = [("44", "7911", 6), ("33", "612", 6), ("1", "202555", 4), ("234", "803", 7), ("49", "1512", 7)]
    mobile += [
        ("229", "0197", 6),
        ("55", "11987", 6),
        ("91", "98200", 5),
        ("27", "8212", 5),
        ("34", "6123", 5),
    ]
    earlier = "+447911000000"
    for number in count():
        code, start, digits = mobile[chance.randrange(len(mobile))]
        national = f"{start}{number % 10**digits:0{digits}}" if digits > 6 else _wider(chance, start, digits)
        draw = chance.random()
        phone = f"+{code}{national}"
        if draw < 0.25:
            phone = phone[1:]
        elif draw < 0.32:
            phone = f"+{code} {national[:3]} {national[3:6]} {national[6:]}"
        elif draw < 0.335:
            phone = chance.choice(["", "n/a", "12345", "+44207946095", "2.34E+12"])
        elif draw < 0.345:
            phone = earlier
        elif draw > 0.999:
            earlier = phone
        yield f"{phone},{chance.choice(names)}{number % 977},SPRING{number:07}\n"


def _wider(chance: random.Random, start: str, digits: int) -> str:
    """The start loses what makes it narrow, so that a million numbers are mostly distinct."""
    return f"{start[:-1]}{chance.randrange(10 ** (digits + 1)):0{digits + 1}}"


def _measure(kind: str, path: Path, database: str) -> dict[str, float]:
    with DATABASES[database]() as url:
        return measured("intake", kind, str(path), url)


async def _child(kind: str, path: Path, url: str) -> dict[str, float]:
    gc.set_threshold(200_000)  # as in every command
    if kind == "bare":
        import pandas  # noqa: F401  # before the time that counts
    engine = open_engine(url)
    campaign_id = await _new_campaign(engine)
    began = perf_counter()
    await (_load_full if kind == "full" else _load_bare)(engine, campaign_id, path)
    seconds = perf_counter() - began
    await engine.dispose()
    peak = sum(
        resource.getrusage(whose).ru_maxrss for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"seconds": seconds, "peak_mb": peak / 1024}


async def _new_campaign(engine: Engine) -> int:
    now = utc_now()
    async with writing(engine) as connection:
        await connection.run_sync(metadata.create_all)
        new = insert(campaigns).values(
            name=f"bench-{now.timestamp()}", state=CampaignState.DRAFT, spec="{}", category="marketing",
            created_at=now, updated_at=now,
        )  # fmt: skip
        return int((await connection.execute(new.returning(campaigns.c.id))).scalar_one())


async def _load_full(engine: Engine, campaign_id: int, path: Path) -> None:
    await load(engine, campaign_id, path, IntakeOptions(), rejects_path=path.with_suffix(".rejects.csv"))


async def _load_bare(engine: Engine, campaign_id: int, path: Path) -> None:
    import pandas as pd

    rows = 0
    frames = pd.read_csv(path, dtype=object, keep_default_na=False, na_filter=False, chunksize=BARE_CHUNK)
    async with writing(engine) as connection:
        edition = Edition(campaign_id, 0)
        import_id = await open_import(connection, edition, source=path.name, digest="bare", now=utc_now())
        for frame in frames:
            values = zip(
                repeat(campaign_id), repeat(import_id), count(rows + 2), frame["phone"].tolist(),
                repeat("GB"), repeat(0), map(",".join, zip(frame["first_name"], frame["code"], strict=True)),
            )  # fmt: skip
            await _insert_bare(connection, values)
            rows += len(frame)
        await close_import(connection, import_id, ImportCounts(rows, rows, 0, 0, 0, "{}"))


async def _insert_bare(connection: Connection, values: Iterator[tuple[Any, ...]]) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    if is_sqlite(connection):
        await raw.executemany(_INSERT, values)
        return
    columns = ", ".join(column.name for column in recipients.columns if column.name != "id")
    async with raw.cursor() as cursor:
        await cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS bare (LIKE recipients INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        await cursor.execute("ALTER TABLE bare DROP COLUMN IF EXISTS id")
        await cursor.execute("TRUNCATE bare")
        async with cursor.copy(_COPY) as copy:
            for row in values:
                await copy.write_row(row)
        await cursor.execute(
            f"INSERT INTO recipients ({columns}) SELECT {columns} FROM bare ON CONFLICT DO NOTHING"
        )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_child(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))))
