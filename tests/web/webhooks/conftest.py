"""The receiver with an account of every provider that has webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from scheduler.sending.lanes import open_account
from storage.database.engine import Engine
from tests.providers.contract import SECRET, table_of
from tests.web.conftest import Hooks, hooks_on
from tests.web.webhooks.bodies import MADE

ARRIVED = datetime(2026, 11, 16, tzinfo=UTC)
"""After what the bodies name as the time of their events."""


@pytest.fixture
async def every(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hooks]:
    """Signatures are checked elsewhere."""
    monkeypatch.setenv("CONTRACT_TEST_KEY", SECRET)
    accounts = {name: open_account(name, table_of(name).settings()) for name in MADE}
    for account in accounts.values():
        monkeypatch.setattr(account.adapter, "verify", lambda _: True)
    async with hooks_on(engine, accounts, now=lambda: ARRIVED) as hooks:
        yield hooks
    for account in accounts.values():
        await account.http.aclose()
