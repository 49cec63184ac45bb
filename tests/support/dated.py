"""A program whose clock is ahead: `python -m tests.support.dated SECONDS emulators|cli ARGUMENT…`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo


def seconds_to(start: datetime) -> float:
    """By how much a clock is ahead that shows `start` now."""
    return (start - datetime.now(UTC)).total_seconds()


def ahead(seconds: float) -> type[datetime]:
    """Set as `datetime` of `campaigns.time.clock`: its `now` is ahead."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=seconds)

    return Ahead


def main() -> None:
    _, seconds, program, *arguments = sys.argv
    sys.argv = [program, *arguments]
    if program == "emulators":
        read = time.time
        time.time = lambda: read() + float(seconds)
        from emulators.__main__ import main as run
    else:
        import campaigns.time.clock

        campaigns.time.clock.datetime = ahead(float(seconds))  # type: ignore[misc]
        from cli import main as run
    run()


if __name__ == "__main__":
    main()
