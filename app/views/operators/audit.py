"""Who did what, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from campaigns.frozen import frozen
from storage.access.audit import AuditRow, list_acts
from storage.database.engine import Connection

PAGE: Final = 100


@frozen
class AuditPage:
    """A page of acts, the newest first."""

    rows: Sequence[AuditRow]
    older: int | None
    """Where the next page begins; None: this is the last."""


async def audit_page(
    connection: Connection,
    *,
    before: int | None = None,
    subject: str | None = None,
    actor: str | None = None,
    size: int = PAGE,
) -> AuditPage:
    """`before`: the `older` of the page before."""
    rows = await list_acts(connection, size + 1, before=before, subject=subject, actor=actor)
    return AuditPage(rows[:size], rows[size - 1].id if len(rows) > size else None)
