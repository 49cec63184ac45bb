"""Who stopped marketing, under whatever name the provider has for them, is not written to again; everybody else is."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from emulators.settings import Settings
from scheduler.clock.runner import run
from scheduler.sending.lanes import open_account
from storage.database.engine import Engine
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, spec, store_people
from tests.web.conftest import hooks_on
from tests.web.webhooks.bodies import kapso, meta, meta_message

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ADA, BEA, CYD, DEE, EVE = (
    "+5531988887777", "+525512345678", "+447700900413", "+5491123456789", "+447700900421",
)  # fmt: skip
BYSTANDER = "+447700900422"
EVERYBODY = [ADA, BEA, CYD, DEE, EVE, BYSTANDER]
STAMP = str(int(NOON.timestamp()) + 60)


def stops(provider: str, answered: str) -> list[dict[str, Any]]:
    """Ada by the number as WhatsApp spells it, Bea by the message that she answers, Cyd in the settings by a user id
    that a status has named, Dee by an opt-out button, Eve by a payload."""
    stop = {"type": "text", "text": {"body": "STOP"}, "timestamp": STAMP}
    pressed = {
        "type": "button",
        "button": {"payload": "b1", "text": "Detener promociones"},
        "timestamp": STAMP,
    }
    chosen = {"type": "button_reply", "button_reply": {"id": "STOP", "title": "No more offers"}}
    reply = {"type": "interactive", "interactive": chosen, "timestamp": STAMP}
    status = {"id": "wamid.x", "status": "read", "timestamp": STAMP, "recipient_id": CYD[1:]}
    wish = {"category": "marketing_messages", "value": "stop", "timestamp": int(STAMP)}
    own = provider == "kapso"
    return [
        kapso({**stop, "id": "in1"}, phone_number="+553188887777")
        if own
        else meta_message(**{**stop, "id": "in1", "from": "553188887777"}),
        meta_message(**{**stop, "id": "in2", "from_user_id": "MX.1", "context": {"id": answered}}),
        meta(statuses=[{**status, "recipient_user_id": "GB.3"}]),
        meta(user_preferences=[{"user_id": "GB.3", **wish}]),
        meta_message(**{**pressed, "id": "in4", "from": "5491123456789"}),
        kapso({**reply, "id": "in5"}, phone_number=EVE)
        if own
        else meta_message(**{**reply, "id": "in5", "from": EVE[1:]}),
    ]


@pytest.mark.parametrize("provider", ["meta", "kapso"])
async def test_no_marketing_message_follows_a_stop(
    sqlite_engine: Engine, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = InMemory(Settings())
    settings = account_at(provider, tmp_path / "key")

    async def send(name: str, at: datetime) -> None:
        wanted = spec(name, provider="shop", senders=["one"], content={"template": TEMPLATE})
        await store_people(sqlite_engine, wanted, EVERYBODY, rotate=0, start_at=at)
        wait = timedelta(0)
        await run(
            sqlite_engine,
            {"shop": settings},
            transport=emulator,
            now=lambda: at,
            until_idle=True,
            wait_receipts=wait,
        )

    await send("first", NOON)
    [to_bea] = [row.provider_message_id for row in await job_rows(sqlite_engine) if row.phone == BEA]
    account = open_account("shop", settings)
    monkeypatch.setattr(account.adapter, "verify", lambda _: True)
    async with hooks_on(sqlite_engine, {"shop": account}) as hooks:
        for body in stops(provider, to_bea):
            headers = {"x-webhook-event": "whatsapp.message.received"} if "message" in body else {}
            assert (await hooks.post(orjson.dumps(body), "shop", headers)).status_code == 200
        await hooks.process()
    await account.http.aclose()
    await send("second", NOON + timedelta(hours=2))
    ends = Counter((row.phone, row.state, row.reason) for row in (await job_rows(sqlite_engine))[6:])
    assert ends == {
        **{(phone, "skipped", "opted_out"): 1 for phone in EVERYBODY[:-1]},
        (BYSTANDER, "accepted", None): 1,
    }
