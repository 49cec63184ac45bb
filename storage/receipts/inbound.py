"""Inbound messages: stored once, however often a provider repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables import inbound


@dataclass(frozen=True, slots=True)
class InboundMessage:
    lane: str | None
    """None: the sender that received it is not known."""
    phone: str
    at: datetime
    message_id: str | None
    text: str | None


async def keep_inbound(connection: AsyncConnection, account: str, messages: Sequence[InboundMessage]) -> None:
    """Store inbound messages of the account."""
    if messages:
        insert = upsert_into(is_sqlite(connection), inbound)
        await connection.execute(
            insert.on_conflict_do_nothing(), [{"account": account, **asdict(one)} for one in messages]
        )
