"""Where the database comes from: a copy must not send what the original has sent meanwhile."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from storage.tables.types import Text, metadata

origin = Table(
    "origin",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("place", Text, nullable=False, comment="JSON: where a runner last worked on it"),
)
"""One row, of id 1; none until a runner has worked on it."""
