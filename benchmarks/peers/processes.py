"""What runs the peers: their programs, and what a process costs."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

HERE: Final = Path(__file__).parent
PROGRAMS: Final = HERE / "programs"
PYTHON: Final = str(HERE / ".venv" / "bin" / "python")


def wait_for(port: int, name: str) -> None:
    """Until it listens. Raises RuntimeError after ten seconds."""
    for _ in range(200):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not answer")


def busy_seconds(root: psutil.Process | None) -> float:
    """Processor time so far of a process and its children, those that ended too."""
    if root is None:
        return 0.0
    own = root.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended since they were listed
            its = child.cpu_times()
            seconds += its.user + its.system
    return float(seconds)


def end(working: subprocess.Popen[bytes]) -> None:
    """With its children."""
    every = psutil.Process(working.pid).children(recursive=True)
    working.terminate()
    try:
        working.wait(10)
    except subprocess.TimeoutExpired:
        working.kill()
        working.wait()
    for child in every:
        if child.is_running():
            child.kill()
