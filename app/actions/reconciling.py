"""Ask the providers at once what became of the messages."""

from __future__ import annotations

from app.wiring.probes import chosen_accounts
from app.wiring.settings import Settings
from scheduler.receipts.reconcile import poll_once
from storage.database.engine import Engine


async def reconcile_now(engine: Engine, settings: Settings, account: str | None) -> int:
    """One polling pass over every account, or over one; how many messages moved on.

    Raises NotFound for an account that there is not, UsageError where there is none at all.
    """
    chosen_accounts(settings, account)
    return await poll_once(engine, settings.accounts, account)
