"""A test of a draft: one message to one number, before anything is loaded, through the same guards as any other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from app.actions import testing
from app.actions.drafts.drafts import create_draft, delete_draft, open_draft
from app.actions.drafts.sending import review_key, send_draft
from app.actions.drafts.sources import start_draft
from app.actions.testing import SampleRow, send_draft_test
from app.views.campaigns.campaign_list import campaign_page, list_campaigns
from app.views.campaigns.status import status
from app.views.drafts.drafts import drafts_with_campaigns, unsent_drafts
from app.views.messages import outcome_of_test
from app.wiring.rights import Actor, Role, acting
from app.wiring.settings import Settings
from campaigns.errors import Forbidden, InvalidInput, NotFound, SpecError
from campaigns.time.clock import utc_now
from emulators.app import create_app
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading
from storage.tables.audience import recipients
from storage.tables.runs import runs
from storage.views.estimates import count_recipients
from tests.support.accounts import account_at

TEXT = """\
name = "spring"
provider = "ourvoice"
senders = ["one"]
[audience]
csv = "people.csv"
[content]
text = "Hi {{ first_name }}"
"""
ADA = SampleRow(2, "+447700900010", '{"first_name":"Ada"}')
BO = SampleRow(3, "+447700900011", '{"first_name":"Bo"}')
ME = "+447700900500"


class Desk:
    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine, self.settings = engine, settings
        self.emulator = httpx.ASGITransport(create_app())

    async def send(
        self, row: SampleRow = ADA, press: str = "a", number: str = ME, variant: str | None = None
    ) -> testing.TestResult:
        return await send_draft_test(
            self.engine,
            self.settings,
            "spring",
            row,
            number,
            variant,
            press,
            longest=timedelta(seconds=3),
            transport=self.emulator,
        )

    async def ledger(self) -> list[tuple[str, str]]:
        async with httpx.AsyncClient(transport=self.emulator, base_url="http://emulator") as client:
            entries = (await client.get("/_ledger")).json()["messages"]
        return [(each["to"].removeprefix("+"), each["content"]) for each in entries]


@pytest.fixture
async def desk(engine: Engine, tmp_path: Path, database_url: str) -> Desk:
    account = account_at("ourvoice", tmp_path / "k", price="0.0425 EUR")
    settings = Settings(database_url, {"ourvoice": account}, path=tmp_path / "drumbeat.toml")
    draft = await create_draft(settings, "spring", TEXT)
    (draft.folder / "people.csv").write_text("phone,first_name\n+447700900010,Ada\n+447700900011,Bo\n")
    return Desk(engine, settings)


async def test_a_press_sends_one_message_and_loads_nobody(desk: Desk) -> None:
    found = await desk.send()
    assert outcome_of_test(found) == f"Sent to {ME}, filled from line 2."
    assert (await desk.send()).run.run_id == found.run.run_id
    assert await desk.ledger() == [(ME[1:], "Hi Ada")]
    await desk.send(BO, press="b", number="+447700900501")
    assert (await desk.ledger())[1:] == [("447700900501", "Hi Bo")]

    async with reading(desk.engine) as connection:
        campaign = await require(connection, "spring")
        assert (campaign.state, await count_recipients(connection, campaign.id)) == ("draft", 0)
    draft = await open_draft(desk.settings, "spring")
    sent = await send_draft(desk.engine, desk.settings, "spring", review_key(draft))
    assert (sent.already, sent.recipients) == (False, 2)
    async with reading(desk.engine) as connection:
        kinds = list(await connection.scalars(select(runs.c.kind)))
        rows = await connection.scalar(select(func.count()).select_from(recipients))
    assert kinds == ["test", "test"]
    assert rows == 4  # the rows that the tests were made of stay, out of sight


async def test_a_tested_draft_is_listed_once_and_as_a_draft(desk: Desk) -> None:
    await desk.send()
    assert await listed(desk) == ([], [], [])
    [draft] = await drafts_with_campaigns(desk.engine, desk.settings)
    assert (draft.name, draft.campaign) == ("spring", None)
    assert [row.name for row in await unsent_drafts(desk.engine, desk.settings, 5)] == ["spring"]

    await delete_draft(desk.settings, "spring")
    again = await start_draft(desk.engine, desk.settings, "spring")
    (again.folder / "people.csv").write_text("phone,first_name\n+447700900010,Ada\n")
    again.path.write_text(TEXT)
    key = review_key(await open_draft(desk.settings, "spring"))
    await send_draft(desk.engine, desk.settings, "spring", key, start=False)
    assert await listed(desk) == (["spring"], ["spring"], ["spring"])
    [draft] = await drafts_with_campaigns(desk.engine, desk.settings)
    assert (draft.name, draft.campaign) == ("spring", "draft")
    assert await unsent_drafts(desk.engine, desk.settings, 5) == []
    with pytest.raises(InvalidInput, match="There is a campaign 'spring' already"):
        await start_draft(desk.engine, desk.settings, "spring")


async def listed(desk: Desk) -> tuple[list[str], list[str], list[str]]:
    """The campaigns of the page, of Today and `status`, and of `campaign list`."""
    async with reading(desk.engine) as connection:
        return (
            [each.name for each in (await campaign_page(connection)).campaigns],
            [each.status.name for each in (await status(connection, desk.settings, utc_now())).campaigns],
            [each.line.name for each in await list_campaigns(connection)],
        )


async def test_the_guards_of_a_test_are_those_of_every_message(desk: Desk) -> None:
    with acting(Actor("eve", Role.EDITOR, "browser")), pytest.raises(Forbidden):
        await desk.send()
    with pytest.raises(InvalidInput, match="cannot be used"):
        await desk.send(number="nobody")
    with pytest.raises(NotFound, match="no variant"):
        await desk.send(variant="b")
    with pytest.raises(InvalidInput, match="line 9 cannot be sent: first_name is blank"):
        await desk.send(SampleRow(9, "+447700900010", '{"first_name":""}'))
    path = (await open_draft(desk.settings, "spring")).path
    path.write_text(f'{TEXT}[budget]\nmax = "0.01"\ncurrency = "EUR"\n')
    found = await desk.send()
    assert outcome_of_test(found).startswith(f"Not sent to {ME}. budget_reached: ")
    path.write_text(TEXT.replace('text = "Hi {{ first_name }}"', ""))
    with pytest.raises(SpecError):
        await desk.send()
    assert await desk.ledger() == []


async def test_a_list_that_was_loaded_for_a_look_is_not_sent_beside_the_one_that_was_reviewed(
    desk: Desk,
) -> None:
    draft = await open_draft(desk.settings, "spring")
    loaded = await send_draft(desk.engine, desk.settings, "spring", review_key(draft), start=False)
    assert loaded.recipients == 2
    (draft.folder / "people.csv").write_text("phone,first_name\n+447700900012,Cy\n")
    sent = await send_draft(desk.engine, desk.settings, "spring", review_key(draft))
    assert sent.recipients == 1
