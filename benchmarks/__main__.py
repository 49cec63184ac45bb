"""What `make bench` prints: each figure a ratio to a limit measured in the same run, as the median of several."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence

from benchmarks import intake

ROWS = 1_000_000
TIMES = 3
INTAKE_BAR = 0.35
MEMORY_BAR_MB = 400


def main(arguments: Sequence[str]) -> int:
    """Run everything; 1 where a bar is missed. An argument sets the rows of the intake, for a quick look."""
    rows = int(arguments[0]) if arguments else ROWS
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {TIMES} times each; ratios, not promises.\n"
    )
    runs = [intake.run(rows) for _ in range(TIMES)]
    ratios = sorted(run["ratio"] for run in runs)
    memory = max(run["peak_mb"] for run in runs)
    print(f"intake of {rows:,} rows into SQLite: read, validate, normalise, dedupe, persist")
    print("  against pandas read + bulk insert of the same rows, unchecked, in the same run")
    spread = f"(min {ratios[0]:.2f}, max {ratios[-1]:.2f}; at least {INTAKE_BAR})"
    print(f"  ratio        {statistics.median(ratios):.2f}  {spread}")
    print(f"  peak memory  {memory:.0f} MB  (below {MEMORY_BAR_MB})")
    for name in ("bare", "full"):
        seconds = sorted(run[name]["seconds"] for run in runs)
        print(f"  {name}         {seconds[0]:.1f}-{seconds[-1]:.1f} s")
    return int(statistics.median(ratios) < INTAKE_BAR or memory >= MEMORY_BAR_MB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
