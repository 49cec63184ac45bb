"""Sending against its limits, in the same run: `python -m benchmarks sending`.

Whole: an embedded run on SQLite, from the first intent kept to the last outcome kept: claim, rules, intents, HTTP,
outcomes. Limits: the same requests in a bare loop through our own HTTP seam, through httpx with httpx-aiohttp below it,
and through aiohttp alone; and in a loop that keeps its calls as never sending twice demands, and does nothing else. All
go to the same process that answers at once, and each is alone in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import aiohttp
import httpx
import orjson
import psutil
from sqlalchemy import create_engine, func, select

from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, campaign, meta_account, new_database, phone, store
from benchmarks.stub import stub_server
from campaigns.message.templates import Renderer
from providers.adapter import Call
from providers.http.client import JSON_HEADERS, Answer
from providers.http.request import Request
from scheduler.clock.runner import run
from scheduler.sending.lanes import Account, open_account
from scheduler.sending.pacing import LARGEST_SLICE
from storage.database.engine import Engine, open_engine, reading
from storage.tables.runs import attempts, events
from terminal.running import run_loop

SIZE: Final = 10_000
TIMES: Final = 5
CONCURRENT: Final = 100
HTTPX_BAR: Final = 0.8
AIOHTTP_BAR: Final = 0.55
LANE_BAR: Final = 1_000
MEMORY_SIZE: Final = 50_000
MEMORY_BAR_MB: Final = 300
GROWTH_BAR_MB: Final = 30
"""Of the second half of a run, the half in which everything has been met once."""
_BEGUN: Final = """
    INSERT INTO attempts (job_id, number, run_id, call, lane, epoch, intent_at, content)
    SELECT value ->> 0, 1, 1, value ->> 1, 'meta/shop', 1, 1, value ->> 2 FROM json_each(?)
"""
_ENDED: Final = """
    UPDATE attempts SET ended_at = 2, outcome = 'accepted', http_status = 200, latency_ms = 1
    WHERE job_id IN (SELECT value FROM json_each(?))
"""
Send = Callable[[Request], Awaitable[int]]


def report(size: int = SIZE) -> bool:
    """Print every figure; whether each bar is met."""
    kinds = ("aiohttp", "httpx", "seam", "promise", "whole")
    done: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with stub_server() as stub:
        for _ in range(TIMES):
            for kind in kinds:
                done[kind].append(measured("sending", kind, stub.port, size))
    speed = {kind: [each["per_second"] for each in done[kind]] for kind in kinds}
    print(f"sending {size:,} messages: claim, rules with a cap, intents, HTTP, outcomes; SQLite, one lane")
    well = [
        show("against a loop over httpx on aiohttp", _ratios(speed, "httpx"), at_least=HTTPX_BAR),
        show("against a loop over aiohttp alone", _ratios(speed, "aiohttp"), at_least=AIOHTTP_BAR),
        show("against a loop over our own connections", _ratios(speed, "seam")),
        show("against a loop that keeps its calls", _ratios(speed, "promise")),
        show("whole", speed["whole"], "msg/s", at_least=LANE_BAR, digits=0),
    ]
    for kind in ("promise", "seam", "httpx", "aiohttp"):
        show(f"loop: {kind}", speed[kind], "req/s", digits=0)
    for kind in ("whole", "promise", "seam"):
        show(f"processor time, {kind}", [each["cpu_us"] for each in done[kind]], "us/msg", digits=0)
    return all(well)


def _ratios(speed: dict[str, list[float]], limit: str) -> list[float]:
    return [full / bare for full, bare in zip(speed["whole"], speed[limit], strict=True)]


def report_memory(size: int = MEMORY_SIZE) -> bool:
    """Print how much memory a run takes and whether that grows with it; whether both bars are met."""
    with stub_server() as stub:
        used = measured("sending", "memory", stub.port, size)
    print(f"memory of the runner over {size:,} messages")
    return all(
        (
            show("peak", [used["peak_mb"]], "MB", below=MEMORY_BAR_MB, digits=0),
            show("growth over the second half", [used["growth_mb"]], "MB", below=GROWTH_BAR_MB, digits=1),
        )
    )


async def whole(port: int, size: int) -> dict[str, float]:
    """A run from an empty database to the last message; messages a second, and processor time for each."""
    with new_database() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await store(engine, campaign(), size)
        accounts = {ACCOUNT: meta_account(port, Path(folder))}
        began = time.process_time()
        await run(engine, accounts, until_idle=True, wait_receipts=timedelta())
        busy = time.process_time() - began
        seconds = await sending_seconds(engine, size)
        await engine.dispose()
    return {"per_second": size / seconds, "cpu_us": 1e6 * busy / size}


async def memory(port: int, size: int) -> dict[str, float]:
    """What the process held, looked at every second."""
    seen: list[float] = []
    looking = asyncio.create_task(_look(seen))
    await whole(port, size)
    looking.cancel()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb": peak, "growth_mb": max(seen[len(seen) // 2 :]) - seen[len(seen) // 2]}


async def _look(seen: list[float]) -> None:
    process = psutil.Process()
    with suppress(asyncio.CancelledError):
        while True:
            seen.append(process.memory_info().rss / 2**20)
            await asyncio.sleep(1)


async def sending_seconds(engine: Engine, size: int) -> float:
    """From the first intent to the last outcome. Raises RuntimeError where one is missing."""
    taken = select(func.count(), func.max(events.c.stored_at)).where(events.c.event == "accepted")
    async with reading(engine) as connection:
        begun = await connection.scalar(select(func.min(attempts.c.intent_at)))
        number, ended = (await connection.execute(taken)).one()
    if number != size or begun is None:
        raise RuntimeError(f"{number} of {size} were sent")
    return float((ended - begun).total_seconds())


async def bare(port: int, size: int, kind: str) -> dict[str, float]:
    """The requests of so many messages and nothing else."""
    loops = {"promise": _promise, "seam": _seam, "httpx": _httpx, "aiohttp": _aiohttp}
    with TemporaryDirectory() as folder:
        account = open_account(ACCOUNT, meta_account(port, Path(folder)))
        requests = _requests(account, size)
        began, worked = time.perf_counter(), time.process_time()
        await loops[kind](account, requests)
        seconds, busy = time.perf_counter() - began, time.process_time() - worked
        await account.http.aclose()
    return {"per_second": size / seconds, "cpu_us": 1e6 * busy / size}


def _requests(account: Account, size: int) -> Iterator[Request]:
    """What the adapter builds, one after the other."""
    renderer, sender = Renderer(campaign().content), account.settings.senders[0]
    content = renderer.render({"first_name": "Ada", "code": "SPRING1"}, template=True)
    calls = (
        Call(sender, (phone(number),), content, references=(f"0123456789abcdef.{number}",))
        for number in range(size)
    )
    return map(account.adapter.build, calls)


async def _promise(account: Account, requests: Iterator[Request]) -> None:
    """What never sending twice takes and nothing else: the calls of a slice are in the database before they are made,
    and their ends after it, in the same transaction as the next slice. No rules, no messages, no history, no counts."""
    ended: list[int] = []
    numbered = enumerate(requests)

    async def send(number: int, request: Request) -> None:
        if not isinstance(await account.http.exchange(request), Answer):
            raise RuntimeError("the stub refused")
        ended.append(number)

    with TemporaryDirectory() as folder, closing(_calls_file(Path(folder, "calls.db"))) as database:
        piece = list(islice(numbered, LARGEST_SLICE))
        await asyncio.to_thread(_keep_calls, database, piece, [])
        while piece:
            following, done = list(islice(numbered, LARGEST_SLICE)), ended[:]
            ended.clear()
            keeping = asyncio.to_thread(_keep_calls, database, following, done)
            await asyncio.gather(keeping, *(send(*each) for each in piece))
            piece = following
        await asyncio.to_thread(_keep_calls, database, [], ended)


def _calls_file(path: Path) -> sqlite3.Connection:
    """A database with the table of calls alone, as durable as ours."""
    engine = create_engine(f"sqlite:///{path}")
    attempts.create(engine)
    engine.dispose()
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


def _keep_calls(database: sqlite3.Connection, begun: Sequence[tuple[int, Request]], ended: list[int]) -> None:
    rows = [[number, uuid4().hex, request.content.decode()] for number, request in begun]
    database.execute("BEGIN IMMEDIATE")
    database.execute(_BEGUN, [orjson.dumps(rows).decode()])
    database.execute(_ENDED, [orjson.dumps(ended).decode()])
    database.execute("COMMIT")


async def _seam(account: Account, requests: Iterator[Request]) -> None:
    async def send(request: Request) -> int:
        reply = await account.http.exchange(request)
        return reply.status if isinstance(reply, Answer) else 0

    await _loop(requests, send)


async def _httpx(account: Account, requests: Iterator[Request]) -> None:
    from httpx_aiohttp import AiohttpTransport

    headers = {**JSON_HEADERS, **account.adapter.credentials()}
    async with httpx.AsyncClient(transport=AiohttpTransport(), headers=headers) as client:

        async def send(request: Request) -> int:
            return (await client.post(request.url, content=request.content)).status_code

        await _loop(requests, send)


async def _aiohttp(account: Account, requests: Iterator[Request]) -> None:
    headers = {**JSON_HEADERS, **account.adapter.credentials()}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def send(request: Request) -> int:
            async with session.post(str(request.url), data=request.content) as answer:
                await answer.read()
            return answer.status

        await _loop(requests, send)


async def _loop(requests: Iterator[Request], send: Send) -> None:
    async def work() -> None:
        for request in requests:
            if await send(request) != 200:
                raise RuntimeError("the stub refused")

    await asyncio.gather(*(work() for _ in range(CONCURRENT)))


def main(kind: str, port: int, size: int) -> None:
    """One measurement, for the process that asked for it."""
    logging.disable(logging.WARNING)  # a sweep that is late says so
    match kind:
        case "whole":
            figures = run_loop(whole(port, size))
        case "memory":
            figures = run_loop(memory(port, size))
        case _:
            figures = run_loop(bare(port, size, kind))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
