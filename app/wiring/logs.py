"""Logging: a sentence for people, or a JSON object for machines, on stderr, one to a line.

Either has the stable `action` and the ids of what it is about. Neither shows a full phone number, whatever wrote it:
a provider's answer or a library's error may contain one too.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from textwrap import indent
from typing import Any, Final, Literal

from campaigns.log_ids import current_ids
from campaigns.masking import masked
from campaigns.visible_text import visible, visible_json, visible_line

Format = Literal["text", "json"]

OURS: Final = ("app", "campaigns", "providers", "scheduler", "storage", "terminal", "web")
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """The `action` and the ids, those of the work it was written in included."""
    own = {key: value for key, value in record.__dict__.items() if key not in _OWN}
    return {**current_ids(), **own}


class _Sentence(logging.Formatter):
    """`12:00:01 WARNING The lane is paused. lane=ourvoice/shop action=lane_paused`"""

    def formatMessage(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{key}={value}" for key, value in _extras(record).items())
        return visible_line(masked(f"{super().formatMessage(record)} {extras}".rstrip()))

    def formatException(self, ei: Any) -> str:
        """Indented, so that no line of it looks like a record of its own."""
        return indent(visible(masked(super().formatException(ei))), "  ")


class _Json(logging.Formatter):
    """`{"at": "…Z", "level": "warning", "logger": "scheduler.sending.lane_health", "message": "…", "lane": "…", …}`"""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return visible_json(
            json.dumps({key: _plain(value) for key, value in line.items()}, ensure_ascii=False)
        )


def _plain(value: Any) -> Any:
    """Whole numbers are ids and counts, never phones; everything else is shown as masked text."""
    return value if value is None or isinstance(value, bool | int | float) else masked(str(value))


def set_up_logs(*, verbose: bool, format: Format = "text") -> None:
    """Log warnings and errors; as JSON also what Drumbeat does, and with `verbose` every refusal."""
    handler = logging.StreamHandler(sys.stderr)
    as_text = _Sentence("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    handler.setFormatter(_Json() if format == "json" else as_text)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    usual = logging.INFO if format == "json" else logging.WARNING
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else usual)


def log_as_json() -> bool:
    """Whether stderr must hold JSON lines only."""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers)
