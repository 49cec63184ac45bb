"""Sending against its limits, in the same run: `python -m benchmarks sending`.

Whole: an embedded run on SQLite, from the first intent kept to the last outcome kept, with its launch, rules, HTTP and
writes. Limits: the same requests in a bare loop through our own HTTP seam, through httpx over httpx-aiohttp, and through
aiohttp alone. All go to the same process that answers at once; each is alone in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import aiohttp
import httpx
import psutil
from sqlalchemy import func, select

from app.running import run_loop
from benchmarks.seeding import campaign, meta_account, new_database, store
from benchmarks.stub import stub_server
from campaigns.content import Content
from campaigns.templates import Renderer
from providers.base import Call
from providers.http import JSON_HEADERS, Request
from scheduler.lanes import Account, open_account
from scheduler.runner import run
from storage.engine import Engine, open_engine, reading
from storage.tables import attempts, events

CONCURRENT: Final = 100
Send = Callable[[Request], Awaitable[int]]


async def whole(port: int, size: int) -> dict[str, float]:
    with new_database() as url, TemporaryDirectory() as folder:
        engine = open_engine(url)
        await store(engine, campaign(), size)
        account = meta_account(port, Path(folder))
        worked = psutil.Process().cpu_times()
        await run(engine, {"meta": account}, until_idle=True, wait_receipts=timedelta())
        used = psutil.Process().cpu_times()
        seconds = await _sending_seconds(engine, size)
        await engine.dispose()
    cpu = used.user + used.system - worked.user - worked.system
    return {"per_second": size / seconds, "cpu_us": 1e6 * cpu / size, **_memory()}


async def _sending_seconds(engine: Engine, size: int) -> float:
    """From the first intent to the last outcome that was stored. Raises RuntimeError where one is missing."""
    taken = select(func.count(), func.max(events.c.stored_at)).where(events.c.event == "accepted")
    async with reading(engine) as connection:
        begun = await connection.scalar(select(func.min(attempts.c.intent_at)))
        number, ended = (await connection.execute(taken)).one()
    if number != size or begun is None:
        raise RuntimeError(f"{number} of {size} were sent")
    return float((ended - begun).total_seconds())


def _memory() -> dict[str, float]:
    return {"rss_mb": psutil.Process().memory_info().rss / 2**20}


async def bare(port: int, size: int, kind: str) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        account = open_account("meta", meta_account(port, Path(folder)))
        requests = _requests(account, size)
        worked = psutil.Process().cpu_times()
        began = perf_counter()
        await {"seam": _seam, "httpx": _httpx, "aiohttp": _aiohttp}[kind](account, requests)
        seconds = perf_counter() - began
        used = psutil.Process().cpu_times()
        await account.http.aclose()
    cpu = used.user + used.system - worked.user - worked.system
    return {"per_second": size / seconds, "cpu_us": 1e6 * cpu / size}


def _requests(account: Account, size: int) -> Iterator[Request]:
    """What the adapter builds, one after the other."""
    renderer = Renderer(campaign().content)
    sender = account.settings.senders[0]
    contents: list[Content] = [renderer.render({"first_name": "Ada", "code": f"SPRING{n}"}) for n in range(100)]
    calls = [Call(sender, (f"+44{7_100_000_000 + n}",), contents[n], references=(f"{n:016x}.{n}",)) for n in range(100)]
    return (account.adapter.build(calls[n % 100]) for n in range(size))


async def _seam(account: Account, requests: Iterator[Request]) -> None:
    async def send(request: Request) -> int:
        reply = await account.http.exchange(request)
        return getattr(reply, "status", 0)

    await _loop(requests, send)


async def _httpx(account: Account, requests: Iterator[Request]) -> None:
    from httpx_aiohttp import AiohttpTransport

    async with httpx.AsyncClient(transport=AiohttpTransport(), headers=account.adapter.credentials()) as client:

        async def send(request: Request) -> int:
            answer = await client.post(request.url, headers=JSON_HEADERS, content=request.content)
            return answer.status_code

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


def measure(kind: str, port: int, size: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.sending", kind, str(port), str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main(arguments: list[str]) -> None:
    kind, port, size = arguments[0], int(arguments[1]), int(arguments[2])
    work: Any = whole(port, size) if kind == "whole" else bare(port, size, kind)
    print(json.dumps(run_loop(work)))


if __name__ == "__main__":
    main(sys.argv[1:])
