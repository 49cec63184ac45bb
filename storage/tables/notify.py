"""What people are notified of, and each delivery of it."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, UniqueConstraint, text

from storage.tables.types import Id, Instant, Text, metadata, partial_index

notify_events = Table(
    "notify_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "uid",
        Text,
        nullable=False,
        unique=True,
        default=lambda: uuid4().hex,
        comment="by which a receiver recognises one that it has",
    ),
    Column("event", Text, nullable=False, comment="as campaigns.notify_events names it"),
    Column("about", Text, nullable=False, comment="run:ID, campaign:ID, lane:NAME, account:NAME, …"),
    Column("series", Text, nullable=False, comment="events of one series are delivered in their order"),
    Column("campaign_id", Id),
    Column("run_id", Id),
    Column("detail", Text, nullable=False, comment="the reason or the figures, without phone numbers"),
    Column("amount", BigInteger, comment="how many messages or rows it is about"),
    Column("at", Instant, nullable=False),
    Column("ended_at", Instant, comment="null: it lasts, or is announced once and for all"),
    partial_index("ux_notify_events_open", "event", "about", where="ended_at IS NULL", unique=True),
)

notify_targets = Table(
    "notify_targets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("since", Instant, nullable=False, comment="what happened before is not announced to it"),
)
"""The [[notify]] tables that a runner has seen."""

notify_deliveries = Table(
    "notify_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Id, ForeignKey("notify_events.id"), nullable=False),
    Column("target", Text, nullable=False, comment="the name of a [[notify]] table"),
    Column("state", Text, nullable=False, comment="waiting, delivered or failed"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", Instant, nullable=False, comment="of one that waits: not tried before it"),
    Column("problem", Text, comment="why the last attempt failed"),
    Column("done_at", Instant),
    UniqueConstraint("event_id", "target"),
    Index("ix_notify_deliveries_target", "target", "state", "id"),
)
