"""The notifications: what people were notified of, who, and whether it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns.frozen import frozen
from storage.database.engine import Engine, reading
from storage.notify.deliveries import DELIVERED, list_deliveries
from storage.notify.events import WAITING


@frozen
class NotificationRow:
    number: int
    at: datetime
    """When it happened."""
    event: str
    about: str
    """The campaign, the sender or the account."""
    target: str
    """The [[notify]] table."""
    state: str
    """waiting, delivered or failed."""
    attempts: int
    next_at: datetime | None
    """When it is tried again."""
    delivered_at: datetime | None
    problem: str | None
    id: str
    """As the receiver knows it."""


async def list_notifications(
    engine: Engine, limit: int, *, undelivered: bool = False
) -> Sequence[NotificationRow]:
    """The newest first; `undelivered`: only those that wait or were given up."""
    async with reading(engine) as connection:
        found = await list_deliveries(connection, limit, undelivered=undelivered)
    return [
        NotificationRow(
            number=one.id,
            at=one.at,
            event=one.event,
            about=one.campaign or one.about.partition(":")[2],
            target=one.target,
            state=one.state,
            attempts=one.attempts,
            next_at=one.next_at if one.state == WAITING else None,
            delivered_at=one.done_at if one.state == DELIVERED else None,
            problem=one.problem,
            id=one.uid,
        )
        for one in found
    ]
