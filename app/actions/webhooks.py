"""Have webhooks read again that could not be read."""

from __future__ import annotations

from collections.abc import Sequence

from app.wiring.rights import act
from campaigns.errors import NotFound
from storage.database.engine import Engine, writing
from storage.receipts import webhook_overview


@act("webhook.again", about="webhook_id")
async def read_again(engine: Engine, webhook_id: int) -> None:
    """The server reads it again at once, with the code that it has now. Raises NotFound."""
    ids: Sequence[int] = [webhook_id]
    async with writing(engine) as connection:
        if not await webhook_overview.read_again(connection, ids):
            raise NotFound(f"There is no webhook {webhook_id} that is set aside.")
