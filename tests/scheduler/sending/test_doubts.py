"""To ask a provider by sending a message in doubt again, under its key, may be what first sends it: as long as the
rules forbid the message, it stays in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import MockTransport, Request, Response
from sqlalchemy import insert, update

from campaigns.message.content import Content, MessageType, write_content
from scheduler.actions.control import cancel, pause
from scheduler.clock.launch import launch_due
from scheduler.receipts.in_doubt import resolve_doubts
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.engine import Engine, writing
from storage.sending.optouts import LogEntry, add_by_hand
from storage.tables.runs import attempts, jobs
from tests.support.accounts import account_at
from tests.support.campaigns import EPOCH, job_rows, phone, spec, store_campaign

NOW = EPOCH + timedelta(hours=12)


class Provider:
    """Has one conversation, and takes every message."""

    def __init__(self) -> None:
        self.posts = 0

    def __call__(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(200, json={"data": [{"id": "c1", "customerPhone": phone(0)}]})
        self.posts += 1
        return Response(201, json={"data": {"id": "m1", "status": "sent"}})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def lane(tmp_path: Path, provider: Provider) -> AsyncIterator[Lane]:
    lanes = open_lanes(
        {"messaging_api": account_at("messaging_api", tmp_path / "key")},
        transport=MockTransport(provider),
        now=lambda: NOW,
    )
    yield lanes["messaging_api/one"]
    await close_lanes(lanes)


async def in_doubt(engine: Engine, **tables: Any) -> None:
    """A message whose call was begun an hour ago; nobody knows how it ended."""
    wanted = spec(provider="messaging_api", senders=["one"], content={"text": "Hi"}, **tables)
    await store_campaign(engine, wanted, 1)
    await launch_due(engine, now=lambda: NOW - timedelta(hours=1))
    began = {"intent_at": NOW - timedelta(hours=1), "lane": "messaging_api/one", "call": "c1", "epoch": 1}
    sent = {"content": write_content(Content(MessageType.TEXT, "Hi")), "number": 1, "job_id": 1, "run_id": 1}
    async with writing(engine) as connection:
        await connection.execute(insert(attempts).values(**began, **sent))
        doubtful = {"state": "in_doubt", "attempts": 1, "form": "free", "reason": "interrupted"}
        await connection.execute(update(jobs).values(**doubtful))


async def outcome(engine: Engine, lane: Lane) -> str:
    await resolve_doubts(engine, lane, asyncio.Event())
    (job,) = await job_rows(engine)
    return str(job.state)


async def test_what_may_be_sent_is_asked_about_by_sending(
    sqlite_engine: Engine, lane: Lane, provider: Provider
) -> None:
    await in_doubt(sqlite_engine, hours={"allow": "09:00-19:00"}, caps=[{"max": 1, "per": "day"}])
    assert (await outcome(sqlite_engine, lane), provider.posts) == ("accepted", 1)


@pytest.mark.parametrize("meanwhile", ["cancelled", "paused", "opted out", "expired", "night"])
async def test_what_the_rules_forbid_now_stays_in_doubt(
    engine: Engine, lane: Lane, provider: Provider, meanwhile: str
) -> None:
    rules: dict[str, Any] = {
        "expired": {"schedule": {"expires_after": "11h"}},
        "night": {"hours": {"allow": "13:00-19:00"}},
    }
    await in_doubt(engine, **rules.get(meanwhile, {}))
    match meanwhile:
        case "cancelled":
            await cancel(engine, "spring")
        case "paused":
            await pause(engine, "spring")
        case "opted out":
            async with writing(engine) as connection:
                entry = LogEntry(phone(0), "out", "marketing", NOW, "hand", None)
                await add_by_hand(connection, [entry])
    assert (await outcome(engine, lane), provider.posts) == ("in_doubt", 0)
