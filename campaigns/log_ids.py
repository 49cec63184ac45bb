"""Which lane, run and job a log line is about: said once by whoever works on them, true of every line written beneath.

Tasks started meanwhile inherit it. `app.wiring.logs` puts it into the lines.
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
    """Name them, such as `lane="ourvoice/shop"`, beside those that hold already."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def current_ids() -> Mapping[str, str | int]:
    return _ids.get()
