"""What arrived from providers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
)

from storage.tables.types import Id, Instant, Text, metadata, partial_index

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("url", Text, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON object, names in lower case, secrets left out"),
    # On PostgreSQL its storage is EXTERNAL: what can be made shorter is packed, and trying once more costs most of all.
    Column(
        "body",
        LargeBinary,
        nullable=False,
        comment="verified before it is stored; packed where size is given",
    ),
    Column("processed_at", Instant),
    Column("problem", Text, comment="why nothing could be made of it"),
    Column("size", Integer, comment="bytes of the body where it is packed; null: it is as it arrived"),
    partial_index("ix_webhooks_new", "id", where="processed_at IS NULL"),
    partial_index("ix_webhooks_problem", "id", where="problem IS NOT NULL"),
)

unmatched_reports = Table(
    "unmatched_reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column(
        "message_id",
        Text,
        nullable=False,
        comment="of a message whose own answer is not stored yet, or not ours",
    ),
    Column("report", Text, nullable=False, comment="JSON"),
    Column("stored_at", Instant, nullable=False),
    Index("ix_unmatched_reports_message", "account", "message_id"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

webhook_refusals = Table(
    "webhook_refusals",
    metadata,
    Column("account", Text, primary_key=True),
    Column("count", BigInteger, nullable=False, comment="webhooks refused for a wrong or missing signature"),
    Column("last_at", Instant, nullable=False),
)

not_understood = Table(
    "not_understood",
    metadata,
    Column("account", Text, primary_key=True),
    Column("kind", Text, primary_key=True, comment="what it was, such as: field flows"),
    Column("count", BigInteger, nullable=False, comment="parts of webhooks whose meaning is not known"),
    Column("last_at", Instant, nullable=False),
)
