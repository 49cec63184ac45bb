"""The metadata with every table in it; to import one subject loads no other."""

from __future__ import annotations

from storage.tables import (
    access,
    audience,
    contacts,
    counts,
    lanes,
    limits,
    media,
    money,
    notify,
    origin,
    receipts,
    retention,
    runs,
    templates,
)
from storage.tables.types import metadata

__all__ = [
    "access",
    "audience",
    "contacts",
    "counts",
    "lanes",
    "limits",
    "media",
    "metadata",
    "money",
    "notify",
    "origin",
    "receipts",
    "retention",
    "runs",
    "templates",
]
