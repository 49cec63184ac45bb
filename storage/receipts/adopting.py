"""A message in doubt that the provider turns out to have: the job takes its id, and what was reported of it before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.receipts.receipts import DoubtRow, adopt_message
from storage.receipts.statuses import apply_unmatched


async def adopt(
    connection: AsyncConnection,
    account: str,
    doubt: DoubtRow,
    message_id: str,
    now: datetime,
    *,
    polls: bool = True,
) -> bool:
    """As `adopt_message`, with the reports that came while nobody knew whose they were."""
    if not await adopt_message(connection, doubt, message_id, now, polls=polls):
        return False
    await apply_unmatched(connection, account, [message_id], now, failures=False)
    return True
