"""Logging: a sentence for people, then the stable `action` and ids for machines, on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Final

_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Sentence(logging.Formatter):
    """`12:00:01 WARNING The lane is paused. action=lane_paused lane=ourvoice/shop`"""

    def format(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{key}={value}" for key, value in record.__dict__.items() if key not in _OWN)
        return f"{super().format(record)} {extras}".rstrip()


def set_up_logs(*, verbose: bool) -> None:
    """Warnings and errors of everything; with `verbose`, what Drumbeat itself does as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Sentence("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # The clock says so whenever a duty is still at work as its next turn comes: that is how it is meant to be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    for name in ("scheduler", "providers", "storage", "app"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.WARNING)
