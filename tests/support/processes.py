"""Starts, stops, pauses and kills the product's processes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

CLOCK = ("run", "--engine", "procrastinate")
WORKER = ("worker", "--concurrency", "4")
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.forked_command"])


def _live(arguments: tuple[str, ...], folder: Path, log: Path, plant: str | None) -> None:
    from tests.support.forked_command import command  # only there: it sets the constants of its own process

    command(arguments, folder, log, plant)


@dataclass
class Process:
    """One of them, started again whenever it has ended, as a service manager would. What it says is in NAME.log."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    plant: str | None = None
    stopped_until: float | None = None
    running: ForkServerProcess = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        log = self.folder / f"{self.name}.log"
        self.running = _FORKS.Process(
            target=_live, args=(self.arguments, self.folder, log, self.plant), daemon=True
        )
        self.running.start()
        self.stopped_until = None

    def another(self, name: str, arguments: tuple[str, ...]) -> Process:
        """One more beside it."""
        return Process(name, arguments, self.folder, self.plant)

    @property
    def pid(self) -> int:
        assert self.running.pid is not None
        return self.running.pid

    @property
    def code(self) -> int | None:
        """What it ended with; None while it lives."""
        return self.running.exitcode

    def keep_alive(self) -> None:
        """Start it again where it has given up."""
        if self.code is not None:
            self.start()

    def end(self) -> None:
        self.running.kill()
        self.running.join()

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

    def end_well(self, code: int) -> None:
        """Ask it to end, and see that it does."""
        self.running.terminate()
        self.running.join(60)
        # the signal's own number: it had not begun
        assert self.code in (code, -signal.SIGTERM), f"{self.name} ended with {self.code}"


def end_all(processes: list[Process]) -> None:
    for process in processes:
        process.end()
