"""Workers of one host and of another, with a network and a name of its own, share lanes and accounts: no limit breaks,
nobody gets it twice, also where a lane goes from one host to the other and back."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.chaos import QUICK, prepare, read
from tests.acceptance.havoc import LIMITS, UNASKED
from tests.acceptance.judging import verdict
from tests.support.databases import fresh_database
from tests.support.elsewhere import going_to, reachable, why_not
from tests.support.emulator import running_emulator
from tests.support.processes import CLOCK, WORKER, Process, end_all
from tests.support.project import environment

AWAY, HERE = "far-away", socket.gethostname()


@pytest.mark.long
@pytest.mark.large  # workers with clocks of their own, and hosts that are cut off, are in test_chaos
@pytest.mark.alone
def test_a_lane_goes_from_host_to_host_and_no_limit_breaks(tmp_path: Path, postgres: str) -> None:
    if reason := why_not():
        pytest.skip(f"this machine allows no other host: {reason}")
    with (
        fresh_database(postgres) as url,
        running_emulator(**QUICK) as emulator,
        reachable(emulator.port, tmp_path),
    ):
        size = asyncio.run(prepare(tmp_path, url, emulator, work=5))
        hosts: defaultdict[str, set[str]] = defaultdict(set)

        def has_held(*names: str) -> bool:
            for lane, host in _hosts(url):
                hosts[lane].add(host)
            return any(seen >= set(names) for seen in hosts.values())

        with _away(tmp_path, emulator.port) as away, _here(tmp_path) as processes:
            _wait_until(lambda: has_held(AWAY))
            processes += [Process(f"near {n}", WORKER, tmp_path) for n in range(2)]
            _wait_until(lambda: has_held(HERE))
            _wait_until(lambda: _stopped_under_way(away, url))
            away.kill()
            away.wait()
            _wait_until(lambda: has_held(AWAY, HERE))
            processes[0].end_within(60)
        story = asyncio.run(read(url, Counter(), size, emulator.ledger(), ended=processes[0].code in (0, 3)))
    print(f"{dict(hosts)}, interrupted {story.interrupted}, states {dict(story.states)}")
    assert verdict(story, LIMITS, UNASKED) == []
    assert story.interrupted > 0


@contextmanager
def _here(folder: Path) -> Iterator[list[Process]]:
    """A clock, and whom the test adds."""
    processes = [Process("clock", (*CLOCK, "--until-idle", "--wait-receipts", "0.5s"), folder)]
    try:
        yield processes
    finally:
        end_all(processes)


@contextmanager
def _away(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on the other host."""
    command = [*going_to(AWAY, port, folder), sys.executable, "-m", "tests.support.short_leases", *WORKER]
    with (
        (folder / "away.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _hosts(url: str) -> list[tuple[str, str]]:
    """The host that has each lane."""
    with psycopg.connect(url, autocommit=True) as connection:
        held = connection.execute("SELECT name, holder FROM lanes WHERE holder IS NOT NULL").fetchall()
    return [(name, holder.removeprefix("worker ").partition(":")[0]) for name, holder in held]


def _stopped_under_way(away: subprocess.Popen[bytes], url: str) -> bool:
    """Whether it has a call under way; then it is stopped."""
    away.send_signal(signal.SIGSTOP)
    time.sleep(0.05)  # what it had asked of the database is done
    wanted = "SELECT 1 FROM jobs JOIN lanes ON name = lane WHERE state = 'sending' AND holder LIKE %s LIMIT 1"
    with psycopg.connect(url, autocommit=True) as connection:
        under_way = connection.execute(wanted, (f"worker {AWAY}:%",)).fetchone() is not None
    if not under_way:
        away.send_signal(signal.SIGCONT)
    return under_way


def _wait_until(holds: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)
