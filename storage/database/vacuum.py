"""Maintain tables: free the space of deleted rows (VACUUM), and update statistics after large inserts (ANALYZE)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage.database.engine import is_sqlite

FEW: Final = 1_000
"""Rows that may be read whole without being noticed."""
NOTABLE: Final = 0.05
"""What share of its rows a table must have gained for PostgreSQL to look at it anew."""


async def learn_growth(connection: AsyncConnection, table: Table, added: int) -> None:
    """Let PostgreSQL look at a table that has grown much in this transaction. It would by itself a minute later, and
    until then look for a hundred due jobs as if there were none, reading every one. SQLite does not go by numbers."""
    if is_sqlite(connection) or added < FEW:
        return
    known = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
    rows = await connection.scalar(known, {"name": table.name})
    if added > NOTABLE * (rows or 0):
        await connection.execute(text(f"ANALYZE {table.name}"))


async def free_space(engine: AsyncEngine) -> None:
    """SQLite: the file is written anew without it, others wait, and the disk must hold a second copy. PostgreSQL: new
    rows can use it."""
    if engine.dialect.name != "sqlite":
        alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            await connection.execute(text("VACUUM (ANALYZE)"))
        return
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            await raw.execute_fetchall(statement)
