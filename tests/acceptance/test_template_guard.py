"""A template that does not fit, where no list of templates can be read: few people meet a refusal, and all are reached
after the mend. Through the emulators of Meta and Kapso, which check it as Meta does."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from campaigns.states import RANK, RunState
from emulators.settings import Settings
from scheduler.actions.control import resume
from scheduler.clock.runner import run
from storage.database.engine import Engine, reading
from storage.runs.runs import open_runs
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, phone, spec, store_campaign
from tests.support.cases import each_once

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIZE = 30
FITS = {"name": TEMPLATE["name"], "language": "en", "status": "APPROVED", "parameters": 1, "header": None}


class Counting(httpx.AsyncBaseTransport):
    """Counts the messages that the emulator refused."""

    def __init__(self, emulator: InMemory) -> None:
        self._emulator, self.refused = emulator, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._emulator.handle_async_request(request)
        self.refused += request.method == "POST" and answer.status_code >= 400
        return answer


CHANGES = (
    ({"parameters": 2}, "132000"),
    ({"header": "IMAGE"}, "132000"),
    ({"status": "PAUSED"}, "132015"),
    ({"status": "REJECTED"}, "132001"),
)


@pytest.mark.parametrize(("provider", "refused"), each_once(["meta", "kapso"], CHANGES))
async def test_few_meet_a_refusal_and_all_are_reached_after_the_mend(
    sqlite_engine: Engine, tmp_path: Path, provider: str, refused: tuple[dict[str, Any], str]
) -> None:
    change, code = refused
    emulator = InMemory(Settings())
    wall = Counting(emulator)
    accounts = {"shop": account_at(provider, tmp_path / "key")}

    async def send(hours: int) -> None:
        at = NOON + timedelta(hours=hours)
        await run(
            sqlite_engine,
            accounts,
            transport=wall,
            now=lambda: at,
            until_idle=True,
            wait_receipts=timedelta(0),
        )

    await emulator.tell("POST", f"/{provider}/_control/templates", {**FITS, **change})
    wanted = spec(provider="shop", senders=["one"], content={"template": TEMPLATE})
    await store_campaign(sqlite_engine, wanted, SIZE, start_at=NOON)
    await send(0)
    assert 1 <= wall.refused <= 5
    async with reading(sqlite_engine) as connection:
        [paused] = await open_runs(connection)
    assert paused.state is RunState.PAUSED
    assert code in (paused.reason or "")
    await emulator.tell("POST", f"/{provider}/_control/templates", FITS)
    await resume(sqlite_engine, "spring", now=lambda: NOON + timedelta(hours=1))
    await send(2)
    assert all(row.state in RANK for row in await job_rows(sqlite_engine))
    got = Counter("+" + message["to"].removeprefix("+") for message in await emulator.ledger())
    assert got == {phone(number): 1 for number in range(SIZE)}
