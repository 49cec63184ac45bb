"""Fetch the delivery status of messages from the providers now."""

from __future__ import annotations

from collections.abc import Collection

from app.wiring.rights import act
from app.wiring.settings import Settings
from scheduler.receipts.reconcile import poll_once
from storage.database.engine import Engine


@act("reconcile", about=None)
async def reconcile_now(engine: Engine, settings: Settings, accounts: Collection[str]) -> int:
    """One polling pass over these accounts of the settings; returns how many messages were updated."""
    return await poll_once(engine, {name: settings.account(name) for name in accounts})
