"""What `make bench` prints: each figure against a limit measured in the same run, as the median of several.

`python -m benchmarks [NAME...] [--large]`: all of them, or those named; `--large` takes the sizes that last long.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter

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
    missed = []
    for name in names:
        print()
        run = LARGE.get(name, BENCHES[name]) if "--large" in arguments else BENCHES[name]
        began = perf_counter()
        if not run():
            missed.append(name)
        print(f"  {name} took {perf_counter() - began:.0f} s")
    print(f"\nBelow its bar: {', '.join(missed)}." if missed else "\nAll bars are met.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
