"""Keys of the API on their page."""

from __future__ import annotations

import re

from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.api_keys import find_caller
from app.wiring.rights import Role
from app.wiring.settings import Settings
from tests.support.pages import Browser, log_in_as

SETTINGS = Settings("sqlite://")
FORM = {"name": '<script>"', "scope": "send", "days": "30"}


async def test_an_admin_makes_and_revokes_a_key(engine: AsyncEngine) -> None:
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, Role.ADMIN)
        made = await browser.post("/settings/keys", FORM)
        [key] = re.findall(r"<code>(db_[\w-]{20,})</code>", made.text)
        assert "<script>&#34;" not in made.text
        assert await find_caller(engine, key) is not None
        assert key not in (await browser.get("/settings/keys")).text
        assert (await browser.post("/settings/keys/1/revoke")).status_code == 303
        assert await find_caller(engine, key) is None
        for number in ("1", "x", "9" * 30, "9" * 5000):
            assert (await browser.post(f"/settings/keys/{number}/revoke")).status_code == 404


async def test_nobody_else_does(sqlite_engine: AsyncEngine) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        await log_in_as(browser, sqlite_engine, Role.ADMIN)
        await log_in_as(browser, sqlite_engine, Role.SENDER)
        assert (await browser.get("/settings/keys")).status_code == 403
        assert (await browser.post("/settings/keys", FORM)).status_code == 403
        assert (await browser.post("/settings/keys/1/revoke")).status_code == 403
        assert "/settings/keys" not in (await browser.get("/settings")).text
