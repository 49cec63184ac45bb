"""What a report of a million messages costs: `python -m benchmarks reports`.

Each is the command as people type it, in a process of its own: how long it takes with the interpreter's start, the
bytes of the file, and the peak memory. The list of recipients has a line for each of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from sqlalchemy import text

from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, BEGUN, DATABASES, LANE, campaign, store
from scheduler.clock.launch import launch_due
from scheduler.receipts.inbox import mark_answers
from storage.database.engine import open_engine, writing
from storage.database.vacuum import free_space
from storage.tables.types import to_millis
from terminal.running import run_loop

MILLION: Final = 1_000_000
SUMMARIES: Final = ("summary", "funnel", "delivery", "cost", "failures")
LISTS: Final = ("recipients", "recipients --not-reached")
LONG: Final = (*((name, "xlsx") for name in LISTS), ("recipients", "csv"))
FIVE_MILLION: Final = 5_000_000
LARGE: Final = ("delivery", "summary")
LARGE_BAR: Final = 1.0
"""Seconds of a report of five million messages."""
ROUNDS: Final = 3
SECONDS_BAR: Final = 3.0
BYTES_BAR: Final = 1_000_000
MEGABYTES_BAR: Final = 150
"""Of a list, however many lines it has."""
_STEP: Final = timedelta(milliseconds=20) // timedelta(milliseconds=1)
_SENT: Final = (
    """
    UPDATE recipients SET region = CASE id % 5 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'BR' ELSE 'GB' END
    """,
    f"""
    UPDATE jobs SET attempts = 1, form = 'template', price_micros = 60000, price_currency = 'EUR',
        accepted_at = :at + id * {_STEP}, updated_at = :at + id * {_STEP},
        provider_message_id = 'wamid.' || CAST(id AS TEXT),
        sent_at = :at + id * {_STEP} + 900,
        delivered_at = CASE WHEN id % 100 < 78 THEN :at + id * {_STEP} + 2000 + (id * 7919) % 60000 END,
        read_at = CASE WHEN id % 100 < 44 THEN :at + id * {_STEP} + 90000 END,
        cost_micros = CASE WHEN id % 100 < 78 THEN 58000 END, currency = CASE WHEN id % 100 < 78 THEN 'EUR' END,
        state = CASE WHEN id % 100 < 44 THEN 'read' WHEN id % 100 < 78 THEN 'delivered' ELSE 'sent' END
    WHERE id % 100 < 82
    """,
    """
    UPDATE jobs SET attempts = 1, state = 'failed', reason = 'rejected',
        code = CASE id % 4 WHEN 0 THEN '131026' WHEN 1 THEN '131049' WHEN 2 THEN '131047' ELSE '130472' END
    WHERE id % 100 BETWEEN 82 AND 91
    """,
    "UPDATE jobs SET state = 'skipped', reason = 'opted_out' WHERE id % 100 BETWEEN 92 AND 96",
    "UPDATE jobs SET state = 'expired', reason = 'expired' WHERE id % 100 > 96",
    """
    INSERT INTO attempts (job_id, run_id, number, call, lane, epoch, intent_at, content, ended_at, outcome,
        code, detail)
    SELECT id, run_id, 1, 'call' || CAST(id AS TEXT), lane, 1, :at, '{}', :at,
        CASE WHEN state = 'failed' THEN 'rejected' ELSE 'accepted' END, code,
        CASE WHEN state = 'failed' THEN 'Message undeliverable' END
    FROM jobs WHERE attempts = 1
    """,
    f"""
    INSERT INTO inbound (account, lane, phone, at, message_id, text)
    SELECT '{ACCOUNT}', '{LANE}', phone, accepted_at + 600000, 'in.' || CAST(id AS TEXT), 'Thanks'
    FROM jobs WHERE id % 100 < 5
    """,
)


def report(size: int = MILLION, *, long: bool = False) -> bool:
    """Print every figure; whether each bar is met. `long`: files of a line for each message too, and a
    campaign of five million: minutes for each."""
    well = True
    files = [("summary", "xlsx"), *(LONG if long else ())]
    for kind in DATABASES:
        print(f"reports of a campaign of {size:,} messages, on {kind}")
        with DATABASES[kind]() as url:
            measured("reports", "fill", url, size)
            for name in (*SUMMARIES, *LISTS):
                done = [measured("reports", "make", url, name, "html") for _ in range(ROUNDS)]
                well &= _show(f"{name}, html", done, html=True)
            for name, form in files:
                well &= _show(f"{name}, {form}", [measured("reports", "make", url, name, form)], html=False)
        well &= _report_large(kind) if long else True
    return well


def _report_large(kind: str) -> bool:
    print(f"reports of a campaign of {FIVE_MILLION:,} messages, on {kind}")
    well = True
    with DATABASES[kind]() as url:
        measured("reports", "fill", url, FIVE_MILLION)
        for name in LARGE:
            done = [measured("reports", "make", url, name, "html")["seconds"] for _ in range(ROUNDS)]
            well &= show(f"{name}, html", done, "s", below=LARGE_BAR)
    return well


def _show(name: str, done: Sequence[Mapping[str, float]], *, html: bool) -> bool:
    figures = {each: [one[each] for one in done] for each in done[0]}
    seconds = show(name, figures["seconds"], "s", below=SECONDS_BAR if html else None)
    show("", figures["processor"], "s of ours", digits=2)
    kilobytes = [each / 1000 for each in figures["bytes"]]
    size = show("", kilobytes, "kB", below=BYTES_BAR / 1000 if html else None, digits=0)
    return show("", figures["megabytes"], "MB", below=MEGABYTES_BAR, digits=0) and seconds and size


async def _fill(url: str, size: int) -> dict[str, float]:
    """Nearly all were sent and most arrived; a tenth failed for four reasons, some never left, some answered."""
    engine = open_engine(url)
    await store(engine, campaign(), size)
    await launch_due(engine, now=lambda: BEGUN)  # before the answers came
    for statement in _SENT:
        async with writing(engine) as connection:
            await connection.execute(text(statement), {"at": to_millis(BEGUN)} if ":at" in statement else {})
    await mark_answers(engine)
    await free_space(engine)
    await engine.dispose()
    return {}


def _make(url: str, name: str, form: str) -> dict[str, float]:
    report, *options = name.split()
    with TemporaryDirectory(prefix="drumbeat-bench-") as folder:
        place = Path(folder, f"made.{form}")
        command = [
            *(sys.executable, "-m", "cli", "--database", url, "report", report, campaign().name),
            *(*options, "--output", str(place)),
        ]
        began = perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        return {
            "seconds": seconds,
            "processor": usage.ru_utime + usage.ru_stime,
            "bytes": place.stat().st_size,
            "megabytes": usage.ru_maxrss / 1024,
        }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", url, size]:
            print(json.dumps(run_loop(_fill(url, int(size)))))
        case ["make", url, name, form]:
            print(json.dumps(_make(url, name, form)))
