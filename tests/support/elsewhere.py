"""A process on another host, as far as one machine has others: a network namespace and a host name of its own.

PostgreSQL is reached there by its socket's file, and the emulator at the port that it has here.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APART = ("unshare", "--net", "--uts")


def why_not() -> str | None:
    """Why there is no other host on this machine; None: there is."""
    try:
        tried = subprocess.run([*APART, "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    except OSError as error:
        return f"no unshare: {error}"
    return tried.stderr.strip() or f"unshare ended with {tried.returncode}" if tried.returncode else None


@contextmanager
def reachable(port: int, folder: Path) -> Iterator[None]:
    """Let the hosts elsewhere reach what listens on this port."""
    with _forwarder(f"unix:{_way(folder)}", f"tcp:{port}") as process:
        try:
            yield
        finally:
            process.kill()


def going_to(name: str, port: int, folder: Path) -> tuple[str, ...]:
    """What a command line begins with to run on the host of that name."""
    return (*APART, sys.executable, "-m", "tests.support.elsewhere", name, str(port), str(folder))


def _way(folder: Path) -> Path:
    return folder / "way"


def _forwarder(listen: str, target: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.forward", listen, target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def main() -> None:
    name, port, folder, *command = sys.argv[1:]
    socket.sethostname(name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _forwarder(f"tcp:{port}", f"unix:{_way(Path(folder))}")
    os.execvp(command[0], command)  # the forwarder is its child still, and ends with it


if __name__ == "__main__":
    main()
