"""What viewers take from sending: `python -m benchmarks pages`.

A saturated sender is watched by 20 viewers in the process that sends, while one uploads 20 MB; the limit is the same
run without them. How quickly each page answers beside a large campaign is asked in `benchmarks.jobs`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import httpx

from app.actions.users import accept_invitation, first_invitation
from app.wiring.settings import Settings
from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, campaign, meta_account, new_database, phone, store
from benchmarks.sending import sending_seconds
from benchmarks.stub import stub_server
from scheduler.clock.runner import run
from storage.database.engine import Engine, open_engine
from terminal.running import run_loop
from web.pages.app import pages_app
from web.pages.guard import LIVE, SESSION
from web.server import serving

ROUNDS: Final = 3
SENT: Final = 20_000
RATE: Final = "1000/s"
"""The highest throughput that a WhatsApp number gets: its sender is saturated."""
VIEWERS: Final = 20
LOOKS_EVERY: Final = 3.0
"""Seconds, as a live page does."""
UPLOAD_MB: Final = 20
HELD_BAR: Final = 0.95
PAGE_BAR: Final = 0.1
"""Seconds at the median."""
ASKED: Final = 9
LIVE_PAGES: Final = ("/today/live", "/campaigns", f"/campaigns/{campaign().name}/live", "/senders/live")
PAGES: Final = (
    "/",
    "/campaigns",
    f"/campaigns/{campaign().name}",
    f"/campaigns/{campaign().name}/live",
    f"/campaigns/{campaign().name}/people",
    f"/campaigns/{campaign().name}/people?state=delivered",
    f"/campaigns/{campaign().name}/people?state=pending",
    f"/campaigns/{campaign().name}/people?state=failed",
    f"/campaigns/{campaign().name}/people/PHONE",
    "/senders",
    "/costs",
    "/audit",
)


def report() -> bool:
    """Print every figure; whether the bar is met."""
    print(
        f"sending {SENT:,} messages at {RATE}, beside {VIEWERS} viewers and an upload of {UPLOAD_MB} MB; SQLite"
    )
    with stub_server() as stub:
        pairs = [
            [measured("pages", kind, SENT, stub.port)["per_second"] for kind in ("alone", "watched")]
            for _ in range(ROUNDS)
        ]
    show("alone", [alone for alone, _ in pairs], "msg/s", digits=0)
    watched = [beside / alone for alone, beside in pairs]
    return show("watched against alone", watched, at_least=HELD_BAR)


def show_pages(times: Mapping[str, float]) -> bool:
    """Print each page's seconds; whether all meet the bar."""
    well = [show(page, [seconds], "s", below=PAGE_BAR, digits=3) for page, seconds in times.items()]
    return all(well)


async def answers(engine: Engine, settings: Settings, person: str) -> dict[str, float]:
    """Seconds until each page is there, read anew each time: the median of several. `person`: whose page is one."""
    return {page: await _seconds(engine, settings, page.replace("PHONE", person)) for page in PAGES}


async def _seconds(engine: Engine, settings: Settings, page: str) -> float:
    took = []
    session = await admin_session(engine)
    for _ in range(ASKED):
        # A new server each time: none answers from what it has read for another viewer.
        transport = httpx.ASGITransport(pages_app(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            client.cookies.set(SESSION, session)
            began = perf_counter()
            answer = await client.get(page)
            took.append(perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{page}: {answer.status_code}")
    return statistics.median(took)


_SESSIONS: Final[dict[str, str]] = {}


async def admin_session(engine: Engine) -> str:
    """A logged-in admin's; one for each database."""
    url = str(engine.url)
    if url not in _SESSIONS:
        token = await first_invitation(engine)
        if token is None:
            raise RuntimeError("somebody was there before")
        _SESSIONS[url] = await accept_invitation(
            engine, token, "bench", "the password of benchmarks", "127.0.0.1"
        )
    return _SESSIONS[url]


async def sent(size: int, port: int, *, watched: bool) -> dict[str, float]:
    """Messages per second of a run in the process that serves the pages."""
    with new_database() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await store(engine, campaign(), size)
        account = meta_account(port, Path(folder), rate=RATE)
        settings = Settings(url, {ACCOUNT: account})
        async with serving(engine, settings, "127.0.0.1", 0, pages=True) as address:
            session = await admin_session(engine)
            crowd = await _crowd(address, session) if watched else None
            await run(engine, settings.accounts, until_idle=True, wait_receipts=timedelta())
            if crowd is not None:
                crowd.terminate()
                await crowd.wait()
        seconds = await sending_seconds(engine, size)
        await engine.dispose()
    return {"per_second": size / seconds}


async def _crowd(address: str, session: str) -> asyncio.subprocess.Process:
    """The viewers, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.pages", "crowd", address, session]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)


async def crowd(address: str, session: str) -> None:
    """Look at the live pages until terminated, and upload a list once."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        client.cookies.set(SESSION, session)
        await asyncio.gather(_upload(client), *(_look(client, number) for number in range(VIEWERS)))


async def _look(client: httpx.AsyncClient, number: int) -> None:
    await asyncio.sleep(LOOKS_EVERY * number / VIEWERS)
    while True:
        answer = await client.get(LIVE_PAGES[number % len(LIVE_PAGES)], headers={LIVE: "1"})
        answer.raise_for_status()
        await asyncio.sleep(LOOKS_EVERY)


async def _upload(client: httpx.AsyncClient) -> None:
    await asyncio.sleep(2)
    own = {"sec-fetch-site": "same-origin"}
    made = await client.post("/campaigns/new", data={"name": "uploaded"}, headers=own)
    files = {"list": ("people.csv", b"".join(_rows()), "text/csv")}
    answer = await client.post(f"{made.headers['location'].rstrip('/')}", files=files, headers=own)
    if answer.status_code >= 400:
        raise RuntimeError(f"the upload: {answer.status_code}")


def _rows() -> Iterator[bytes]:
    yield b"phone,first_name,note\n"
    size = 0
    for number in range(10_000_000):
        row = f"{phone(number)},Ada,{'something to read ' * 3}\n".encode()
        size += len(row)
        if size > UPLOAD_MB * 2**20:
            return
        yield row


def main(kind: str, *arguments: str) -> None:
    """One measurement, for the process that asked for it."""
    logging.disable(logging.WARNING)
    match kind:
        case "crowd":
            run_loop(crowd(*arguments))
            return
        case _:
            figures = run_loop(sent(int(arguments[0]), int(arguments[1]), watched=kind == "watched"))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
