"""Webhooks against their bare limits, in the same run: `python -m benchmarks.webhooks [URL]`.

Ingress: verified and durable before the 200, against a route of the same server that reads the body and answers 200.
Reconciliation: stored webhooks read and applied, against one bulk keyed UPDATE that sets the same columns of as many
jobs. Memory: both at once, as `drumbeat serve` has them. The server, the poster and the reconciliation each have
their own process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import psutil
import uvicorn
from sqlalchemy import func, insert, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.running import run_loop
from app.serving import serving
from app.settings import Settings
from benchmarks.posting import CONNECTIONS, SECRET, SENT_AT, Posted, Poster, body, message_id
from campaigns.clock import utc_now
from providers.meta import MetaAccount
from scheduler.inbox import process_inbox
from scheduler.lanes import open_account
from storage.engine import Engine, is_sqlite, open_engine, reading, writing
from storage.inbox import Arrival, keep_webhooks
from storage.schema import upgrade
from storage.tables import campaigns, events, from_millis, imports, jobs, recipients, runs, webhooks
from web.ingress import create_app

ACCOUNT: Final = "meta"
ROUNDS: Final = 5
ROUND_SECONDS: Final = 2.0
EVENTS: Final = 20_000
"""In one round of reconciliation."""
MEMORY_EVENTS: Final = 200_000
WARM_UP: Final = 40_000


def accounts() -> dict[str, MetaAccount]:
    os.environ["DRUMBEAT_BENCH_SECRET"] = SECRET
    secret = "env:DRUMBEAT_BENCH_SECRET"
    sender = {"name": "shop", "phone_number_id": "106540352242922"}
    values = {"adapter": "meta", "api_key": secret, "app_secret": secret, "senders": [sender]}
    return {ACCOUNT: MetaAccount.model_validate(values)}


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    with TemporaryDirectory(prefix="drumbeat-bench-") as folder:
        yield url or f"sqlite:///{folder}/hooks.db"


# --- ingress ---------------------------------------------------------------------------------------------------------


def ingress(url: str, poster: Poster, per_post: int) -> list[dict[str, Any]]:
    """Rounds of both routes in turn."""
    numbers = range(10_000 if per_post > 1 else 1_000)
    done = []
    with _server(_serve_ingress, url) as (port, _):
        for path in ("/bare", f"/webhooks/{ACCOUNT}"):
            poster.post(port, path, numbers, per_post, ROUND_SECONDS / 4)
        before = run_loop(_stored(url))
        for _ in range(ROUNDS):
            bare = poster.post(port, "/bare", numbers, per_post, ROUND_SECONDS)
            full = poster.post(port, f"/webhooks/{ACCOUNT}", numbers, per_post, ROUND_SECONDS)
            done.append(_ratio(bare, full))
        kept = run_loop(_stored(url)) - before
    assert kept == sum(each["answered"] for each in done)
    return done


def _ratio(bare: Posted, full: Posted) -> dict[str, Any]:
    return {
        "ratio": full.per_second / bare.per_second,
        "bare": bare.per_second,
        "full": full.per_second,
        "busy": max(bare.busy, full.busy),
        "answered": full.answered,
    }


@contextmanager
def _server(target: Any, url: str) -> Iterator[tuple[int, psutil.Process]]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(url, theirs))
    process.start()
    try:
        yield ours.recv(), psutil.Process(process.pid)
    finally:
        ours.send("stop")
        process.join(30)


def _serve_ingress(url: str, pipe: Pipe) -> None:
    run_loop(_ingress_alone(url, pipe))


async def _ingress_alone(url: str, pipe: Pipe) -> None:
    engine = open_engine(url)
    account = open_account(ACCOUNT, accounts()[ACCOUNT])
    app = create_app(engine, {ACCOUNT: account})
    app.router.routes.insert(0, Route("/bare", _bare, methods=["POST"]))
    config = uvicorn.Config(app, port=0, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    await asyncio.to_thread(pipe.recv)
    server.should_exit = True
    await task
    await account.http.aclose()
    await engine.dispose()


async def _bare(request: Request) -> Response:
    await request.body()
    return Response(status_code=200)


async def _stored(url: str) -> int:
    engine = open_engine(url)
    async with reading(engine) as connection:
        count = await connection.scalar(select(func.count()).select_from(webhooks))
    await engine.dispose()
    return count or 0


# --- reconciliation --------------------------------------------------------------------------------------------------


async def seed(engine: Engine, count: int) -> None:
    """Jobs 0 to `count` - 1, each accepted under its message's id."""
    now = from_millis(SENT_AT * 1000)
    async with writing(engine) as connection:
        await connection.execute(insert(campaigns).values(id=1, name="bench", state="running", spec="{}", category="marketing", created_at=now, updated_at=now))
        await connection.execute(insert(imports).values(id=1, campaign_id=1, source="-", digest="-", rows=count, accepted=count, rejected=0, duplicates=0, detected="{}", created_at=now))
        await connection.execute(insert(runs).values(id=1, campaign_id=1, nominal_at=now, state="running", priority=0, spec="{}", jobs=count, launched_at=now))
        for start in range(0, count, 10_000):
            numbers = range(start, min(start + 10_000, count))
            await connection.execute(insert(recipients), [{"id": n + 1, "campaign_id": 1, "import_id": 1, "line": n, "phone": f"+4477{n:08}", "bucket": 0, "vars": "{}"} for n in numbers])
            await connection.execute(insert(jobs), [{"id": n + 1, "run_id": 1, "recipient_id": n + 1, "phone": f"+4477{n:08}", "lane": f"{ACCOUNT}/shop", "state": "accepted", "due_at": now, "attempts": 1, "form": "template", "provider_message_id": message_id(n), "accepted_at": now, "updated_at": now} for n in numbers])
            await connection.execute(insert(events), [{"job_id": n + 1, "at": now, "stored_at": now, "source": "shift", "event": "accepted"} for n in numbers])


def reconciliation(url: str, per_post: int) -> list[dict[str, Any]]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_reconcile_process, args=(url, per_post, theirs))
    process.start()
    done = ours.recv()
    process.join()
    return done


def _reconcile_process(url: str, per_post: int, pipe: Pipe) -> None:
    pipe.send(run_loop(_reconcile(url, per_post)))


async def _reconcile(url: str, per_post: int) -> list[dict[str, Any]]:
    engine = open_engine(url)
    account = open_account(ACCOUNT, accounts()[ACCOUNT])
    await seed(engine, EVENTS * 2 * (ROUNDS + 1))
    done = []
    for n in range(ROUNDS + 1):
        start = n * 2 * EVENTS
        bare = await _bare_update(engine, range(start, start + EVENTS))
        numbers = range(start + EVENTS, start + 2 * EVENTS)
        bodies = [body(numbers[s : s + per_post]) for s in range(0, EVENTS, per_post)]
        async with writing(engine) as connection:
            await connection.run_sync(keep_webhooks, [Arrival(ACCOUNT, utc_now(), "https://x/webhooks/meta", '{"content-type":"application/json"}', b) for b in bodies])
        began = perf_counter()
        assert await process_inbox(engine, {ACCOUNT: account}) == len(bodies)
        full = perf_counter() - began
        done.append({"ratio": bare / full, "bare": EVENTS / bare, "full": EVENTS / full})
    async with reading(engine) as connection:
        c = await connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.state=="delivered"))
        assert c == EVENTS*2*(ROUNDS+1), c
    await account.http.aclose()
    await engine.dispose()
    return done[1:]


async def _bare_update(engine: Engine, numbers: range) -> float:
    at = SENT_AT * 1000
    rows = [(at, at, n + 1) for n in numbers]
    ids = [n + 1 for n in numbers]
    began = perf_counter()
    async with writing(engine) as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        if is_sqlite(connection):
            await raw.executemany("UPDATE jobs SET state = 'delivered', delivered_at = ?, updated_at = ? WHERE id = ?", rows)
        else:
            async with raw.cursor() as cursor:
                await cursor.execute("UPDATE jobs SET state = 'delivered', delivered_at = t.at, updated_at = t.at FROM unnest(%s::bigint[], %s::bigint[]) AS t(id, at) WHERE jobs.id = t.id", (ids, [at] * len(ids)))
    return perf_counter() - began


# --- memory ----------------------------------------------------------------------------------------------------------


def _serve_all(url: str, pipe: Pipe) -> None:
    run_loop(_serve(url, pipe))


async def _serve(url: str, pipe: Pipe) -> None:
    engine = open_engine(url)
    async with serving(engine, Settings(url, accounts()), "127.0.0.1", 0) as address:
        pipe.send(int(address.rpartition(":")[2]))
        await asyncio.to_thread(pipe.recv)
    await engine.dispose()


def memory(url: str, poster: Poster) -> dict[str, Any]:
    run_loop(_seeded(url))
    seen = []
    with _server(_serve_all, url) as (port, process):
        began = perf_counter()
        for start in range(0, MEMORY_EVENTS, WARM_UP // 2):
            poster.post(port, f"/webhooks/{ACCOUNT}", range(start, start + WARM_UP // 2), 100)
            run_loop(_all_taken_up(url))
            seen.append(process.memory_info().rss / 2**20)
        took = perf_counter() - began
    return {"rss": seen, "growth": seen[-1] - seen[1], "per_second": MEMORY_EVENTS / took}


async def _seeded(url: str) -> None:
    engine = open_engine(url)
    await seed(engine, MEMORY_EVENTS)
    await engine.dispose()


async def _all_taken_up(url: str) -> None:
    engine = open_engine(url)
    while True:
        async with reading(engine) as connection:
            if not await connection.scalar(select(func.count()).select_from(webhooks).where(webhooks.c.processed_at.is_(None))):
                break
        await asyncio.sleep(0.05)
    await engine.dispose()


def show(name, rounds):
    r = sorted(x["ratio"] for x in rounds)
    print(name, f"{r[len(r)//2]:.2f} ({r[0]:.2f}-{r[-1]:.2f})", "bare", [round(x["bare"]) for x in rounds], "full", [round(x["full"]) for x in rounds], "busy", round(max(x.get("busy",0) for x in rounds),2), flush=True)

async def _up(url):
    e=open_engine(url); await upgrade(e); await e.dispose()

if __name__ == "__main__":
    what = sys.argv[1]
    with _database(sys.argv[2] if len(sys.argv)>2 else None) as url, Poster() as poster:
        run_loop(_up(url))
        if what == "i":
            for n in (1, 100): show(f"ingress {n}", ingress(url, poster, n))
        if what == "r": show("reconcile 100", reconciliation(url, 100))
        if what == "r1": show("reconcile 1", reconciliation(url, 1))
        if what == "m": print(memory(url, poster))
