"""The command with short leases, so that a takeover takes seconds: `python -m tests.support.hasty worker …`.

Everything else is the product's own; the constants are set before anything that derives from them is imported.
"""

from __future__ import annotations

from datetime import timedelta

LEASE = 3.0
SILENCE = 2.5


def hasten() -> None:
    import storage.advisory

    storage.advisory.SILENCE = SILENCE  # type: ignore[misc]
    storage.advisory.TRUSTED = SILENCE - 1  # type: ignore[misc]

    import scheduler.lanes

    scheduler.lanes.LEASE = timedelta(seconds=LEASE)


if __name__ == "__main__":
    hasten()
    from cli import main

    main()
