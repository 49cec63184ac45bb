"""Frees the space of rows that were deleted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


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
