"""Predicates of partial indexes: a query that is to use the index repeats them verbatim. And one that queries share."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, or_, text

from storage.tables.lanes import lanes
from storage.tables.types import NOW

IS_PENDING: Final = text("jobs.state = 'pending'")
"""Must repeat the predicate of the partial index `ix_jobs_due` verbatim: with a parameter for the state, a prepared
statement would read every job of the run."""
IS_HELD: Final = text("jobs.held_by IS NOT NULL")
"""Must repeat the predicate of the partial index `ix_jobs_held` verbatim."""
OPEN: Final = text("jobs.state IN ('sending', 'in_doubt')")
"""Must repeat the predicate of the partial index `ix_jobs_open` verbatim: SQLite does not see that a parameter is among
them, and would read the whole table."""
NOT_COUNTED: Final = text("NOT inbound.counted")
"""Must repeat the predicate of the partial index `ix_inbound_new` verbatim."""
IS_PAUSED: Final = and_(
    lanes.c.paused_reason.is_not(None), or_(lanes.c.paused_until.is_(None), lanes.c.paused_until > NOW)
)
"""As `LaneRow.paused` of a row that has been read."""
