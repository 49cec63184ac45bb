"""How many messages are in each state: kept by triggers, so that nobody has to count them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from storage.tables.types import Id, Text, metadata

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
    Index("ix_job_counts_run", "run_id", "state", "code"),
)
"""The sum of `jobs` over the rows that are alike is the number of such messages; an empty text stands for null.

The triggers of migration 0021 write it in the transaction that changes a message, whoever does. On SQLite there is one
row to a group. On PostgreSQL each statement adds rows, so that no two transactions wait for the same one, and now and
then the rows of a run are added up."""
