"""How many messages are in each state, what they cost, and when they were sent: kept by triggers, so that nobody has to
count them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Numeric, Table, false, text

from storage.tables.types import Id, Instant, Text, metadata

job_counts = Table(
    "job_counts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("jobs", BigInteger, nullable=False, comment="may be negative: the sum of those alike counts"),
    Column(
        "variant",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="of those that the provider accepted",
    ),
    Column(
        "outside_test",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="whether their people are outside the variant test",
    ),
    Column(
        "tried_again",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="whether a retry has come in their place",
    ),
    Column(
        "answered",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="whether their people wrote back after they were sent",
    ),
    Index("ix_job_counts_run", "run_id", "state", "code"),
)
"""The sum of `jobs` over the rows that are alike is the number of such messages; an empty text stands for null.

The triggers of migration 0030 write it in the transaction that changes a message, whoever does. On SQLite there is one
row to a group. On PostgreSQL each statement adds rows, so that no two transactions wait for the same one, and now and
then the rows of a run are added up."""

_SUM = Numeric().with_variant(BigInteger(), "sqlite")
"""Of any number of amounts, each of which fits 64 bits."""

cost_sums = Table(
    "cost_sums",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, nullable=False),
    Column("region", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("card_id", Id, nullable=False),
    Column("failed", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False, comment="whether its charge is known"),
    Column("currency", Text, nullable=False),
    Column("priced", Boolean, nullable=False, comment="whether its price was known"),
    Column("price_currency", Text, nullable=False),
    Column("jobs", BigInteger, nullable=False, comment="may be negative, as the sums may"),
    Column("cost_micros", _SUM, nullable=False),
    Column("price_micros", _SUM, nullable=False),
    Index("ix_cost_sums_run", "run_id", "region"),
)
"""What the messages cost that a provider took, in whole micro-units; an empty text and card 0 stand for null.

The triggers of migration 0027 write it, as those of 0030 write `job_counts`. What is purged is in `purged_jobs`."""

time_counts = Table(
    "time_counts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, nullable=False),
    Column("at", Instant, nullable=False, comment="the first moment of those that are counted together"),
    Column("sent", BigInteger, nullable=False, comment="messages that the provider accepted then"),
    Column("delivered", BigInteger, nullable=False, comment="of those that it accepted, arrived then"),
    Index("ix_time_counts_run", "run_id", "at"),
)
"""When the messages of a run were sent and delivered that no retry has come in place of: by the second, or by ten
seconds or a minute in large runs.

The triggers of migration 0029 write it, as those of 0030 write `job_counts`."""
