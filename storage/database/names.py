"""Names for the completion of a shell, asked of the driver itself: loading SQLAlchemy takes longer than the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Final, Literal
from urllib.parse import quote

_TIMEOUT: Final = 1
"""Seconds."""
_QUERIES: Final = {
    "campaigns": "SELECT name FROM campaigns ORDER BY id DESC LIMIT 500",
    "runs": (
        "SELECT runs.id FROM runs JOIN campaigns ON campaigns.id = runs.campaign_id "
        "WHERE campaigns.name = ? AND runs.kind = 'scheduled' ORDER BY runs.id DESC LIMIT 500"
    ),
}


def select_names(url: str, of: Literal["campaigns", "runs"], *values: str) -> Sequence[str]:
    """The names, the newest first; none where the database cannot be read at once."""
    try:
        if url.startswith("sqlite:///"):
            return _from_sqlite(url.removeprefix("sqlite:///"), _QUERIES[of], values)
        return _from_postgresql(url, _QUERIES[of].replace("?", "%s"), values)
    except Exception:  # whatever is wrong, a shell that completes must stay silent
        return []


def _from_sqlite(file: str, query: str, values: Sequence[str]) -> list[str]:
    with closing(sqlite3.connect(f"file:{quote(file)}?mode=ro", timeout=_TIMEOUT, uri=True)) as connection:
        return [str(name) for (name,) in connection.execute(query, values)]


def _from_postgresql(url: str, query: str, values: Sequence[str]) -> list[str]:
    import psycopg

    with psycopg.connect(url, connect_timeout=_TIMEOUT) as connection:
        rows = connection.execute(query.encode(), list(values)).fetchall()
    return [str(name) for (name,) in rows]
