"""Bodies of Meta's and Kapso's webhooks about a person, and what they left in the database."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from storage.database.engine import Engine, reading
from storage.sending.optouts import optout_scopes
from storage.tables.receipts import notices
from tests.web.conftest import Hooks

CYD, CYD_ID = "+447700900413", "GB.3333333333333"
MADE = ("meta", "kapso", "bird", "voicebip")


async def tell(hooks: Hooks, account: str, body: Any, **headers: str) -> None:
    assert (await hooks.post(orjson.dumps(body), account, headers)).status_code == 200
    await hooks.process()


def meta(**value: Any) -> dict[str, Any]:
    field = "user_preferences" if "user_preferences" in value else "messages"
    told = {"metadata": {"phone_number_id": "106540352242922"}, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": field, "value": told}]}],
    }


def meta_message(**message: Any) -> dict[str, Any]:
    return meta(messages=[{"id": "wamid.in", "timestamp": "1794744000", "type": "text", **message}])


def kapso(message: dict[str, Any], **conversation: Any) -> dict[str, Any]:
    told = {"id": "wamid.in", "timestamp": "1794744000", "kapso": {"direction": "inbound"}, **message}
    return {"message": told, "conversation": conversation, "phone_number_id": "106540352242922"}


async def opted_out(engine: Engine, *numbers: str) -> dict[str, frozenset[str]]:
    async with reading(engine) as connection:
        return await optout_scopes(connection, numbers)


async def unknown_people(engine: Engine) -> list[tuple[str, str]]:
    async with reading(engine) as connection:
        kept = await connection.execute(
            select(notices.c.subject, notices.c.text).where(notices.c.kind == "unknown_person")
        )
        return [(subject, text) for subject, text in kept]
