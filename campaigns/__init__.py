"""The domain: what a campaign is and what the rules say. No database, no network."""

from __future__ import annotations
