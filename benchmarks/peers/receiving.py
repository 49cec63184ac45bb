"""`python -m benchmarks.peers.receiving`: webhooks received on PostgreSQL, beside a route of FastAPI and asyncpg that
only inserts.

Both have a database of one server, as durable as it comes, and are posted to in turn over 64 connections. Drumbeat's
own server verifies, packs and commits; neither interprets what arrives. Processor time is of the process that receives,
and of the PostgreSQL server.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Final

import psutil
import psycopg

from benchmarks.figures import show
from benchmarks.peers.processes import PROGRAMS, PYTHON, busy_seconds, end, wait_for
from benchmarks.posting import Poster, hooked_accounts
from benchmarks.reconciliation import child
from benchmarks.seeding import ACCOUNT, new_server
from benchmarks.webhooks import closed
from scheduler.sending.lanes import open_account
from storage.database.engine import open_engine
from storage.database.schema import upgrade
from terminal.running import run_loop
from web.server import _listening, _server
from web.webhooks.ingress import create_app

BARS: Final = {100: 2.0, 1: None}
"""By the statuses in one POST."""
ROUNDS: Final = 7
SECONDS: Final = 1.5
HOOK: Final = f"/webhooks/{ACCOUNT}"


@dataclass(frozen=True, slots=True)
class Receiver:
    port: int
    process: psutil.Process


def main() -> int:
    """1 where a bar is missed."""
    print("webhooks a second on PostgreSQL, against FastAPI and asyncpg with one INSERT each")
    with new_server() as url, _drumbeat(url) as ours, _fastapi(url) as theirs, Poster() as poster:
        met = [_compare(url, poster, ours, theirs, per_post) for per_post in BARS]
    return int(not all(met))


def _compare(url: str, poster: Poster, ours: Receiver, theirs: Receiver, per_post: int) -> bool:
    rounds = [[_measured(url, poster, one, per_post) for one in (ours, theirs)] for _ in range(1 + ROUNDS)][
        1:
    ]
    for name, done in zip(("Drumbeat", "FastAPI, asyncpg"), zip(*rounds, strict=True), strict=True):
        rate, process, server = (statistics.median(each) for each in zip(*done, strict=True))
        print(
            f"  {per_post:3} a POST  {name:18}{rate:7,.0f}/s, {process:5,.0f} us a POST, server {server:5,.0f} us"
        )
    ratios = [mine[0] / other[0] for mine, other in rounds]
    return show(f"{per_post} a POST, Drumbeat against it", ratios, at_least=BARS[per_post])


def _measured(url: str, poster: Poster, receiver: Receiver, per_post: int) -> tuple[float, float, float]:
    """POSTs a second; microseconds of processor time for each, of the receiver and of PostgreSQL."""
    server = _server_process(url)
    before = busy_seconds(receiver.process), busy_seconds(server)
    posted = poster.post(receiver.port, HOOK, range(100 * per_post), per_post, SECONDS)
    after = busy_seconds(receiver.process), busy_seconds(server)
    own, servers = (1e6 * (done - begun) / posted.answered for begun, done in zip(before, after, strict=True))
    return posted.per_second, own, servers


def _server_process(url: str) -> psutil.Process | None:
    with psycopg.connect(url) as connection:
        return psutil.Process(connection.info.backend_pid).parent()


@contextmanager
def _drumbeat(url: str) -> Iterator[Receiver]:
    with child(_serve, url) as (pipe, process_id):
        yield Receiver(pipe.recv(), psutil.Process(process_id))


@contextmanager
def _fastapi(url: str) -> Iterator[Receiver]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, str(PROGRAMS / "fastapi_webhooks.py"), str(port)]
    working = subprocess.Popen(command, env={**os.environ, "PEER_URL": url}, cwd=PROGRAMS)
    try:
        wait_for(port, "FastAPI")
        yield Receiver(port, psutil.Process(working.pid))
    finally:
        end(working)


def _serve(url: str, pipe: Pipe) -> None:
    run_loop(_receive(url, pipe))


async def _receive(url: str, pipe: Pipe) -> None:
    """The product's server with the webhooks alone; what arrives is not applied."""
    engine = open_engine(url)
    await upgrade(engine)
    account = open_account(ACCOUNT, hooked_accounts()[ACCOUNT])
    with _listening("127.0.0.1", 0) as listener:
        async with _server(create_app(engine, {ACCOUNT: account}), listener):
            pipe.send(listener.getsockname()[1])
            await closed(pipe)
    await account.http.aclose()
    await engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
