"""What `make bench` prints: each figure against a limit measured in the same run, as the median of several.

`python -m benchmarks [NAME...] [--large]`: all of them, or those named; `--large` takes the sizes that last long.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import quantiles
from time import perf_counter, process_time
from typing import Final

from benchmarks import (
    commands,
    estimating,
    intake,
    jobs,
    pacing,
    pages,
    polling,
    purging,
    reports,
    sending,
    webhooks,
    workers,
)

BENCHES: Mapping[str, Callable[[], bool]] = {
    "intake": intake.report,
    "sending": sending.report,
    "pacing": pacing.report,
    "jobs": jobs.report,
    "workers": workers.report,
    "memory": sending.report_memory,
    "webhooks": webhooks.report,
    "purging": purging.report,
    "commands": commands.report,
    "pages": pages.report,
    "polling": polling.report,
    "estimating": estimating.report,
    "reports": reports.report,
}
LOOP: Final = 1_000_000
LARGE: Mapping[str, Callable[[], bool]] = {
    "intake": partial(intake.report, intake.MILLION),
    "jobs": partial(jobs.report, (*jobs.SIZES, jobs.LARGE)),
    "memory": partial(sending.report_memory, 1_000_000),
    "purging": partial(purging.report, purging.LARGE),
    "polling": partial(polling.report, hour=True),
    "estimating": partial(estimating.report, estimating.MILLION),
    "reports": partial(reports.report, long=True),
}


def main(arguments: Sequence[str]) -> int:
    """Run them; 1 where a bar is missed, 2 where there is no such bench."""
    names = [each for each in arguments if each != "--large"] or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"There is no bench {unknown[0]!r}: {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}; ratios, not promises."
    )
    missed, loops = [], _loops()
    for name in names:
        print()
        run = LARGE.get(name, BENCHES[name]) if "--large" in arguments else BENCHES[name]
        began = perf_counter()
        if not run():
            missed.append(name)
        print(f"  {name} took {perf_counter() - began:.0f} s")
        loops += _loops()
    print(f"\n{_steadiness(loops)}")
    print(f"\nBelow its bar: {', '.join(missed)}." if missed else "\nAll bars are met.")
    return int(bool(missed))


def _loops() -> list[float]:
    """Processor seconds of the same short loop, several times."""
    taken = []
    for _ in range(10):
        began = process_time()
        sum(range(LOOP))
        taken.append(process_time() - began)
    return taken


def _steadiness(loops: Sequence[float]) -> str:
    """How far the machine itself varies: whoever else is at work on its processors makes the same work take longer."""
    least, *_, most = quantiles(loops, n=10)
    return (
        f"This machine: one loop took {1e3 * least:.0f} to {1e3 * most:.0f} ms of processor time (four fifths of the "
        f"times, between the benches), {most / least:.2f} times.\nWhat misses its bar by less may be chance."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
