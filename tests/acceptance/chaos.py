"""One clock in charge, one in waiting and three workers as processes on PostgreSQL: killed, stopped and cut off at
random while they send; judged by the emulator's ledger and the jobs' states."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
from sqlalchemy import select

from scheduler.engines.procrastinate import install
from storage.engine import open_engine, reading
from storage.schema import upgrade
from storage.tables import attempts
from tests.acceptance.killing import FAULTS
from tests.support.campaigns import job_rows, spec, store_campaign
from tests.support.emulator import Emulator, running_emulator
from tests.support.hasty import LEASE
from tests.support.project import environment

SENDERS = ("shop", "help", "news", "club")
LANE_RATE, ACCOUNT_RATE = 40, 100
SETTINGS = """\
[database]
url = "{url}"
[providers.ourvoice]
adapter = "ourvoice"
base_url = "{base_url}"
api_key = "env:OURVOICE_API_KEY"
currency = "XOF"
timeout = "1s"
settle_after = "4s"
rate = "{account_rate}/s"
"""
"""`settle_after` is longer than the provider's longest fault: a call that hangs there may be accepted that late."""
SENDER = """\
[[providers.ourvoice.senders]]
name = "{name}"
session_id = "{session_id}"
rate = "{rate}/s"
"""
CLOCK = ("run", "--engine", "procrastinate")
WORKER = ("worker", "--concurrency", "4")
END = 120.0
"""Seconds that what is left may take once nobody is harmed any more."""


@dataclass
class Process:
    """One of the product's processes, and what was done to it."""

    arguments: tuple[str, ...]
    folder: Path
    log: IO[bytes]
    stopped_until: float | None = None
    running: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hasty", *self.arguments],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def keep_alive(self) -> None:
        """Start it again where it has given up, as a service manager would."""
        if self.running.poll() is not None:
            self.stopped_until = None
            self.start()

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()
        self.stopped_until = None
        self.start()

    def stop_for(self, seconds: float) -> None:
        self.running.send_signal(signal.SIGSTOP)
        self.stopped_until = time.monotonic() + seconds

    def go_on(self, *, at_once: bool = False) -> None:
        if self.stopped_until is not None and (at_once or time.monotonic() >= self.stopped_until):
            self.running.send_signal(signal.SIGCONT)
            self.stopped_until = None


@dataclass(frozen=True)
class Story:
    """What happened, for the judge."""

    harms: Counter[str]
    rows: list[Any]
    ledger: list[dict[str, Any]]
    takeovers: int
    """How often a lane changed hands, by the epochs of its attempts."""


def wreak(
    folder: Path,
    url: str,
    *,
    size: int,
    seed: int,
    seconds: float,
    restart_server: Callable[[], None] | None = None,
) -> Story:
    """Run the campaign under chaos for so long, then let it end in peace."""
    dice = random.Random(seed)
    with (
        running_emulator(sent_after=0.05, delivered_after=0.1, read_after=0.2) as emulator,
        ExitStack() as stack,
    ):
        asyncio.run(_prepare(folder, url, emulator, size))
        for fault in FAULTS:
            emulator.fault(**fault, seed=seed, method="POST", path="/messages")
        log = stack.enter_context((folder / "processes.log").open("wb"))
        crew = [Process(CLOCK, folder, log) for _ in range(2)] + [
            Process(WORKER, folder, log) for _ in range(3)
        ]
        stack.callback(_end_all, crew)
        harms = _harm(crew, url, dice, seconds, restart_server)
        for process in crew:
            process.keep_alive()
            process.go_on(at_once=True)
        _wait_until_idle(crew, folder, log)
        ledger = emulator.ledger()
    rows, takeovers = asyncio.run(_read(url))
    return Story(harms, rows, ledger, takeovers)


async def _prepare(folder: Path, url: str, emulator: Emulator, size: int) -> None:
    senders = (SENDER.format(name=name, session_id=emulator.session_id, rate=LANE_RATE) for name in SENDERS)
    settings = SETTINGS.format(url=url, base_url=emulator.ourvoice, account_rate=ACCOUNT_RATE)
    (folder / "drumbeat.toml").write_text(settings + "".join(senders), encoding="utf-8")
    engine = open_engine(url)
    await upgrade(engine)
    await install(engine)
    await store_campaign(engine, spec(senders=list(SENDERS)), size)
    await engine.dispose()


def _harm(
    crew: list[Process], url: str, dice: random.Random, seconds: float, restart: Callable[[], None] | None
) -> Counter[str]:
    """Do harm at random moments for so long; what was done. Every round has each kind of it, workers above all."""
    harms: Counter[str] = Counter()
    kinds = ["kill worker", "kill worker", "stop worker", "stop worker", "kill clock", "stop clock", "cut"]
    deck: list[str] = []
    time.sleep(4)  # until they have begun
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        time.sleep(dice.uniform(0.3, 1.5))
        for process in crew:
            process.keep_alive()
            process.go_on()
        deck = deck or dice.sample(kinds + (["restart"] if restart else []), k=len(kinds) + bool(restart))
        kind = deck.pop()
        victim = dice.choice(crew[2:] if kind.endswith("worker") else crew[:2])
        if kind.startswith("kill"):
            victim.kill()
        elif kind.startswith("stop"):
            victim.stop_for(dice.choice([0.5, LEASE + 1, LEASE + 3]))
        elif kind == "cut":
            _cut_connections(url, dice)
        elif restart is not None:
            restart()
        harms[kind] += 1
    return harms


def _cut_connections(url: str, dice: random.Random) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        own = connection.info.backend_pid
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        for (pid,) in connection.execute(query, (own,)).fetchall():
            if dice.random() < 0.5:
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))


def _wait_until_idle(crew: list[Process], folder: Path, log: IO[bytes]) -> None:
    """Replace the clocks by one that ends when nothing is left to do, and let the workers end."""
    for clock in crew[:2]:
        _end_well(clock, 130)
    last = Process((*CLOCK, "--until-idle", "--wait-receipts", "4s"), folder, log)
    crew.append(last)
    assert last.running.wait(END) in (0, 3), "the campaign did not end in good order"
    for worker in crew[2:5]:
        _end_well(worker, 0)


def _end_well(process: Process, code: int) -> None:
    process.running.terminate()
    ended = process.running.wait(60)
    assert ended in (code, -signal.SIGTERM), (
        f"{process.arguments} ended with {ended}"
    )  # the signal: had not begun


def _end_all(crew: list[Process]) -> None:
    for process in crew:
        process.running.kill()
        process.running.wait()


async def _read(url: str) -> tuple[list[Any], int]:
    engine = open_engine(url)
    rows = await job_rows(engine)
    async with reading(engine) as connection:
        owned = (await connection.execute(select(attempts.c.lane, attempts.c.epoch).distinct())).all()
    await engine.dispose()
    return rows, len(owned) - len({lane for lane, _ in owned})


def most_in_a_second(moments: Iterable[float], tolerance: float) -> int:
    """The most that lie in any stretch of a second, less the tolerance."""
    ordered = sorted(moments)
    return max(bisect_left(ordered, start + 1 - tolerance) - place for place, start in enumerate(ordered))


def moments_by_lane(story: Story) -> dict[str, list[float]]:
    lane_of = {row.phone[1:]: row.lane for row in story.rows}
    moments: defaultdict[str, list[float]] = defaultdict(list)
    for message in story.ledger:
        moments[lane_of[message["to"]]].append(message["left_at"])
    return moments
