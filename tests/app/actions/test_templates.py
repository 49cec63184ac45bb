"""How old a list of templates may be: asked for after minutes, used for a day where the provider cannot be asked."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.actions.templates import current_catalogue, refuse_stored
from app.wiring.settings import Settings, load_settings
from campaigns.errors import SpecError
from campaigns.time.clock import utc_now
from scheduler.sending import lanes
from storage.audience.templates import expire_list
from storage.database.engine import Engine, writing
from tests.support.campaigns import spec

SETTINGS = """\
[providers.shop]
adapter = "meta"
api_key = "env:KEY"
business_account_id = "1"
[[providers.shop.senders]]
name = "shop"
phone_number_id = "1"
"""
PAGE = {"data": [{"name": "sale", "language": "en", "status": "APPROVED", "category": "MARKETING"}]}


class Network:
    def __init__(self) -> None:
        self.asked, self.online = 0, True

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        if not self.online:
            raise httpx.ConnectError("no network")
        return httpx.Response(200, json=PAGE)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    transport = httpx.MockTransport(made)
    monkeypatch.setattr(lanes, "open_account", partial(lanes.open_account, transport=transport))
    return made


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KEY", "test-key")
    (tmp_path / "drumbeat.toml").write_text(SETTINGS)
    return load_settings(tmp_path / "drumbeat.toml")


async def test_how_old_it_may_be(engine: Engine, settings: Settings, network: Network) -> None:
    start = utc_now()

    async def look(**after: float) -> tuple[bool, bool, int]:
        """Whether templates are known, whether there is a problem, and how often the provider has been asked."""
        found = await current_catalogue(engine, settings, "shop", now=lambda: start + timedelta(**after))
        return found.templates is not None, found.problem is not None, network.asked

    assert await look() == (True, False, 1)
    assert await look(minutes=4) == (True, False, 1)
    assert await look(minutes=6) == (True, False, 2)
    assert await look(minutes=-60) == (True, False, 3)  # the clock was ahead
    async with writing(engine) as connection:
        await expire_list(connection, "shop", start + timedelta(minutes=1))
    assert await look(minutes=2) == (True, False, 4)
    network.online = False
    assert await look(hours=23) == (True, True, 5)
    assert await look(hours=25) == (False, True, 6)


async def test_an_error_by_an_old_list_names_its_age(
    sqlite_engine: Engine, settings: Settings, network: Network
) -> None:
    hours_ago = utc_now() - timedelta(hours=2)
    await current_catalogue(sqlite_engine, settings, "shop", now=lambda: hours_ago)
    network.online = False
    wanted = spec(provider="shop", content={"template": {"name": "other", "language": "en"}})
    with pytest.raises(SpecError) as raised:
        await refuse_stored(sqlite_engine, settings, wanted)
    text = str(raised.value)
    assert text.startswith("content.template.name: the account has no template other.")
    assert f"by the list of templates of {hours_ago:%Y-%m-%d %H:%M} UTC" in text
    assert "cannot be reached" in text
