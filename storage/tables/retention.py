"""What stays of purged data, and when each daily duty last ran."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Table,
)

from storage.tables.types import Id, Instant, Text, metadata

daily_duties = Table(
    "daily_duties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at", Instant, nullable=False, comment="when it was last done to the end"),
)
"""What the clock does once a day, whichever process keeps it."""

purged_jobs = Table(
    "purged_jobs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("counts", Boolean, primary_key=True, comment="no test, and the newest of its person's tries"),
    Column("state", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("taken", Boolean, primary_key=True, comment="whether the provider gave it an id"),
    Column("settled", Boolean, primary_key=True, comment="whether its charge is known"),
    Column("currency", Text, primary_key=True),
    Column("priced", Boolean, primary_key=True, comment="whether its price was known"),
    Column("price_currency", Text, primary_key=True),
    Column("jobs", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
)
"""What the reports count of jobs that are purged; an empty text stands for null."""

purged_rejects = Table(
    "purged_rejects",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id"), primary_key=True),
    Column("code", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("first_line", BigInteger, nullable=False),
)
