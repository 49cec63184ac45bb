"""A message in doubt that its provider neither shows nor can prove absent: it stays in doubt, and is not asked about
for ever at the same pace."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from campaigns.content import Content, MessageType, write_content
from providers.base import Doubt, Lookup, Unseen
from providers.http import Http
from providers.settings import SenderSettings
from scheduler.lanes import Lane
from scheduler.pacing import Pacer
from scheduler.rescue import resolve_doubts
from storage.engine import Engine, writing
from storage.tables import attempts, jobs
from tests.support.campaigns import job_rows, later
from tests.support.sent import sending
from tests.web.signing import signing_account

HELLO = Content(MessageType.TEXT, "Hello")


async def test_what_is_never_seen_is_looked_for_ever_more_seldom(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sending(sqlite_engine, 1)
    async with writing(sqlite_engine) as connection:
        await connection.execute(update(jobs).values(state="in_doubt"))
        await connection.execute(update(attempts).values(content=write_content(HELLO)))
    account = signing_account()
    clock, asked = [0], []

    async def look_up(http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        asked.append(clock[0])
        return Unseen()

    monkeypatch.setattr(account.adapter, "look_up", look_up)
    lane = Lane("hooked/shop", account, account.settings.senders[0], Pacer([]), now=lambda: later(clock[0]))
    for clock[0] in range(2, 600, 10):
        assert await resolve_doubts(sqlite_engine, lane, asyncio.Event()) == 0
    await account.http.aclose()
    assert asked == [32, 62, 122, 242, 482]  # the call was made at 2, and is settled 30 seconds later
    assert [job.state for job in await job_rows(sqlite_engine)] == ["in_doubt"]
