"""How every bench prints its figures: the median of several, with the least and the most, against its bar."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence


def show(
    name: str,
    values: Sequence[float],
    unit: str = "",
    *,
    at_least: float | None = None,
    below: float | None = None,
    digits: int = 2,
) -> bool:
    """Print one line; whether the median meets its bar."""
    middle = statistics.median(values)
    bar = f"; at least {at_least:g}" if at_least is not None else f"; below {below:g}" if below else ""
    spread = f"(min {min(values):,.{digits}f}, max {max(values):,.{digits}f}{bar})"
    print(f"  {name:44} {middle:9,.{digits}f} {unit:8} {spread}", flush=True)
    return (at_least is None or middle >= at_least) and (below is None or middle < below)


def measured(module: str, *arguments: object) -> dict[str, float]:
    """What `python -m benchmarks.MODULE ARGUMENTS` prints last, in a process of its own: a JSON object of figures."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
