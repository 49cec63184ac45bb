"""Media files of campaigns, and under which ids the providers have them."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table

from storage.tables.types import Instant, Text, metadata

media_files = Table(
    "media_files",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the content; campaign files name it"),
    Column("name", Text, nullable=False, comment="as it was called when it was loaded first"),
    Column("content_type", Text, nullable=False, comment="by its content"),
    Column("content", LargeBinary, nullable=False),
    Column("stored_at", Instant, nullable=False, comment="when it was loaded last"),
)
"""Stored with the campaigns, so that any worker can upload them, now and when their ids have expired."""

media_uploads = Table(
    "media_uploads",
    metadata,
    Column("lane", Text, primary_key=True, comment="the sender: another one has its own id of the same file"),
    Column("digest", Text, primary_key=True),
    Column("media_id", Text, nullable=False, comment="the provider's"),
    Column("expires_at", Instant, nullable=False),
)
