"""Senders: who owns them, what they share, what they may send in a day."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Table,
    false,
    text,
)

from storage.tables.types import Id, Instant, Text, metadata

lanes = Table(
    "lanes",
    metadata,
    Column("name", Text, primary_key=True, comment="account/sender"),
    Column(
        "epoch", BigInteger, nullable=False, server_default=text("0"), comment="fences every write of a shift"
    ),
    Column("holder", Text, comment="the process that owns the lane now"),
    Column("lease_until", Instant),
    Column("paused_reason", Text, comment="null: not paused"),
    Column(
        "paused_until",
        Instant,
        comment="null with a reason: until a person resumes it or its session is back",
    ),
    Column("last_sent_at", Instant),
    Column(
        "refusals",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how often in a row the sender was refused; any: the next message goes alone",
    ),
    Column(
        "pause_stays",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the pause ends by a person or the provider's own notice, not by a check of the sender",
    ),
)

unique_recipients = Table(
    "unique_recipients",
    metadata,
    Column("account", Text, primary_key=True),
    Column("phone", Text, primary_key=True),
    Column("at", Instant, nullable=False, comment="when it was last written to outside a window"),
    Index("ix_unique_recipients_account_at", "account", "at"),
)
"""Whom an account has reached outside a window: its tier limits how many in any 24 hours."""

tier_counts = Table(
    "tier_counts",
    metadata,
    Column("account", Text, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("reached", BigInteger, nullable=False, comment="people reached outside a window after `since`"),
)
"""How many an account has reached, so that they are not counted at every slice."""

daily_sends = Table(
    "daily_sends",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("campaign_id", Id, primary_key=True),
    Column("day", Text, primary_key=True, comment="YYYY-MM-DD in the campaign's zone"),
    Column("sent", BigInteger, nullable=False),
)
"""How many a campaign has sent on a lane each day: for the ramp."""

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True, comment="as lanes.holder names it"),
    Column("kind", Text, nullable=False, comment="runner, clock or worker"),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("places", Integer, comment="how many lanes it works at once; null: any number, or none"),
    Column("leads", Boolean, nullable=False, comment="whether it holds the runner's lock"),
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
"""The processes that work on this database; only for display."""

account_grants = Table(
    "account_grants",
    metadata,
    Column("account", Text, primary_key=True),
    Column(
        "free_at", BigInteger, nullable=False, comment="UTC microseconds: the first moment not given away yet"
    ),
)
"""What lanes of one account share across processes: its time, given away slot by slot."""
