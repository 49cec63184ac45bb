"""Webhooks against their bare limits, in the same run: `python -m benchmarks.webhooks [URL]`.

Ingress: verified on the raw body and durable before the 200, against a route of the same server that reads the body and
answers 200; one process posts to both in turn, another serves. Memory: taken in and applied, as `drumbeat serve` does
both. Reconciliation: see `benchmarks.reconciliation`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection as Pipe
from typing import Final

import psutil
import uvicorn
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.wiring.settings import Settings
from benchmarks import reconciliation
from benchmarks.posting import Posted, Poster, hooked_accounts
from benchmarks.reconciliation import child, store_accepted
from benchmarks.seeding import ACCOUNT, new_database
from scheduler.sending.lanes import open_account
from storage.database.engine import open_engine, reading
from storage.database.schema import upgrade
from storage.tables.receipts import webhooks
from terminal.running import run_loop
from web.server import serving
from web.webhooks.ingress import create_app

INGRESS_BARS: Final = {1: 0.3, 100: 0.3}
"""By the statuses in one POST. With h11 the bare route took twice as long, and the bar of 100 was 0.5."""
RECONCILIATION_BARS: Final = {100: 0.3, 1: 0.3}
GROWTH_BAR_MB: Final = 16
ROUNDS: Final = 9
ROUND_SECONDS: Final = 0.7
"""Short, and in turn: whatever else the machine does meets both routes alike."""
EVENTS: Final = 20_000
"""In one round of reconciliation."""
MEMORY_EVENTS: Final = 200_000
STEP: Final = 20_000
WARM_UP: Final = 2
"""Steps after which memory should not grow any more."""
BARE: Final = "/bare"
HOOK: Final = f"/webhooks/{ACCOUNT}"


def report(url: str | None = None) -> bool:
    """Print every figure; whether each bar is met."""
    print("webhooks: verified on the raw body and durable before the 200, over 64 connections")
    print("  against a route of the same server that reads the body and answers 200")
    well = [_ingress_line(per_post, bar, url) for per_post, bar in INGRESS_BARS.items()]
    print("webhooks: stored ones read, matched, ranked and written with the jobs' histories, in events")
    print("  against one bulk UPDATE of as many jobs, keyed by the same message ids")
    well += [_reconciliation_line(per_post, bar, url) for per_post, bar in RECONCILIATION_BARS.items()]
    print(f"webhooks: memory of the server, {MEMORY_EVENTS:,} events taken in and applied")
    first, last = memory(url)
    grown = f"growth {last - first:.1f} MB  (below {GROWTH_BAR_MB})"
    print(f"  {grown}, from {first:.0f} MB after {STEP * WARM_UP:,}")
    return all(well) and last - first < GROWTH_BAR_MB


def _ingress_line(per_post: int, bar: float, url: str | None) -> bool:
    done = ingress(per_post, url)
    busy = max(each["busy"] for each in done)
    return _line(
        f"{per_post:3} a POST", done, bar, "POSTs/s", f"; the poster's processor at most {busy:.0%} busy"
    )


def _reconciliation_line(per_post: int, bar: float, url: str | None) -> bool:
    done = reconciliation.measure(per_post, EVENTS, url)
    processor = statistics.median(each["by_processor"] for each in done)
    remark = "" if url else f"; by processor time {processor:.2f}"
    return _line(f"{per_post:3} a POST", done, bar, "events/s", remark)


def _line(name: str, done: Sequence[Mapping[str, float]], bar: float, unit: str, remark: str = "") -> bool:
    ratios = sorted(each["ratio"] for each in done)
    bare, full = (statistics.median(each[which] for each in done) for which in ("bare", "full"))
    ratio = statistics.median(ratios)
    spread = f"(min {ratios[0]:.2f}, max {ratios[-1]:.2f}; at least {bar})"
    print(f"  {name}   ratio {ratio:.2f}  {spread}  {full:,.0f} of {bare:,.0f} {unit}{remark}", flush=True)
    return ratio >= bar


def ingress(per_post: int, url: str | None = None) -> list[dict[str, float]]:
    """Rounds of both routes in turn: POSTs per second of both, `ratio`, and how busy the poster was.

    Raises RuntimeError unless every POST that was answered is stored.
    """
    numbers = range(100 * per_post if per_post > 1 else 1_000)
    done = []
    with new_database() as fresh, Poster() as poster, child(_serve_ingress, url or fresh) as (pipe, _):
        port = pipe.recv()
        stored = run_loop(_count(url or fresh, new=False))
        taken = 0
        for seconds in (ROUND_SECONDS / 4, *[ROUND_SECONDS] * ROUNDS):
            bare = poster.post(port, BARE, numbers, per_post, seconds)
            full = poster.post(port, HOOK, numbers, per_post, seconds)
            done.append(_compared(bare, full))
            taken += full.answered
        if run_loop(_count(url or fresh, new=False)) - stored != taken:
            raise RuntimeError("not all that was answered is stored")
    return done[1:]


def _compared(bare: Posted, full: Posted) -> dict[str, float]:
    return {
        "ratio": full.per_second / bare.per_second,
        "bare": bare.per_second,
        "full": full.per_second,
        "busy": max(bare.busy, full.busy),
    }


def _serve_ingress(url: str, pipe: Pipe) -> None:
    run_loop(_ingress_and_bare(url, pipe))


async def _ingress_and_bare(url: str, pipe: Pipe) -> None:
    """What arrives is not applied: that is measured by itself."""
    engine = open_engine(url)
    await upgrade(engine)
    account = open_account(ACCOUNT, hooked_accounts()[ACCOUNT])
    app = create_app(engine, {ACCOUNT: account})
    app.router.routes.insert(0, Route(BARE, _bare, methods=["POST"]))
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    await closed(pipe)
    server.should_exit = True
    await task
    await account.http.aclose()
    await engine.dispose()


async def _bare(request: Request) -> Response:
    await request.body()
    return Response(status_code=200)


async def closed(pipe: Pipe) -> None:
    """Returns once the other end is closed."""
    try:
        await asyncio.to_thread(pipe.recv)
    except EOFError:
        return


def memory(url: str | None = None) -> tuple[float, float]:
    """Resident megabytes of a server after the warm-up and at the end, all events applied each time."""
    with new_database() as fresh, Poster() as poster, child(_serve, url or fresh) as (pipe, process_id):
        port = pipe.recv()
        process = psutil.Process(process_id)
        resident = []
        for start in range(0, MEMORY_EVENTS, STEP):
            poster.post(port, HOOK, range(start, start + STEP), per_post=100)
            run_loop(_all_applied(url or fresh))
            resident.append(process.memory_info().rss / 2**20)
    return resident[WARM_UP - 1], resident[-1]


def _serve(url: str, pipe: Pipe) -> None:
    run_loop(_whole_server(url, pipe))


async def _whole_server(url: str, pipe: Pipe) -> None:
    engine = open_engine(url)
    await store_accepted(engine, MEMORY_EVENTS)
    async with serving(engine, Settings(url, hooked_accounts()), "127.0.0.1", 0) as address:
        pipe.send(int(address.rpartition(":")[2]))
        await closed(pipe)
    await engine.dispose()


async def _all_applied(url: str) -> None:
    while await _count(url, new=True):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _count(url: str, *, new: bool) -> int:
    """How many webhooks are stored, or are stored and not applied yet."""
    engine = open_engine(url)
    counted = select(func.count()).select_from(webhooks)
    async with reading(engine) as connection:
        found = await connection.scalar(counted.where(webhooks.c.processed_at.is_(None)) if new else counted)
    await engine.dispose()
    return found or 0


if __name__ == "__main__":
    sys.exit(not report(*sys.argv[1:2]))
