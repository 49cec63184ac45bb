"""Programs in processes of their own that start quickly: forked from one that has imported what they need. All else
they do themselves, in their own folder and environment. `Fork` has what tests use of `subprocess.Popen`."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Thread
from typing import Any, TextIO

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.preloaded"])


def run_main(module: str, *arguments: str) -> None:
    """The module's `main` with this command line."""
    sys.argv[:] = [module, *arguments]
    import_module(module).main()


def _live(
    outputs: tuple[Connection, ...],
    folder: Path,
    environment: Mapping[str, str],
    run: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, output in enumerate(outputs, 1):
        os.dup2(output.fileno(), number)
        output.close()
    run(*arguments)


class Fork:
    """A running process. What it prints is read from `stdout` and `stderr`, or goes to the file `log`."""

    def __init__(
        self,
        run: Callable[..., None],
        *arguments: Any,
        folder: Path,
        environment: Mapping[str, str],
        log: Path | None = None,
    ) -> None:
        if log is None:
            self.stdout, out = _pipe()
            self.stderr, err = _pipe()
            outputs = (out, err)
        else:
            number = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            outputs = (Connection(os.dup(number)), Connection(number))
        self._reading: list[_Reading] = []
        given = (outputs, folder, dict(environment), run, arguments)
        self._process = _FORKS.Process(target=_live, args=given)  # no daemon, which might have no children
        self._process.start()
        atexit.register(self._process.kill)
        for output in outputs:
            output.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """What it ended with, or the number of the signal that ended it below 0; None while it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired("a fork", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it still prints, once it has ended."""
        self._reading = self._reading or [_Reading(self.stdout), _Reading(self.stderr)]
        deadline = None if timeout is None else time.monotonic() + timeout
        for reading in self._reading:
            reading.join(deadline and max(0.0, deadline - time.monotonic()))
            if reading.is_alive():
                raise TimeoutExpired("a fork", timeout or 0)
        self.wait(deadline and max(0.0, deadline - time.monotonic()))
        out, err = (reading.text for reading in self._reading)
        return out, err

    def __enter__(self) -> Fork:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for its end, as Popen does."""
        self._process.join()
        for reading in self._reading:
            reading.join()
        self.stdout.close()
        self.stderr.close()


class _Reading(Thread):
    """Reads a stream to its end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.text = ""
        self.start()

    def run(self) -> None:
        with self._stream:
            self.text = self._stream.read()


def _pipe() -> tuple[TextIO, Connection]:
    ours, theirs = os.pipe()
    return open(ours, encoding="utf-8"), Connection(theirs, readable=False)
