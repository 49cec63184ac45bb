"""What depends on how many jobs there are, and must not: `python -m benchmarks jobs [--large]`.

Launch, claim with its intents, `report delivery` and `why`, on both databases, at growing sizes of one campaign, and
the pages beside a million. And the processor time of the PostgreSQL server for launch and claims, against that of all
that SQLite's process does for the same.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from sqlalchemy import text

from app.views.people.recipient_timeline import recipient_timeline
from app.views.reports.reports import delivery_report
from app.wiring.settings import Settings
from benchmarks.figures import measured, show
from benchmarks.pages import answers, show_pages
from benchmarks.seeding import (
    ACCOUNT,
    DATABASES,
    LANE,
    campaign,
    database_seconds,
    meta_account,
    phone,
    store,
)
from campaigns.time.clock import utc_now
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, open_engine, reading, writing
from storage.database.vacuum import free_space
from storage.sending.intents import Intent, claim_due, commit_intents
from terminal.running import run_loop

MILLION: Final = 1_000_000
SIZES: Final = (10_000, MILLION)
LARGE: Final = 5_000_000
PAIRED: Final = 100_000
ROUNDS: Final = 5
SLICES: Final = 50
SLICE: Final = 100
ASKED: Final = 5
"""How often a question is asked."""
FLAT_BAR: Final = 1.5
"""How much more a claimed job may cost in the largest campaign than in the smallest."""
REPORT_BAR: Final = 1.0
"""Seconds, at a million jobs and more."""
SERVER_LAUNCH_BAR: Final = 2.2
SERVER_CLAIM_BAR: Final = 1.0
"""Times as much processor time of the PostgreSQL server as of the process with SQLite, Python included."""
_DELIVERED: Final = text(
    "UPDATE jobs SET state = 'delivered', attempts = 1, accepted_at = due_at, delivered_at = due_at, "
    "provider_message_id = 'wamid.' || CAST(id AS TEXT) WHERE state = 'pending' AND id % 10 < 8"
)


def report(sizes: tuple[int, ...] = SIZES) -> bool:
    """Print every figure; whether each bar is met."""
    done: dict[str, dict[int, dict[str, float]]] = {}
    well = True
    for kind in DATABASES:
        print(f"jobs: one campaign on {kind}")
        done[kind] = {size: measured("jobs", size, kind) for size in sizes}
        well &= _show(done[kind])
    return _show_server() and well


def _show_server() -> bool:
    """In turns, as machines change their speed from one minute to the next."""
    print(f"jobs: the PostgreSQL server against a process with SQLite, at {PAIRED:,}")
    pairs = [[measured("jobs", PAIRED, kind) for kind in DATABASES] for _ in range(ROUNDS)]
    well = True
    for name, bar in (("launch", SERVER_LAUNCH_BAR), ("claim", SERVER_CLAIM_BAR)):
        ratios = [server[f"{name}_cpu_us"] / ours[f"{name}_cpu_us"] for ours, server in pairs]
        well &= show(f"{name}: processor time", ratios, "times", below=bar)
    return well


def _show(done: dict[int, dict[str, float]]) -> bool:
    well = True
    for size, each in done.items():
        bar = REPORT_BAR if size >= MILLION else None
        show(f"{size:,}: launch", [each["launch_us"]], "us/job", digits=1)
        show(f"{size:,}: launch, processor time", [each["launch_cpu_us"]], "us/job", digits=1)
        show(f"{size:,}: claim and intent", [each["claim_us"]], "us/job", digits=1)
        show(f"{size:,}: the same, processor time", [each["claim_cpu_us"]], "us/job", digits=1)
        well &= show(f"{size:,}: report delivery", [each["report_s"]], "s", below=bar, digits=3)
        show(f"{size:,}: why", [each["why_s"]], "s", digits=3)
        well &= show_pages({name: seconds for name, seconds in each.items() if name.startswith("/")})
    least, most = min(done), max(done)
    grown = done[most]["claim_us"] / done[least]["claim_us"]
    return show(f"claim at {most:,} to {least:,}", [grown], below=FLAT_BAR) and well


async def _measure(size: int, kind: str) -> dict[str, float]:
    with DATABASES[kind]() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await store(engine, campaign(), size)
        began, worked = perf_counter(), await database_seconds(engine)
        await launch_due(engine)
        launch, launched = perf_counter() - began, await database_seconds(engine)
        claim = await _claim(engine)
        claimed = await database_seconds(engine)
        await deliver(engine)
        settings = Settings(url, {ACCOUNT: meta_account(1, Path(folder))})
        figures = {
            "launch_us": 1e6 * launch / size,
            "launch_cpu_us": 1e6 * (launched - worked) / size,
            "claim_us": 1e6 * claim / SLICE,
            "claim_cpu_us": 1e6 * (claimed - launched) / (SLICES * SLICE),
            "report_s": await _report(engine),
            "why_s": await _why(engine, settings, size),
        }
        if size >= MILLION:
            figures |= await answers(engine, settings, phone(size // 2 + 3))
        await engine.dispose()
    return figures


async def deliver(engine: Engine) -> None:
    """Eight of ten messages are delivered."""
    async with writing(engine) as connection:
        await connection.execute(_DELIVERED)
    if engine.dialect.name != "sqlite":
        await free_space(engine)  # as autovacuum does some minutes later


async def _claim(engine: Engine) -> float:
    """Seconds to claim a slice and to commit its intents: the median, as the first one waits for the launch to be
    written out of the log."""
    took = []
    for _ in range(SLICES):
        began, now = perf_counter(), utc_now()
        async with writing(engine) as connection:
            due = await claim_due(connection, 1, LANE, now, SLICE)
            intents = [Intent(job, f"{job.id:032}", "template", "{}", 1, None, now) for job in due]
            await commit_intents(connection, LANE, 1, intents, now)
        took.append(perf_counter() - began)
    return statistics.median(took)


async def _report(engine: Engine) -> float:
    """The least of several: the first one reads the file."""
    took = []
    for _ in range(ASKED):
        began = perf_counter()
        async with reading(engine) as connection:
            await delivery_report(connection, campaign().name)
        took.append(perf_counter() - began)
    return min(took)


async def _why(engine: Engine, settings: Settings, size: int) -> float:
    """The longest of several people's: one delivered, one waiting, one under way, wherever they stand in the list."""
    took = []
    for number in (0, size // 2 + 3, size // 2 + 8, size - 2, size - 1):
        began = perf_counter()
        async with reading(engine) as connection:
            await recipient_timeline(connection, settings, campaign().name, phone(number))
        took.append(perf_counter() - began)
    return max(took)


if __name__ == "__main__":
    print(json.dumps(run_loop(_measure(int(sys.argv[1]), sys.argv[2]))))
