"""Who is opted out, as `contacts list` finds it."""

from __future__ import annotations

from campaigns.phones.stop_words import Scope
from storage.database.engine import Engine, reading
from storage.sending.optouts import stream_opted_out


async def opted_out(engine: Engine, scope: Scope | None = None) -> list[tuple[str, str]]:
    async with reading(engine) as connection:
        return [(entry.phone, entry.scope) async for entry in stream_opted_out(connection, scope)]
