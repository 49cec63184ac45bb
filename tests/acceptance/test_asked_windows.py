"""Windows that only the provider knows: it is asked, and the message takes the form that its answer allows."""

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

TEMPLATE = {"name": "order_shipped", "language": "en", "parameters": {"order_id": "{{ first_name }}"}}
WROTE = [phone(number) for number in range(5)]


async def go(engine: Engine, folder: Path, transport: InMemory) -> None:
    (folder / "key").write_text("test-key")
    account = adapter_class("messaging_api").account_settings.model_validate(
        {
            "adapter": "messaging_api",
            "base_url": "http://emulator/messaging_api",
            "api_key": f"file:{folder / 'key'}",
            "senders": [
                {"name": "shop", "business_whatsapp_number_id": "f0e1d2c3-1234-4abc-9def-000011113333"}
            ],
        }
    )
    await run(
        engine,
        {"messaging_api": account},
        until_idle=True,
        wait_receipts=timedelta(0),
        transport=transport,
    )


@pytest.mark.parametrize(
    ("content", "others"),
    [
        ({"text": "Hi", "template": TEMPLATE}, ("template", None)),
        ({"text": "Hi"}, (None, None)),
        ({"text": "Hi", "closed_window": "wait"}, (None, "window")),
    ],
)
async def test_who_wrote_gets_the_text_and_the_others_what_a_closed_window_allows(
    engine: Engine, tmp_path: Path, content: dict[str, Any], others: tuple[str | None, str | None]
) -> None:
    transport = InMemory(Settings())
    await transport.tell("POST", "/messaging_api/_control/inbound", {"from": WROTE})
    await store_campaign(engine, spec(provider="messaging_api", content=content), 12)
    await go(engine, tmp_path, transport)
    forms = Counter((row.form, row.held_by, row.phone in WROTE) for row in await job_rows(engine))
    assert forms == {("text", None, True): 5, (*others, False): 7}
