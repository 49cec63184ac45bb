"""A list that a process of its own reads is loaded as any other, and the process ends with the load."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from sqlalchemy import func, select

from campaigns.intake import reading_process
from campaigns.intake.model import IntakeOptions
from scheduler.audience.load import load
from scheduler.audience.load_report import LoadReport
from storage.database.engine import Engine, reading
from storage.tables.audience import recipients, rejects
from tests.support.campaigns import spec, store_campaign

ROWS = 1_500


async def test_a_load_that_ends_early_ends_the_process_and_the_next_one_loads_all(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, started = tmp_path / "list.csv", []
    numbers = [f"+447911{number:06}" for number in range(ROWS)]
    numbers[-1] = numbers[0]
    path.write_text("phone,name\n" + "".join(f"{number},{'x' * 1_500}\n" for number in numbers))
    assert path.stat().st_size >= reading_process.LONG

    def start(*args: Any, **kwargs: Any) -> Popen[bytes]:
        started.append(Popen(*args, **kwargs))
        return started[-1]

    def full(_rows: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reading_process, "Popen", start)
    campaign = await store_campaign(sqlite_engine, spec(), 0)

    async def loaded(**named: Any) -> LoadReport:
        options, rejects_path = IntakeOptions(), tmp_path / "rejects.csv"
        return await load(sqlite_engine, campaign, path, options, rejects_path=rejects_path, **named)

    with pytest.raises(OSError, match="No space left") as kept:
        await loaded(progress=full)
    assert await asyncio.to_thread(started[0].wait, 10) == -signal.SIGKILL
    assert kept.tb  # what an error holds does not keep the process
    report = await loaded()
    assert (report.rows, report.accepted, report.duplicates, len(started)) == (ROWS, ROWS - 1, 1, 2)
    async with reading(sqlite_engine) as connection:
        assert await connection.scalar(select(func.count()).select_from(recipients)) == ROWS - 1
        assert await connection.scalar(select(rejects.c.reason)) == "Same number as line 2."
    await asyncio.to_thread(started[1].wait, 10)
