"""`python -m benchmarks.peers [NAME...]`: the same 10,000 messages to the same stub, by one working process each.

Each peer keeps what it is made to keep of a message, so that after a crash something is known of it. Counted from the
first message that arrives at the stub to the last: messages a second, processor time of the working process and of its
server for each message, and the most memory that the working process had. Filling the queue is not counted.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

import psutil

from benchmarks.peers.processes import PROGRAMS, PYTHON, busy_seconds, end, wait_for
from benchmarks.seeding import new_server
from benchmarks.stub import Stub, stub_server

SIZE: Final = 10_000
TIMES: Final = 3
PATIENCE: Final = 300.0
"""Seconds that one may take."""
SETTLED: Final = 0.5
"""Seconds after the last message in which its outcome is stored."""
ADDRESS: Final = "http://127.0.0.1:{port}/v24.0/106540352242922/messages"


@dataclass(frozen=True, slots=True)
class Server:
    """What a peer keeps its messages in."""

    url: str
    process: psutil.Process | None = None


@contextmanager
def redis() -> Iterator[Server]:
    """A Redis that writes each command to its log, which reaches the disk every second."""
    with TemporaryDirectory(prefix="drumbeat-peers-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--appendonly",
            "yes",
            "--save",
            "",
        ]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            wait_for(port, "redis-server")
            yield Server(f"redis://127.0.0.1:{port}/0", psutil.Process(server.pid))
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def postgres() -> Iterator[Server]:
    """A PostgreSQL as durable as it comes."""
    with new_server() as url:
        import psycopg

        with psycopg.connect(url) as connection:
            backend = psutil.Process(connection.info.backend_pid)
            server = backend.parent()
        yield Server(url, server)


@contextmanager
def sqlite_file() -> Iterator[Server]:
    with TemporaryDirectory(prefix="drumbeat-peers-") as folder:
        yield Server(str(Path(folder, "peer.db")))


@contextmanager
def sqlite_url() -> Iterator[Server]:
    with sqlite_file() as server:
        yield Server(f"sqlite:///{server.url}")


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    command: Sequence[str]
    server: Callable[[], AbstractContextManager[Server]]


def _own(program: str) -> Sequence[str]:
    return (PYTHON, str(PROGRAMS / program))


DRUMBEAT: Final = (sys.executable, "-m", "benchmarks.peers.programs.drumbeat_run")
PEERS: Final = (
    Peer("Drumbeat, SQLite", DRUMBEAT, sqlite_url),
    Peer("Drumbeat, PostgreSQL", DRUMBEAT, postgres),
    Peer("script, SQLite", _own("script.py"), sqlite_file),
    Peer("BullMQ, Redis", ("node", str(PROGRAMS / "bullmq_jobs.mjs")), redis),
    Peer("taskiq, Redis", _own("taskiq_tasks.py"), redis),
    Peer("Dramatiq, Redis", _own("dramatiq_tasks.py"), redis),
    Peer("Celery, Redis", _own("celery_tasks.py"), redis),
    Peer("Procrastinate, PostgreSQL", _own("procrastinate_tasks.py"), postgres),
)


@dataclass(frozen=True, slots=True)
class Figures:
    per_second: float
    worker_us: float
    server_us: float
    peak_mb: float


def main(names: Sequence[str]) -> int:
    """Print a line for each; 2 if one is not known."""
    wanted = [peer for peer in PEERS if not names or _short(peer) in names]
    if not wanted:
        print(
            f"There is no peer {names[0]!r}: {', '.join(sorted(set(map(_short, PEERS))))}.", file=sys.stderr
        )
        return 2
    print(f"{SIZE:,} messages, 100 at a time, one working process, {os.cpu_count()} cores, median of {TIMES}")
    print(f"  {'':28}{'msg/s':>9}{'worker us':>11}{'server us':>11}{'peak MB':>9}")
    with stub_server() as stub:
        for peer in wanted:
            done = [_measure(peer, stub, SIZE) for _ in range(TIMES)]
            per_second, worker, server, peak = (
                statistics.median(getattr(each, field) for each in done) for field in Figures.__slots__
            )
            print(f"  {peer.name:28}{per_second:9,.0f}{worker:11,.0f}{server:11,.0f}{peak:9,.0f}", flush=True)
    return 0


def _short(peer: Peer) -> str:
    return peer.name.split(",")[0].lower()


def _measure(peer: Peer, stub: Stub, size: int) -> Figures:
    stub.times()
    with peer.server() as server:
        env = {**os.environ, "PEER_URL": server.url, "PEER_ADDRESS": ADDRESS.format(port=stub.port)}
        cwd = None if peer.command[0] == sys.executable else PROGRAMS
        with _working(peer.command, server.url, size, env, cwd) as worker:
            return _watch(worker, server.process, stub, size)


def _watch(worker: psutil.Process, server: psutil.Process | None, stub: Stub, size: int) -> Figures:
    came: list[float] = []
    deadline = time.monotonic() + PATIENCE
    before: tuple[float, float] | None = None
    peak = 0.0
    while len(came) < size:
        if time.monotonic() > deadline or not worker.is_running():
            raise RuntimeError(f"{len(came)} of {size} messages were sent")
        busy = busy_seconds(worker), busy_seconds(server)
        came += stub.times()
        if came and before is None:
            before = busy
        peak = max(peak, _memory(worker))
        time.sleep(0.02 if before is None else 0.1)
    time.sleep(SETTLED)
    after = busy_seconds(worker), busy_seconds(server)
    came += stub.times()
    if len(came) != size or before is None:
        raise RuntimeError(f"{len(came)} messages were sent instead of {size}")
    seconds = max(came) - min(came)
    worker_us, server_us = (1e6 * (end - start) / size for start, end in zip(before, after, strict=True))
    return Figures(size / seconds, worker_us, server_us, peak)


def _memory(root: psutil.Process) -> float:
    return float(sum(each.memory_info().rss for each in (root, *root.children(recursive=True))) / 2**20)


@contextmanager
def _working(
    command: Sequence[str], url: str, size: int, env: Mapping[str, str], cwd: Path | None
) -> Iterator[psutil.Process]:
    """The working process, behind a filled queue. What it prints is shown where it fails."""
    with TemporaryFile() as printed:
        subprocess.run(
            [*command, "fill", url, str(size)], check=True, env=env, cwd=cwd, stdout=printed, stderr=printed
        )
        working = subprocess.Popen([*command, "work", url], env=env, cwd=cwd, stdout=printed, stderr=printed)
        try:
            yield psutil.Process(working.pid)
        except Exception:
            printed.seek(0)
            sys.stderr.buffer.write(printed.read()[-4000:])
            raise
        finally:
            end(working)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
