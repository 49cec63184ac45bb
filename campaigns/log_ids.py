"""Adds the lane, run and job to log lines: set once around the work, for every line logged within.

Tasks started within inherit the ids. `app.wiring.logs` puts it into the lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_NONE: Final[Mapping[str, str | int]] = {}
_ids: ContextVar[Mapping[str, str | int]] = ContextVar("log_ids", default=_NONE)


@contextmanager
def log_ids(**ids: str | int) -> Iterator[None]:
    """Add ids such as `lane="ourvoice/shop"` to those already set."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def add_log_ids(ids: Mapping[str, str | int]) -> None:
    """As `log_ids`, for the rest of a task."""
    _ids.set({**_ids.get(), **ids})


def current_ids() -> Mapping[str, str | int]:
    return _ids.get()
