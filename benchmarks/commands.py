"""What the commands cost that neither send nor load: `python -m benchmarks commands`.

Processor time, the interpreter's start included, and peak memory, each in a process of its own on a small project. The
bar is 0.4 s where a Python that imports the libraries that all of them need takes at most 0.29 s; on a slower machine,
longer in proportion. Each is compared with such a Python just before it, as machines change their speed from one minute
to the next.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.figures import measured, show

TIMES: Final = 5
SECONDS_BAR: Final = 0.4
BARE_SECONDS: Final = 0.29
MEGABYTES_BAR: Final = 80
PHONE: Final = "+447700900010"
BARE: Final = "import sqlalchemy, click, pydantic"
COMMANDS: Final = (
    "campaign approve hello",
    "campaign list",
    "campaign next hello",
    "campaign pause hello",
    "campaign preview hello",
    "campaign resume hello",
    "campaign show hello",
    f"contacts export {PHONE}",
    "contacts list",
    f"contacts optin {PHONE}",
    f"contacts optout {PHONE}",
    f"contacts show {PHONE}",
    "db upgrade",
    "provider notices",
    "rates show",
    "report cost hello",
    "report delivery hello",
    "report failures hello",
    "report recipients hello",
    "workers",
    "campaign estimate hello",
    "provider list",
    f"why hello {PHONE}",
)


def report() -> bool:
    """Print every figure; whether each bar is met."""
    print(f"commands that neither send nor load, processor time and peak memory; bare: {BARE}")
    well = True
    runs = [measured("commands") for _ in range(TIMES)]
    bare = [run[f"{command}, bare"] for run in runs for command in COMMANDS]
    show("bare", bare, "s")
    bar = SECONDS_BAR / min(BARE_SECONDS, statistics.median(bare))
    for command in COMMANDS:
        seconds, beside, megabytes = (
            [run[f"{command}, {figure}"] for run in runs] for figure in ("seconds", "bare", "megabytes")
        )
        show(command, seconds, "s")
        times = [ours / theirs for ours, theirs in zip(seconds, beside, strict=True)]
        well &= show("", times, "x bare", below=bar)
        well &= show("", megabytes, "MB", below=MEGABYTES_BAR, digits=0)
    return well


def _measure() -> dict[str, float]:
    """Starts nothing of ours itself: a process begins with the peak memory of the one that started it."""
    found: dict[str, float] = {}
    with TemporaryDirectory(prefix="drumbeat-bench-") as folder:
        _run(["-m", "cli", "init"], folder)
        (Path(folder) / "hello.csv").write_text(f"phone,first_name\n{PHONE},Ada\n", encoding="utf-8")
        _run(["-m", "cli", "campaign", "load", "hello.toml", "--at", "2999-01-01T09:00", "--yes"], folder)
        for command in COMMANDS:
            found[f"{command}, bare"], _ = _run(["-c", BARE], folder)
            seconds, megabytes = _run(["-m", "cli", *command.split()], folder)
            found |= {f"{command}, seconds": seconds, f"{command}, megabytes": megabytes}
    return found


def _run(arguments: Sequence[str], folder: str) -> tuple[float, float]:
    """Processor seconds and peak megabytes of `python ARGUMENTS`. Raises RuntimeError if it fails."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "OURVOICE_API_KEY": "key"},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_measure()))
