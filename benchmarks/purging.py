"""A purge beside a runner: `python -m benchmarks purging [--large]`.

A campaign that was over a year ago is purged by a process of its own while another one is launched and sent. The limit:
a campaign of the same size, launched and sent before the purge begins.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from sqlalchemy import TextClause, text

from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, DATABASES, campaign, meta_account, store
from benchmarks.stub import stub_server
from campaigns.time.clock import utc_now
from providers.settings import AccountSettings
from scheduler.actions.purge import carry_out, plan_purge
from scheduler.clock.launch import launch_due
from scheduler.clock.runner import run
from storage.database.engine import Engine, open_engine, reading, writing
from storage.database.vacuum import free_space
from storage.tables.types import to_millis
from terminal.running import run_loop

OLD: Final = 100_000
LARGE: Final = 1_000_000
SENT: Final = 20_000
YEAR: Final = timedelta(days=365)
HELD_BAR: Final = 0.5
"""A run beside a purge keeps at least as much of its speed: one disk, and with SQLite one writer, serve them both."""
OLD_NAME: Final = "old"
_OF: Final = (
    "FROM jobs JOIN runs ON runs.id = jobs.run_id JOIN campaigns ON campaigns.id = runs.campaign_id "
    "WHERE campaigns.name = :name"
)
_OF_OLD: Final = text(f"SELECT count(*) {_OF}")
_TAKEN: Final = text(f"SELECT count(*) {_OF} AND jobs.state = 'accepted'")
_LONG_OVER: Final = (
    "UPDATE jobs SET state = 'read', attempts = 1, form = 'template', accepted_at = :at, sent_at = :at, "
    "delivered_at = :at, read_at = :at, due_at = :at, updated_at = :at, "
    "provider_message_id = 'wamid.' || CAST(id AS TEXT)",
    "INSERT INTO attempts (job_id, run_id, number, call, lane, epoch, intent_at, content, ended_at, outcome) "
    "SELECT id, run_id, 1, 'call' || CAST(id AS TEXT), lane, 1, :at, '{}', :at, 'accepted' FROM jobs",
    "INSERT INTO events (job_id, at, stored_at, source, event) SELECT jobs.id, :at, :at, 'webhook', name FROM jobs, "
    "(SELECT 'sending' AS name UNION ALL SELECT 'accepted' UNION ALL SELECT 'sent' UNION ALL SELECT 'delivered' "
    "UNION ALL SELECT 'read') AS names",
    "UPDATE runs SET state = 'completed', launched_at = :at, ended_at = :at",
    "UPDATE campaigns SET state = 'completed', updated_at = :at",
)


def report(size: int = OLD) -> bool:
    """Print every figure; whether each bar is met."""
    well = True
    with stub_server() as stub:
        for kind in DATABASES:
            done = measured("purging", size, kind, stub.port)
            print(f"purge of {size:,} messages a year old, beside a runner, on {kind}")
            show("sending alone", [done["alone"]], "msg/s", digits=0)
            show("sending beside the purge", [done["beside"]], "msg/s", digits=0)
            well &= show("beside against alone", [done["beside"] / done["alone"]], at_least=HELD_BAR)
            show("purged beside it", [done["purged_per_second"]], "jobs/s", digits=0)
    return well


async def _measure(size: int, kind: str, port: int) -> dict[str, float]:
    with DATABASES[kind]() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await _make_old(engine, size)
        accounts = {ACCOUNT: meta_account(port, Path(folder))}
        alone, _ = await _send(engine, accounts, "alone")
        with _purging(url):
            beside, purged = await _send(engine, accounts, "beside")
        await engine.dispose()
    return {"alone": alone, "beside": beside, "purged_per_second": purged}


async def _make_old(engine: Engine, size: int) -> None:
    """A campaign of that size of which everything is over."""
    await store(engine, campaign(OLD_NAME), size)
    await launch_due(engine)
    async with writing(engine) as connection:
        for statement in _LONG_OVER:
            await connection.execute(text(statement), {"at": to_millis(utc_now() - YEAR)})
    await free_space(engine)


async def _send(engine: Engine, accounts: Mapping[str, AccountSettings], name: str) -> tuple[float, float]:
    """A campaign from its launch to its last outcome: messages a second, and old jobs that went in each of them."""
    await store(engine, campaign(name), SENT)
    before = await _count(engine, _OF_OLD)
    began = perf_counter()
    await run(engine, accounts, until_idle=True, wait_receipts=timedelta())
    seconds = perf_counter() - began
    purged = before - await _count(engine, _OF_OLD)
    if await _count(engine, _TAKEN, name) != SENT:
        raise RuntimeError("not all were sent")
    return SENT / seconds, purged / seconds


async def _count(engine: Engine, query: TextClause, name: str = OLD_NAME) -> int:
    async with reading(engine) as connection:
        return int(await connection.scalar(query, {"name": name}))


@contextmanager
def _purging(url: str) -> Iterator[None]:
    """A purge in a process of its own, begun when the first jobs have gone."""
    command = [sys.executable, "-m", "benchmarks.purging", url]
    purge = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert purge.stdout is not None
        purge.stdout.readline()
        yield
    finally:
        purge.kill()
        purge.wait()


async def _purge(url: str) -> None:
    engine = open_engine(url)
    now = utc_now()
    await carry_out(engine, await plan_purge(engine, now, YEAR / 2), now, partial(print, flush=True))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [url]:
            run_loop(_purge(url))
        case [size, kind, port]:
            logging.disable(logging.WARNING)  # a sweep that is late says so
            print(json.dumps(run_loop(_measure(int(size), kind, int(port)))))
