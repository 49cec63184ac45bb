"""Budgets, what messages have reserved of them, and prices learnt from providers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Table,
    false,
)

from storage.tables.types import Id, Text, metadata

budgets = Table(
    "budgets",
    metadata,
    Column(
        "key",
        Text,
        primary_key=True,
        comment="CAMPAIGN:run:ID, CAMPAIGN:day:YYYY-MM-DD or CAMPAIGN:month:YYYY-MM",
    ),
    Column("currency", Text, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False, comment="worst case of what is not settled"),
    Column("spent_micros", BigInteger, nullable=False, comment="settled on the provider's word"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("paid_from", Text, nullable=False, comment="JSON list of the budgets' keys"),
    Column("micros", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column(
        "void",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the message failed; it may yet arrive",
    ),
    Column("spent_micros", BigInteger, comment="what the provider has named last; null: nothing yet"),
)
"""Money reserved for a message: made with its intent, settled when the provider reports, which may change, and deleted
once nothing was sent for certain."""

learnt_prices = Table(
    "learnt_prices",
    metadata,
    Column("campaign_id", Id, primary_key=True, autoincrement=False),
    Column("currency", Text, primary_key=True),
    Column("expected_micros", BigInteger, primary_key=True, autoincrement=False),
    Column("cost_micros", BigInteger, nullable=False, comment="the most that such a message has cost"),
)
"""What messages of a campaign with a budget cost where that is more than was expected."""
