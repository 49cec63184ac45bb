"""A campaign through each provider's own adapter and emulator: a closed window gets the template, an open one the free
form where the provider's own window is open too; everyone once, and the states agree with the ledger."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulators.settings import Settings
from providers.registry import adapter_class
from scheduler.clock.runner import run
from storage.database.engine import Engine
from tests.acceptance.conftest import InMemory
from tests.support.campaigns import job_rows, phone, spec, store_campaign

SIZE = 24
TEMPLATE = {"name": "spring_sale", "language": "en", "parameters": ["{{ first_name }}"]}
NAMED = {"name": "order_shipped", "language": "en", "parameters": {"order_id": "{{ first_name }}"}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "bird": (
        {
            "workspace_id": "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001",
            "senders": [{"name": "shop", "channel_id": "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"}],
        },
        {
            **NAMED,
            "project_id": "3c90c3cc-0d44-4b50-8888-8dd257360521",
            "version": "3c90c3cc-0d44-4b50-8888-8dd257360522",
        },
        {"delivered", "read"},
    ),
    "kapso": (
        {
            "api": "current",
            "base_url": "http://emulator/kapso/meta/whatsapp/v24.0",
            "senders": [{"name": "shop", "phone_number_id": "123456789012345"}],
        },
        TEMPLATE,
        {"delivered", "read"},
    ),
    "meta": (
        {
            "base_url": "http://emulator/meta/v24.0",
            "senders": [{"name": "shop", "phone_number_id": "106540352242922"}],
        },
        TEMPLATE,
        {"accepted"},  # its receipts come by webhook only
    ),
    "messaging_api": (
        {
            "senders": [
                {"name": "shop", "business_whatsapp_number_id": "f0e1d2c3-1234-4abc-9def-000011113333"}
            ]
        },
        NAMED,
        {"sent", "delivered", "read"},
    ),
    "voicebip": (
        {"senders": [{"name": "shop", "agent_id": "agt_PAEZ_njcfm2kycpjs", "number": "+447700900100"}]},
        TEMPLATE,
        {"accepted"},  # its receipts come by webhook only
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_campaign_through_every_provider(sqlite_engine: Engine, tmp_path: Path, name: str) -> None:
    keys, template, states = CASES[name]
    (tmp_path / "key").write_text("test-key")
    account = adapter_class(name).account_settings.model_validate(
        {
            "adapter": name,
            "base_url": f"http://emulator/{name}",
            "api_key": f"file:{tmp_path / 'key'}",
            "settle_after": "1s",
            **keys,
        }
    )
    wanted = spec(provider=name, content={"text": "Hi {{ first_name }}", "template": template})
    await store_campaign(sqlite_engine, wanted, SIZE)
    transport = InMemory(Settings.parse({"sent_after": 0.01, "delivered_after": 0.02, "read_after": 0.03}))
    summary = await run(
        sqlite_engine,
        {name: account},
        until_idle=True,
        wait_receipts=timedelta(seconds=3),
        transport=transport,
    )
    rows = await job_rows(sqlite_engine)
    assert sum(summary.states.values()) == SIZE
    assert {row.state for row in rows} <= states, Counter((r.state, r.reason, r.code) for r in rows)
    assert {row.form for row in rows} == {"template"}
    if not adapter_class(name).capabilities.polls:
        assert [row.poll_at for row in rows] == [None] * SIZE
    received = Counter(entry["to"].lstrip("+") for entry in await transport.ledger())
    assert received == {phone(number)[1:]: 1 for number in range(SIZE)}


async def test_who_stopped_marketing_at_the_provider_is_not_asked_again(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("test-key")
    keys, template, _ = CASES["meta"]
    account = adapter_class("meta").account_settings.model_validate(
        {"adapter": "meta", "api_key": f"file:{tmp_path / 'key'}", **keys}
    )
    transport = InMemory(Settings())
    await transport.tell("POST", "/meta/_control/refuse", {"code": 131050, "times": 1})
    for name in ("first", "second"):
        wanted = spec(name, provider="meta", content={"template": template})
        await store_campaign(sqlite_engine, wanted, 1)
        await run(
            sqlite_engine, {"meta": account}, until_idle=True, wait_receipts=timedelta(0), transport=transport
        )
    rows = await job_rows(sqlite_engine)
    assert [(row.state, row.reason) for row in rows] == [("failed", "opted_out"), ("skipped", "opted_out")]
    assert await transport.ledger() == []
