"""The memory of `drumbeat up` while pages are looked at again and again: does it stay flat?

`python -m benchmarks polling`: as many looks as twenty viewers take in a quarter of an hour, as fast as they are
answered; `--large`: twenty viewers, an hour long, each as often as a live page looks.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

import httpx
import psutil

from benchmarks.figures import show
from benchmarks.pages import LOOKS_EVERY, VIEWERS, admin_session
from benchmarks.seeding import ACCOUNT, SENDER, campaign, store
from benchmarks.stub import stub_server
from storage.database.engine import open_engine
from terminal.running import run_loop
from web.pages.guard import LIVE, SESSION

SIZE: Final = 10_000
"""Messages; more than are sent meanwhile, so that the pages change all the time."""
NAME: Final = campaign().name
PAGES: Final = (
    "/",
    "/today/live",
    "/campaigns",
    f"/campaigns/{NAME}",
    f"/campaigns/{NAME}/live",
    f"/campaigns/{NAME}/people",
    f"/campaigns/{NAME}/report",
    "/senders/live",
    "/costs",
)
LOOKS: Final = 6_000
HOUR: Final = 3600.0
"""Seconds."""
SAMPLES: Final = 12
GROWTH_BAR: Final = 1.1
"""Memory at the end against that after a sixth of the looks, when every page was drawn often."""
SETTINGS: Final = """\
[database]
url = "sqlite:///drumbeat.db"
[providers.{account}]
adapter = "meta"
base_url = "http://127.0.0.1:{port}/v24.0"
api_key = "file:secret"
app_secret = "file:secret"
verify_token = "file:secret"
[[providers.{account}.senders]]
name = "{sender}"
phone_number_id = "106540352242922"
rate = "2/s"
"""


def report(*, hour: bool = False) -> bool:
    """Print the memory as it goes; whether it stays flat."""
    looks = int(HOUR / LOOKS_EVERY) * VIEWERS if hour else LOOKS
    print(
        f"memory of `drumbeat up` over {looks:,} looks of {VIEWERS} viewers" + (" in an hour" if hour else "")
    )
    sizes = run_loop(_sizes(looks, pause=LOOKS_EVERY if hour else 0.0))
    show("resident, from first to last", sizes, "MB", digits=0)
    return show("at the end against after a sixth", [sizes[-1] / sizes[1]], below=GROWTH_BAR)


async def _sizes(looks: int, pause: float) -> list[float]:
    """Resident megabytes of `up`, each time after another twelfth of the looks."""
    with stub_server() as stub, TemporaryDirectory(prefix="drumbeat-bench-") as folder:
        session = await _project(Path(folder), stub.port)
        async with _up(Path(folder)) as (up, address):
            return await _look(up, address, session, looks, pause)


async def _project(folder: Path, port: int) -> str:
    """Settings and a campaign that is due, in a folder; returns the session of its admin."""
    (folder / "drumbeat.toml").write_text(SETTINGS.format(account=ACCOUNT, port=port, sender=SENDER))
    (folder / "secret").write_text("the secret of the benchmarks")
    engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
    await store(engine, campaign(), SIZE)
    session = await admin_session(engine)
    await engine.dispose()
    return session


@asynccontextmanager
async def _up(folder: Path) -> AsyncIterator[tuple[psutil.Process, str]]:
    """`drumbeat up` in the folder, and where it answers."""
    command = [sys.executable, "-m", "cli", "up", "--port", "0"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid), await _address(folder / "log", process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _address(log: Path, process: asyncio.subprocess.Process) -> str:
    while process.returncode is None:
        for part in log.read_text().split():
            if part.startswith("http://127.0.0.1:"):
                return part.rstrip("/.,")
        await asyncio.sleep(0.1)
    raise RuntimeError(log.read_text())


async def _look(up: psutil.Process, address: str, session: str, looks: int, pause: float) -> list[float]:
    sizes: list[float] = []
    began, numbers = monotonic(), count()
    limits = httpx.Limits(max_connections=VIEWERS)

    async def viewer(client: httpx.AsyncClient, place: int) -> None:
        await asyncio.sleep(pause * place / VIEWERS)
        for number in numbers:
            if number >= looks:
                return
            answer = await client.get(PAGES[number % len(PAGES)], headers={LIVE: "1"})
            answer.raise_for_status()
            if (number + 1) % (looks // SAMPLES) == 0:
                sizes.append(up.memory_info().rss / 2**20)
                print(
                    f"  {monotonic() - began:6,.0f} s, {number + 1:7,} looks: {sizes[-1]:.0f} MB", flush=True
                )
            await asyncio.sleep(pause)

    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        client.cookies.set(SESSION, session)
        await asyncio.gather(*(viewer(client, place) for place in range(VIEWERS)))
    return sizes
