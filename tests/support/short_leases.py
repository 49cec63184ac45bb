"""The command with short leases, so that a takeover takes seconds, and with short waits between notifications:
`python -m tests.support.short_leases worker …`.

Everything else is the product's own. The constants are set before anything that derives from them is imported.
"""

from __future__ import annotations

import sys
from datetime import timedelta

LEASE = 3.0
SILENCE = 2.5
IDLE_TRANSACTION = 2.0
NOTIFY = 0.2


def shorten_leases() -> None:
    assert "scheduler" not in sys.modules
    import storage.database.advisory

    storage.database.advisory.SILENCE = SILENCE  # type: ignore[misc]
    storage.database.advisory.TRUSTED = SILENCE - 1  # type: ignore[misc]

    import storage.database.engine

    storage.database.engine.IDLE_TRANSACTION = IDLE_TRANSACTION  # type: ignore[misc]

    import scheduler.sending.lanes

    scheduler.sending.lanes.LEASE = timedelta(seconds=LEASE)

    import scheduler.notify.delivery

    scheduler.notify.delivery.LEASE = timedelta(seconds=5 * NOTIFY)  # type: ignore[misc]
    scheduler.notify.delivery.FIRST_RETRY = NOTIFY  # type: ignore[misc]

    import scheduler.clock.runner

    scheduler.clock.runner.NOTIFY = NOTIFY  # type: ignore[misc]


def run(*arguments: str) -> None:
    from cli import main

    sys.argv[1:] = arguments
    main()


if __name__ == "__main__":
    shorten_leases()
    run(*sys.argv[1:])
