"""A person who came through an advertisement: until when messages to them cost nothing, as the statuses show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from storage.database.engine import reading, writing
from storage.receipts.user_ids import learn_numbers
from storage.tables.contacts import windows
from tests.support.campaigns import later
from tests.web.conftest import Hooks
from tests.web.webhooks.bodies import CYD, CYD_ID, kapso, meta, tell
from tests.web.webhooks.conftest import ARRIVED

ENDS = datetime(2026, 1, 3, tzinfo=UTC)


def status(until: datetime, origin: str = "referral_conversion", **person: Any) -> dict[str, Any]:
    conversation = {
        "id": "c1",
        "expiration_timestamp": str(int(until.timestamp())),
        "origin": {"type": origin},
    }
    return {
        "id": "wamid.x",
        "status": "sent",
        "timestamp": "1767225600",
        "conversation": conversation,
        **person,
    }


async def free_until(hooks: Hooks) -> list[tuple[str, str, datetime | None]]:
    async with reading(hooks.engine) as connection:
        found = await connection.execute(select(windows.c.phone, windows.c.lane, windows.c.free_until))
        return [tuple(row) for row in found]  # type: ignore[misc]


async def test_metas_status_shows_it_by_number_or_user_id(every: Hooks) -> None:
    await tell(every, "meta", meta(statuses=[status(ENDS, recipient_user_id=CYD_ID)]))
    [(name, lane, until)] = await free_until(every)
    assert (name, until) == (f"user:meta/{CYD_ID}", ENDS)
    async with writing(every.engine) as connection:
        await learn_numbers(connection, "meta", {CYD_ID: CYD}, later(9))
    assert await free_until(every) == [(CYD, lane, ENDS)]
    earlier = status(ENDS - timedelta(hours=1), recipient_id=CYD[1:])
    other = status(ENDS + timedelta(hours=1), "service", recipient_id=CYD[1:])
    absurd = status(ENDS + timedelta(days=900), recipient_id=CYD[1:])
    await tell(every, "meta", meta(statuses=[earlier, other]))
    assert await free_until(every) == [(CYD, lane, ENDS)]
    await tell(every, "meta", meta(statuses=[absurd]))
    [(_, _, most)] = await free_until(every)
    assert most == ARRIVED + timedelta(days=7)


async def test_kapso_passes_it_on_among_the_statuses(every: Hooks) -> None:
    inner = {"direction": "outbound", "status": "sent", "statuses": [status(ENDS, recipient_id=CYD[1:])]}
    await tell(every, "kapso", kapso({"id": "wamid.x", "kapso": inner}, phone_number=CYD))
    assert {(phone, until) for phone, _, until in await free_until(every)} == {(CYD, ENDS)}
