"""What providers show of the senders' limits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table

from storage.tables.types import Instant, Text, metadata

sender_limits = Table(
    "sender_limits",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("portfolio", Text, comment="the provider's id of what the limit belongs to; null: not known"),
    Column("people", BigInteger, comment="most in 24 hours outside a window; -1: no limit; null: not known"),
    Column("quality", Text),
    Column("throughput", Text),
    Column("verified_name", Text),
    Column("name_status", Text),
    Column("fetched_at", Instant, comment="null: never read"),
    Column("expired_at", Instant, comment="when an event showed that something has changed since"),
    Column("problem", Text, comment="why the last attempt to read it failed; null: it did not"),
)
"""One row for each sender that has been asked about."""
