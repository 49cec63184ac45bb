"""A campaign that chooses the Marketing Messages API goes through it, whatever the account's settings say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pytest

from emulators.settings import Settings
from scheduler.clock.runner import run
from storage.database.engine import Engine
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import spec, store_campaign

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("account", "campaign", "expected"),
    [
        ({}, {"policy": "strict", "share_activity": False}, ("marketing_messages", "STRICT", False)),
        ({"marketing_messages": "strict"}, {"policy": "off"}, ("messages", None, None)),
    ],
)
async def test_it_is_the_campaigns_choice(
    sqlite_engine: Engine,
    tmp_path: Path,
    account: dict[str, str],
    campaign: dict[str, object],
    expected: tuple[object, ...],
) -> None:
    emulator, seen = InMemory(Settings()), []

    async def look(request: httpx.Request) -> None:
        body = orjson.loads(request.content)
        endpoint = request.url.path.rpartition("/")[2]
        seen.append((endpoint, body.get("product_policy"), body.get("message_activity_sharing")))

    emulator.before_send = look
    wanted = spec(
        provider="shop",
        senders=["one"],
        category="marketing",
        content={"template": TEMPLATE},
        marketing_messages=campaign,
    )
    await store_campaign(sqlite_engine, wanted, 1, start_at=NOON)
    accounts = {"shop": account_at("meta", tmp_path / "key", **account)}
    wait = timedelta(0)
    await run(
        sqlite_engine, accounts, transport=emulator, now=lambda: NOON, until_idle=True, wait_receipts=wait
    )
    assert seen == [expected]
    assert len(await emulator.ledger()) == 1
