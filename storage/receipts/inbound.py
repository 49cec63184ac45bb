"""Inbound messages: stored once, however often a provider repeats them, as they are after the person's last edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.contacts import inbound


@frozen
class InboundMessage:
    lane: str | None
    """None: the sender that received it is not known."""
    phone: str
    at: datetime
    message_id: str | None
    text: str | None
    payload: str | None = None
    answers: str | None = None
    is_edit: bool = False
    """Whether it is an earlier message as the person changed it; one without a text was deleted."""


async def keep_inbound(connection: AsyncConnection, account: str, messages: Sequence[InboundMessage]) -> None:
    """Store inbound messages of the account. A deleted message loses its text and what was pressed."""
    rows = [(one.is_edit, {"account": account, **_columns(one)}) for one in messages]
    insert = upsert_into(is_sqlite(connection), inbound)
    if written := [row for is_edit, row in rows if not is_edit]:
        await connection.execute(insert.on_conflict_do_nothing(), written)
    changed = {name: insert.excluded[name] for name in ("text", "payload")}
    for row in (row for is_edit, row in rows if is_edit):
        key = [inbound.c.account, inbound.c.message_id]
        await connection.execute(insert.on_conflict_do_update(index_elements=key, set_=changed), row)


def _columns(message: InboundMessage) -> dict[str, Any]:
    return {name: value for name, value in asdict(message).items() if name != "is_edit"}
