"""The list step: its check goes on while the page is shown, and a list is recognized wherever it was used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.actions.drafts.drafts import create_draft, open_draft
from app.actions.drafts.lists import receive_list
from app.actions.drafts.sources import draft_from_file, draft_like, start_draft
from app.actions.loading import Flags, load_campaign
from app.views.drafts import list_step as module
from app.views.drafts.list_checks import check_list, known_check
from app.views.drafts.list_step import list_step, sample_list
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from campaigns.spec.campaign_spec import load_spec
from storage.database.engine import Engine
from tests.app.actions.drafts.test_lists import chunks, people, settings
from tests.support.project import CAMPAIGN

__all__ = ["settings"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 60)


async def test_a_page_does_not_wait_for_a_long_check(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()

    async def slow(settings: Settings, name: str) -> None:
        await may_end.wait()
        await check_list(settings, name)

    monkeypatch.setattr(module, "check_list", slow)
    monkeypatch.setattr(module, "PATIENCE", 0)
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    assert (await list_step(engine, settings, "spring")).check is None
    [task] = module._running.values()
    assert (await list_step(engine, settings, "spring")).check is None
    assert list(module._running.values()) == [task], "one check for all who look"
    may_end.set()
    await task
    found = await list_step(engine, settings, "spring")
    assert found.check is not None
    assert (found.check.accepted, len(module._running)) == (9, 0)


async def test_a_large_list_is_checked_by_a_process_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_PROCESS", 10)

    async def here(*_: object) -> None:
        raise AssertionError("it is checked in this process")

    monkeypatch.setattr(module, "check_list", here)
    await create_draft(settings, "spring", CAMPAIGN)
    draft = (await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))).draft
    await module._check(settings, draft)
    found = known_check(draft)
    assert found is not None
    assert (found.accepted, found.rejected) == (9, 1)


async def test_a_list_is_recognized_in_campaigns_and_drafts(settings: Settings, engine: Engine) -> None:
    content = people(10, {3})
    for name in ("spring", "summer"):
        await create_draft(settings, name, CAMPAIGN)
        await receive_list(settings, name, f"{name}.csv", chunks(content))
    summer = await open_draft(settings, "summer")
    flags = Flags(rejects=summer.folder / "r.csv")
    await load_campaign(engine, settings, summer.path, flags)
    found = await list_step(engine, settings, "spring")
    assert [(use.campaign, use.state, use.rows) for use in found.campaigns] == [("summer", "draft", 10)]
    assert found.drafts == ["summer"]
    assert not (await list_step(engine, settings, "summer")).campaigns, "its own load is no other use"


async def test_a_sample_has_the_columns_of_the_message(settings: Settings) -> None:
    text = CAMPAIGN.replace('Hi {{ first_name }}"', 'Hi {{ first_name }}, {{ code }} {{ phone }}"')
    await create_draft(settings, "spring", text)
    assert await sample_list(settings, "spring") == (
        "phone,code,first_name\r\n+447700900001,code 1,first name 1\r\n+447700900002,code 2,first name 2\r\n"
    )
    await create_draft(settings, "empty")
    assert (await sample_list(settings, "empty")).startswith("phone\r\n")


async def test_a_draft_like_a_campaign_has_its_message_rules_and_list(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    text = (
        CAMPAIGN
        + '[schedule]\nat = "2099-01-01T09:00"\ntimezone = "Europe/Paris"\n[[caps]]\nmax = 1\nper = "7d"\n'
    )
    draft = await create_draft(settings, "spring", text)
    draft = (await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))).draft
    await load_campaign(engine, settings, draft.path, Flags(rejects=tmp_path / "r.csv"))
    like = await draft_like(engine, settings, "spring", "autumn")
    spec, source = load_spec(like.path), load_spec(draft.path)
    assert spec == source.model_copy(
        update={
            "name": "autumn",
            "audience": source.audience.model_copy(update={"csv": like.folder / "people.csv"}),
            "schedule": source.schedule.model_copy(update={"at": None}),
        }
    )
    assert like.list_path is not None
    assert like.list_path.read_bytes() == people(10, {3})
    with pytest.raises(NotFound):
        await draft_like(engine, settings, "nothing", "winter")


async def test_a_list_from_elsewhere_on_the_server_is_not_copied(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "spring.csv").write_bytes(people(3, set()))
    (tmp_path / "spring.toml").write_text(CAMPAIGN)
    await load_campaign(engine, settings, tmp_path / "spring.toml", Flags(rejects=tmp_path / "r.csv"))
    like = await draft_like(engine, settings, "spring", "autumn")
    assert like.list_path is None
    assert like.data["audience"]["csv"] == "spring.csv"


async def test_the_name_of_a_campaign_is_taken(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "spring.csv").write_bytes(people(3, set()))
    (tmp_path / "spring.toml").write_text(CAMPAIGN)
    await load_campaign(engine, settings, tmp_path / "spring.toml", Flags(rejects=tmp_path / "r.csv"))
    for make in (
        start_draft(engine, settings, "spring"),
        draft_from_file(engine, settings, "", CAMPAIGN.encode()),
        draft_like(engine, settings, "spring", "spring"),
    ):
        with pytest.raises(InvalidInput, match="There is a campaign 'spring' already"):
            await make
    assert (await draft_from_file(engine, settings, "other", CAMPAIGN.encode())).data["name"] == "other"
    with pytest.raises(InvalidInput, match="not valid TOML"):
        await draft_from_file(engine, settings, "", b"name = oops")
