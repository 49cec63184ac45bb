"""Alembic's entry: runs the revisions on the connection that `storage.database.schema` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from storage.tables.all_tables import metadata
from storage.tables.types import Instant


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A revision stays as it was written: it names no type of ours that may change later."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Instant) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
