"""Many processes on one PostgreSQL: `python -m benchmarks workers`.

A campaign over two lanes, sent by one worker that has both, and by two that have one each; with a clock beside them,
and the server on the same machine. The queue: shifts that have nothing to do, from the clock's wake to their end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil
from sqlalchemy import func, select

from benchmarks.figures import measured, show
from benchmarks.seeding import ACCOUNT, campaign, database_seconds, meta_account, new_server, store
from benchmarks.stub import stub_server
from campaigns.time.clock import utc_now
from providers.meta.settings import MetaAccount
from scheduler.clock.runner import run
from scheduler.engines.procrastinate import Queue, install, open_queue, serve
from scheduler.engines.worker import work
from storage.database.engine import Engine, open_engine, reading
from storage.sending.lanes import DueLane
from storage.tables.runs import attempts
from terminal.running import run_loop

SIZE: Final = 10_000
TIMES: Final = 3
SENDERS: Final = ("shop", "office")
SHIFTS: Final = 300


def report(size: int = SIZE) -> bool:
    """Print every figure. There is no bar: how much faster two are is a matter of cores, which all share."""
    done: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with stub_server() as stub:
        for _ in range(TIMES):
            for count, each in done.items():
                each.append(_send(stub.port, size, count))
    with new_server() as url:
        overhead = [measured("workers", "shifts", url, 0)["shift_us"] for _ in range(TIMES)]
    speed = {count: [each["per_second"] for each in found] for count, found in done.items()}
    print(
        f"workers: {size:,} messages over two lanes; PostgreSQL on this machine, {psutil.cpu_count()} cores for all"
    )
    for count in done:
        show(f"{count} at work", speed[count], "msg/s", digits=0)
    scaling = [two / one for one, two in zip(speed[1], speed[2], strict=True)]
    show("processor time of a worker", [each["worker_us"] for each in done[1]], "us/msg", digits=0)
    show("processor time of the server", [each["server_us"] for each in done[1]], "us/msg", digits=0)
    show("the queue, for each shift", overhead, "us", digits=0)
    show("2 against 1", scaling)
    return True


def _send(port: int, size: int, count: int) -> dict[str, float]:
    """A campaign from its launch to its last outcome, by so many workers."""
    with new_server() as url:
        asyncio.run(_prepare(url, size))
        before = asyncio.run(_server_seconds(url))
        with _working(url, port, count) as workers:
            measured("workers", "clock", url, port)
            used = asyncio.run(_server_seconds(url)) - before
            busy = sum(map(_stopped, workers))
        seconds = asyncio.run(_sending_seconds(url, size))
    return {"per_second": size / seconds, "worker_us": 1e6 * busy / size, "server_us": 1e6 * used / size}


async def _prepare(url: str, size: int) -> None:
    engine = open_engine(url)
    await store(engine, campaign(senders=list(SENDERS)), size)
    await install(engine)
    await engine.dispose()


@contextmanager
def _working(url: str, port: int, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many workers, which share the two lanes evenly."""
    command = [sys.executable, "-m", "benchmarks.workers", str(len(SENDERS) // count), url, str(port)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _stopped(worker: subprocess.Popen[str]) -> float:
    """Stop it; the processor time that it took, in seconds."""
    worker.terminate()
    said, _ = worker.communicate(timeout=60)
    return float(json.loads(said)["busy_s"])


async def _server_seconds(url: str) -> float:
    engine = open_engine(url)
    seconds = await database_seconds(engine)
    await engine.dispose()
    return seconds


async def _sending_seconds(url: str, size: int) -> float:
    """From the first intent to the last answer. Raises RuntimeError where one is missing."""
    engine = open_engine(url)
    query = select(
        func.count(attempts.c.ended_at), func.min(attempts.c.intent_at), func.max(attempts.c.ended_at)
    )
    async with reading(engine) as connection:
        number, begun, ended = (await connection.execute(query)).one()
    await engine.dispose()
    if number != size:
        raise RuntimeError(f"{number} of {size} were sent")
    return float((ended - begun).total_seconds())


async def _clock(engine: Engine, accounts: dict[str, MetaAccount]) -> dict[str, float]:
    await run(engine, accounts, distributed=True, until_idle=True, wait_receipts=timedelta())
    return {}


async def _work(engine: Engine, accounts: dict[str, MetaAccount], places: int) -> dict[str, float]:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    began = time.process_time()
    await work(engine, accounts, concurrency=places, stop=stop)
    return {"busy_s": time.process_time() - began}


async def _shifts(engine: Engine) -> dict[str, float]:
    """What the queue takes for a shift, one lane after the other."""
    await install(engine)
    lanes = [f"{ACCOUNT}/{number}" for number in range(SHIFTS)]
    done, stop = 0, asyncio.Event()

    async def nothing(_lane: str) -> None:
        nonlocal done
        done += 1
        if done == SHIFTS:
            stop.set()

    async with open_queue(engine) as app:
        began = time.perf_counter()
        await Queue(engine, app, utc_now).wake([DueLane(lane, None, 0) for lane in lanes])
        await serve(app, nothing, lanes, concurrency=1, stop=stop)
        seconds = time.perf_counter() - began
    return {"shift_us": 1e6 * seconds / SHIFTS}


async def _child(kind: str, url: str, port: int) -> dict[str, float]:
    engine = open_engine(url)
    with TemporaryDirectory() as folder:
        accounts = {ACCOUNT: meta_account(port, Path(folder), names=SENDERS)}
        match kind:
            case "shifts":
                figures = await _shifts(engine)
            case "clock":
                figures = await _clock(engine, accounts)
            case _:
                figures = await _work(engine, accounts, int(kind))
    await engine.dispose()
    return figures


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # a sweep that is late says so
    print(json.dumps(run_loop(_child(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
