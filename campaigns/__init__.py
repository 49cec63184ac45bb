"""The domain: campaigns, recipient lists, messages and sending rules. No database, no network."""

from __future__ import annotations
