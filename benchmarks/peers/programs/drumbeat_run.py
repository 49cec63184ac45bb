"""Drumbeat itself: `fill` stores a campaign, `work` runs it; on SQLite or PostgreSQL, by the URL."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks.seeding import ACCOUNT, campaign, meta_account, store
from scheduler.clock.runner import run
from storage.database.engine import open_engine
from terminal.running import run_loop


async def fill(size: int) -> None:
    engine = open_engine(os.environ["PEER_URL"])
    await store(engine, campaign(), size)
    await engine.dispose()


async def work() -> None:
    engine = open_engine(os.environ["PEER_URL"])
    port = urlsplit(os.environ["PEER_ADDRESS"]).port
    assert port is not None
    with TemporaryDirectory() as folder:
        accounts = {ACCOUNT: meta_account(port, Path(folder))}
        await run(engine, accounts, until_idle=True, wait_receipts=timedelta())
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    run_loop(fill(int(sys.argv[3])) if sys.argv[1] == "fill" else work())
