"""Windows that only the provider knows: it is asked, and the message takes the form that its answer allows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from campaigns.time.pace import Rate
from emulators.settings import Settings
from providers.registry import adapter_class
from scheduler.clock.launch import launch_due
from scheduler.clock.runner import run
from scheduler.receipts.window_lookup import ask_windows
from scheduler.sending.deciding import NEVER
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.engine import Engine, writing
from storage.sending.windows import Opening, extend_windows
from storage.tables.runs import jobs, runs
from tests.acceptance.conftest import InMemory
from tests.support.accounts import TEMPLATE as POSITIONAL
from tests.support.accounts import account_at
from tests.support.campaigns import job_rows, later, phone, spec, store_campaign

TEMPLATE = {"name": "order_shipped", "language": "en", "parameters": {"order_id": "{{ first_name }}"}}
BIRDS = {
    **TEMPLATE,
    "project_id": "3c90c3cc-0d44-4b50-8888-8dd257360521",
    "version": "3c90c3cc-0d44-4b50-8888-8dd257360522",
}
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


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PEOPLE = 30


class Counted(InMemory):
    """Counts the questions about each person, as they come to the provider."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.questions: Counter[str] = Counter()
        self.refuses = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = [number for number in map(phone, range(PEOPLE)) if number[1:] in str(request.url)]
        if request.method == "GET" and asked:
            self.questions.update(asked)
            if self.refuses:
                return httpx.Response(500, json={"message": "Server Error"}, request=request)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("provider", ["messaging_api", "bird", "kapso"])
async def test_a_person_is_asked_about_once_while_the_answer_is_fresh(
    sqlite_engine: Engine, tmp_path: Path, provider: str
) -> None:
    """The rate is the account's: what questions take of it, messages cannot have."""
    transport, template = Counted(), {"kapso": POSITIONAL, "bird": BIRDS}.get(provider, TEMPLATE)
    account = account_at(provider, tmp_path / "key", rate=Rate.parse("20/s"))
    content = {"text": "Hi", "template": template}
    wanted = spec(provider=provider, senders=["one"], content=content)
    await store_campaign(sqlite_engine, wanted, 12, start_at=NOON)
    options: dict[str, Any] = {"transport": transport, "until_idle": True, "wait_receipts": timedelta(0)}
    await asyncio.wait_for(run(sqlite_engine, {provider: account}, now=lambda: NOON, **options), 20)
    assert Counter(row.form for row in await job_rows(sqlite_engine)) == {"template": 12}
    assert transport.questions == {phone(number): 1 for number in range(12)}


@pytest.fixture
async def asking(engine: Engine, tmp_path: Path) -> AsyncIterator[tuple[Counted, Lane]]:
    """A lane that sends two messages a second, with a message for each of 30 people whose windows are not known."""
    transport = Counted()
    [sender] = account_at("messaging_api", tmp_path / "key").senders
    slow = sender.model_copy(update={"rate": Rate.parse("2/s")})
    account = account_at("messaging_api", tmp_path / "key", senders=[slow])
    opened = open_lanes({"messaging_api": account}, transport=transport, now=lambda: later(60))
    await store_campaign(engine, spec(provider="messaging_api", senders=["one"]), PEOPLE)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(held_by="window_unknown", due_at=NEVER))
    yield transport, opened["messaging_api/one"]
    await close_lanes(opened)


async def woken(engine: Engine) -> list[int]:
    return [row.id for row in await job_rows(engine) if row.due_at == later(60)]


async def test_no_more_people_are_asked_about_than_can_soon_be_sent_to(
    engine: Engine, asking: tuple[Counted, Lane]
) -> None:
    transport, lane = asking
    for _ in range(3):
        await ask_windows(engine, lane)
    assert transport.questions == {phone(number): 1 for number in range(4)}
    assert await woken(engine) == [1, 2, 3, 4]
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id <= 3).values(state="failed", held_by=None))
    await ask_windows(engine, lane)
    assert transport.questions == {phone(number): 1 for number in range(7)}


async def test_an_answer_that_came_while_the_message_was_deferred_wakes_it_without_a_question(
    engine: Engine, asking: tuple[Counted, Lane]
) -> None:
    transport, lane = asking
    async with writing(engine) as connection:
        known = [Opening(phone(number), lane.name, later(59), "provider") for number in range(PEOPLE)]
        await extend_windows(connection, known, later(59))
    await ask_windows(engine, lane)
    assert len(await woken(engine)) == PEOPLE
    assert not transport.questions


async def test_nobody_is_asked_about_for_a_run_that_is_paused(
    engine: Engine, asking: tuple[Counted, Lane]
) -> None:
    transport, lane = asking
    async with writing(engine) as connection:
        await connection.execute(update(runs).values(state="paused"))
    await ask_windows(engine, lane)
    assert not transport.questions


async def test_a_provider_that_does_not_answer_is_asked_ever_more_seldom(
    engine: Engine, asking: tuple[Counted, Lane]
) -> None:
    transport, lane = asking
    transport.refuses = True
    for _ in range(3):
        await ask_windows(engine, lane)
    assert transport.questions == {phone(number): 1 for number in range(4)}
