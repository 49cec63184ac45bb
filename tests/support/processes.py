"""Starts, stops, pauses and kills the product's processes."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

from tests.support.forks import Fork
from tests.support.project import environment

CLOCK = ("run", "--engine", "procrastinate")
WORKER = ("worker", "--concurrency", "4")


def _command(plant: str | None, arguments: tuple[str, ...]) -> None:
    """The command with short leases and, where one is named, a planted fault."""
    from tests.support import short_leases

    short_leases.shorten_leases()
    if plant is not None:
        from tests.support.planted import PLANTS

        PLANTS[plant]()
    short_leases.run(*arguments)


@dataclass
class Process:
    """One of them, started again whenever it has ended, as a service manager would. What it prints is in NAME.log."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    plant: str | None = None
    stopped_until: float | None = None
    running: Fork = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        log = self.folder / f"{self.name}.log"
        self.running = Fork(
            _command, self.plant, self.arguments, folder=self.folder, environment=environment(), log=log
        )
        self.stopped_until = None

    def another(self, name: str, arguments: tuple[str, ...]) -> Process:
        """One more beside it."""
        return Process(name, arguments, self.folder, self.plant)

    @property
    def pid(self) -> int:
        return self.running.pid

    @property
    def code(self) -> int | None:
        """What it ended with; None while it lives."""
        return self.running.returncode

    def keep_alive(self) -> None:
        """Start it again where it has given up."""
        if self.code is not None:
            self.start()

    def end(self) -> None:
        self.running.kill()
        self.running.wait()

    def kill(self) -> None:
        self.end()
        self.start()

    def stop_for(self, seconds: float) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped_until = time.monotonic() + seconds

    def go_on(self, *, at_once: bool = False) -> None:
        if self.stopped_until is not None and (at_once or time.monotonic() >= self.stopped_until):
            os.kill(self.pid, signal.SIGCONT)
            self.stopped_until = None

    def end_within(self, seconds: float) -> None:
        """Wait for its end, no longer than this."""
        with suppress(TimeoutExpired):
            self.running.wait(seconds)


def end_well(processes: list[Process], code: int) -> None:
    """Ask all of them to end, and see that they do."""
    for process in processes:
        process.running.terminate()
    for process in processes:
        process.end_within(60)
        # the signal's own number: it had not begun
        assert process.code in (code, -signal.SIGTERM), f"{process.name} ended with {process.code}"


def end_all(processes: list[Process]) -> None:
    for process in processes:
        process.end()
