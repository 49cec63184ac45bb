"""Approvals: what was approved is known by its digest, so that any change to it voids the approval."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Text, cast, func, literal, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.runs.editions import of_audience
from storage.tables.audience import campaigns, recipients

PAGE: Final = 5_000
CELL_END: Final = "\x1f"
ROW_END: Final = "\x1e"
"""Neither can stand in a phone, in a zone's name or, unescaped, in JSON."""


@frozen
class Approval:
    """Who approved what, and when."""

    digest: str
    by: str
    at: datetime


async def approval_of(connection: AsyncConnection, campaign_id: int) -> Approval | None:
    """The newest approval of the campaign, whether or not it still holds."""
    columns = (campaigns.c.approved_digest, campaigns.c.approved_by, campaigns.c.approved_at)
    row = (await connection.execute(select(*columns).where(campaigns.c.id == campaign_id))).one()
    return None if row.approved_digest is None else Approval(*row)


async def store_approval(connection: AsyncConnection, campaign_id: int, approval: Approval) -> None:
    """Replaces an earlier one."""
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id)
        .values(approved_digest=approval.digest, approved_by=approval.by, approved_at=approval.at)
    )


async def digest_campaign(
    connection: AsyncConnection, campaign_id: int, start_at: datetime | None = None
) -> str:
    """SHA-256 of all that is sent, to whom and when: the campaign file and the audience, wherever its rows are stored.

    `start_at`: when it is about to start; None: as stored. Reads the audience in the order of its numbers, a page in
    memory at a time.
    """
    columns = (campaigns.c.spec, campaigns.c.start_at)
    spec, stored = (await connection.execute(select(*columns).where(campaigns.c.id == campaign_id))).one()
    content = json.loads(spec)
    head = [content, _moved_to(content, start_at or stored)]
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    async for page in _audience(connection, campaign_id):
        digest.update(page.encode())
    return digest.hexdigest()


def _moved_to(spec: dict[str, Any], start_at: datetime | None) -> str | None:
    """The start of a campaign whose file names one: `--now` may have moved it. Others start on request."""
    once = spec.get("schedule", {}).get("at")
    return start_at.isoformat() if once and start_at else None


async def _audience(connection: AsyncConnection, campaign_id: int) -> AsyncIterator[str]:
    cells: list[ColumnElement[str]] = [recipients.c.phone, recipients.c.vars]
    cells += [func.coalesce(recipients.c.timezone, "")]
    cells += [_millis(recipients.c.send_at), _millis(recipients.c.consent_at)]
    row = cells[0]
    for cell in cells[1:]:
        row = row + literal(CELL_END) + cell
    rows = select(row).where(of_audience(campaign_id)).order_by(recipients.c.phone)
    streamed = await connection.stream_scalars(rows.execution_options(yield_per=PAGE))
    async for page in streamed.partitions():
        yield ROW_END.join((*page, ""))


def _millis(column: ColumnElement[Any]) -> ColumnElement[str]:
    return func.coalesce(cast(type_coerce(column, BigInteger), Text), "")
