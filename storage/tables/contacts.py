"""People across campaigns: opt-outs, windows, who was written to and when, what they wrote."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    LargeBinary,
    Table,
    UniqueConstraint,
    false,
    true,
)

from storage.tables.types import Id, Instant, Text, metadata, partial_index

optouts = Table(
    "optouts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("phone", Text, nullable=False),
    Column("scope", Text, nullable=False, comment="marketing or all"),
    Column("action", Text, nullable=False, comment="out or in; the newest row of a phone and scope holds"),
    Column("source", Text, nullable=False, comment="who or what said so"),
    Column("evidence", Text),
    Column("at", Instant, nullable=False),
    Index("ix_optouts_phone", "phone"),
)

pseudonym_keys = Table(
    "pseudonym_keys",
    metadata,
    Column("name", Text, primary_key=True, comment="what is hashed with it"),
    Column("key", LargeBinary, nullable=False),
)
"""Made with the database: who was erased is known again by a hash with it. See `storage.sending.erased`."""

windows = Table(
    "windows",
    metadata,
    Column("phone", Text, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("open_until", Instant, nullable=False, comment="the 24-hour customer service window's end"),
    Column("known_by", Text, nullable=False, comment="inbound, provider or closing: how it is known"),
    Column("updated_at", Instant, nullable=False),
    Column("free_until", Instant, comment="the free entry point's end; null: no advertisement led here"),
)

touches = Table(
    "touches",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "job_id", Id, nullable=False, unique=True, comment="no foreign key: a touch outlives a purged job"
    ),
    Column("phone", Text, nullable=False),
    Column("at", Instant, nullable=False, comment="when the intent was committed"),
    Column("campaign_id", Id, nullable=False),
    Column("lane", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("tags", Text, nullable=False, comment="JSON list"),
    Column("counts", Boolean, nullable=False, comment="whether it uses up frequency caps"),
    Column(
        "void",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the message failed; it may yet arrive",
    ),
    Column(
        "outside",
        Boolean,
        nullable=False,
        server_default=true(),
        comment="sent outside the person's window: the account's tier counts the person",
    ),
    Column("ramp_day", Text, comment="the day of the campaign's ramp that counts it; null: it has no ramp"),
    Index("ix_touches_phone", "phone"),
)
"""Capacity taken by messages that left or may have: reserved with the intent, given back on a definite failure. It
names all that the message takes beside money, so that all of it can be given back."""

user_ids = Table(
    "user_ids",
    metadata,
    Column("account", Text, primary_key=True),
    Column("user_id", Text, primary_key=True, comment="the provider's id of a person"),
    Column("phone", Text, comment="null: not known yet"),
    Column("at", Instant, nullable=False, comment="when it was learnt"),
    Index("ix_user_ids_phone", "phone"),
)
"""The number that belongs to a provider's user id."""

inbound = Table(
    "inbound",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("lane", Text, comment="null: the sender it came to is not known"),
    Column("phone", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("message_id", Text),
    Column("text", Text),
    Column("payload", Text, comment="payload or id of the button or list row that was pressed"),
    Column("answers", Text, comment="the provider's id of the message that was answered"),
    Column(
        "counted",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="whether the messages that it answers are marked",
    ),
    UniqueConstraint("account", "message_id"),
    Index("ix_inbound_phone_at", "phone", "at"),
    partial_index("ix_inbound_new", "id", where="NOT counted"),
)
"""What people wrote to us: replies, and the evidence of an opt-out."""
