"""A runner reads the lists of templates: when they are due, one account for itself, and a stop waits for none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from scheduler.clock import template_lists
from scheduler.clock.runner import run
from scheduler.clock.template_lists import TemplateLists
from scheduler.receipts.provider_signals import handle_notices
from scheduler.sending import account_reads
from scheduler.sending.account_reads import EVERY
from scheduler.sending.lanes import Account, open_account
from storage.audience.templates import TemplateList, find_list, find_templates
from storage.database.engine import Engine, reading, writing
from storage.receipts.inbox import NewNotice
from tests.support.accounts import account_at
from tests.support.campaigns import later

PAGE = {"data": [{"name": "sale", "language": "en", "status": "APPROVED", "category": "MARKETING"}]}


class Provider:
    """Answers, refuses or hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.begun, self.hangs = asyncio.Event(), asyncio.Event()
        self.hangs.set()

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.begun.set()
        await self.hangs.wait()
        return httpx.Response(self.status, json=PAGE if self.status == 200 else {"error": {"message": "no"}})


class Desk:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.provider, self.stop = engine, Provider(), asyncio.Event()
        self.at = later(0)
        self.accounts: list[Account] = []
        for name, provider, keys in (
            ("shop", "meta", {"business_account_id": "1"}),
            ("bare", "meta", {}),
            ("phone", "ourvoice", {}),
        ):
            settings = account_at(provider, folder / "key", **keys)
            self.accounts.append(open_account(name, settings, transport=httpx.MockTransport(self.provider)))
        self.lists = TemplateLists(engine, self.accounts, self.stop, lambda: self.at)

    async def known(self) -> tuple[TemplateList, list[str]]:
        async with reading(self.engine) as connection:
            found = await find_templates(connection, "shop")
            return await find_list(connection, "shop"), [each.name for each in found]


@pytest.fixture
async def desk(engine: Engine, tmp_path: Path) -> Any:
    made = Desk(engine, tmp_path)
    yield made
    for account in made.accounts:
        await account.http.aclose()


async def test_a_list_is_read_when_it_is_due(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_reads, "AGAIN", 0.0)
    await desk.lists.sync_due()
    await desk.lists.sync_due()
    assert desk.provider.asked == 1
    assert await desk.known() == (TemplateList("shop", later(0)), ["sale"])
    desk.at += EVERY
    await desk.lists.sync_due()
    assert desk.provider.asked == 2
    notice = NewNotice("message_template_status_update", "sale", "PAUSED", desk.at)
    async with writing(desk.engine) as connection:
        await handle_notices(connection, desk.accounts[0], [notice], desk.at)
    desk.at += timedelta(seconds=1)
    await desk.lists.sync_due()
    await desk.lists.sync_due()
    assert desk.provider.asked == 3


async def test_an_account_that_refuses_is_noted_and_asked_again_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider.status = 403
    await desk.lists.sync_due()
    await desk.lists.sync_due()
    assert desk.provider.asked == 1
    known, names = await desk.known()
    assert (known.fetched_at, names) == (None, [])
    assert str(known.problem).startswith("The provider refused the account (403): no")
    monkeypatch.setattr(account_reads.time, "monotonic", lambda now=account_reads.time.monotonic: now() + 901)
    desk.provider.status = 200
    await desk.lists.sync_due()
    assert await desk.known() == (TemplateList("shop", later(0)), ["sale"])


async def test_a_stop_waits_for_no_provider(desk: Desk) -> None:
    desk.provider.hangs.clear()
    syncing = asyncio.create_task(desk.lists.sync_due())
    await desk.provider.begun.wait()
    desk.stop.set()
    await asyncio.wait_for(syncing, 5)
    assert await desk.known() == (TemplateList("shop"), [])


def test_when_a_list_is_due() -> None:
    def due(fetched: int | None, now: int, expired: int | None = None) -> bool:
        known = TemplateList("a", None if fetched is None else later(fetched), expired and later(expired))
        return known.is_due(timedelta(seconds=10), later(now))

    assert [due(None, 0), due(0, 9), due(0, 10), due(5, 0), due(0, 1, 1)] == [True, False, True, True, True]


async def test_a_runner_reads_the_lists(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, stop = asyncio.Event(), asyncio.Event()
    keep = template_lists.keep_templates

    async def noticed(*arguments: Any) -> None:
        await keep(*arguments)
        stored.set()

    monkeypatch.setattr(template_lists, "keep_templates", noticed)
    account = account_at("meta", tmp_path / "key", business_account_id="1")
    transport = httpx.MockTransport(Provider())
    running = asyncio.create_task(run(sqlite_engine, {"shop": account}, transport=transport, stop=stop))
    await asyncio.wait_for(stored.wait(), 20)
    stop.set()
    await running
    async with reading(sqlite_engine) as connection:
        assert [each.name for each in await find_templates(connection, "shop")] == ["sale"]
