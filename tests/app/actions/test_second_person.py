"""Where the settings ask for two people, who loaded a campaign cannot approve it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.loading import Flags, load_campaign
from app.actions.steering import approve_campaign
from app.wiring.rights import Actor, Role, acting
from app.wiring.settings import Settings, load_settings
from campaigns.errors import Forbidden
from tests.support.project import CAMPAIGN, PEOPLE, SETTINGS

ADA, BOB = (Actor(name, Role.SENDER, "browser") for name in ("ada", "bob"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "drumbeat.toml").write_text(
        SETTINGS.format(port=9) + "[approval]\nrecipients = 1\nsecond_person = true\n"
    )
    (tmp_path / "spring.toml").write_text(CAMPAIGN)
    (tmp_path / "spring.csv").write_text(PEOPLE)
    return load_settings(tmp_path / "drumbeat.toml")


async def test_another_person_approves(engine: AsyncEngine, settings: Settings, tmp_path: Path) -> None:
    with acting(ADA):
        await load_campaign(
            engine, settings, tmp_path / "spring.toml", Flags(rejects=tmp_path / "rejects.csv")
        )
        with pytest.raises(Forbidden, match="ada loaded spring"):
            await approve_campaign(engine, settings, "spring", "ada")
        with pytest.raises(Forbidden):  # whatever name is given
            await approve_campaign(engine, settings, "spring", "bob")
    with acting(BOB):
        approval, _ = await approve_campaign(engine, settings, "spring", "bob")
    assert approval.by == "bob"


async def test_one_person_is_enough_where_nothing_else_is_asked(
    engine: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    with acting(ADA):
        await load_campaign(
            engine, settings, tmp_path / "spring.toml", Flags(rejects=tmp_path / "rejects.csv")
        )
        await approve_campaign(engine, replace(settings, second_person=False), "spring", "ada")
