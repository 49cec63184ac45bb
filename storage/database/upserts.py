"""INSERT … ON CONFLICT, which each database has under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    Upsert = postgresql.Insert | sqlite.Insert


def upsert_into(is_sqlite: bool, table: Table) -> Upsert:
    """An INSERT that takes `on_conflict_do_…`. Loads only the dialect in use: each is a tenth of a command's time."""
    if is_sqlite:
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
