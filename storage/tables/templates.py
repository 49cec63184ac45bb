"""Message templates as providers list them."""

from __future__ import annotations

from sqlalchemy import Column, Table

from storage.tables.types import Instant, Text, metadata

template_lists = Table(
    "template_lists",
    metadata,
    Column("account", Text, primary_key=True),
    Column("fetched_at", Instant, comment="when the list below was read; null: never"),
    Column("expired_at", Instant, comment="when an event showed that it changed after that; null: none did"),
    Column("problem", Text, comment="why the last attempt to read it failed; null: it did not"),
    Column("problem_at", Instant),
)
"""The list of each account that has been asked for."""

templates = Table(
    "templates",
    metadata,
    Column("account", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("status", Text, nullable=False, comment="the provider's own, in capitals"),
    Column("category", Text, nullable=False),
    Column("previous_category", Text),
    Column("quality", Text),
    Column("reason", Text, comment="why it was rejected"),
    Column("parts", Text, nullable=False, comment="JSON: header, body, footer, buttons"),
)
