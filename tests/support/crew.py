"""The product's processes, and what can be done to them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.project import environment

CLOCK = ("run", "--engine", "procrastinate")
WORKER = ("worker", "--concurrency", "4")


@dataclass
class Process:
    """One of them, started again whenever it has ended, as a service manager would. What it says is in NAME.log."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    plant: str | None = None
    before: tuple[str, ...] = ()
    """What the command line begins with: `tests.support.elsewhere` moves a process to another host."""
    stopped_until: float | None = None
    running: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        planted = ("--planted", self.plant) if self.plant else ()
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.running = subprocess.Popen(
                [*self.before, sys.executable, "-m", "tests.support.hasty", *planted, *self.arguments],
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.stopped_until = None

    def another(self, name: str, arguments: tuple[str, ...]) -> Process:
        """One more beside it."""
        return Process(name, arguments, self.folder, self.plant)

    def keep_alive(self) -> None:
        """Start it again where it has given up."""
        if self.running.poll() is not None:
            self.start()

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()
        self.start()

    def stop_for(self, seconds: float) -> None:
        self.running.send_signal(signal.SIGSTOP)
        self.stopped_until = time.monotonic() + seconds

    def go_on(self, *, at_once: bool = False) -> None:
        if self.stopped_until is not None and (at_once or time.monotonic() >= self.stopped_until):
            self.running.send_signal(signal.SIGCONT)
            self.stopped_until = None

    def end_well(self, code: int) -> None:
        """Ask it to end, and see that it does."""
        self.running.terminate()
        ended = self.running.wait(60)
        # the signal's own number: it had not begun
        assert ended in (code, -signal.SIGTERM), f"{self.name} ended with {ended}"


def end_all(crew: list[Process]) -> None:
    for process in crew:
        process.running.kill()
        process.running.wait()
