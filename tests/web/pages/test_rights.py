"""The browsers of the tests are those of real users: each sees and does what its role may."""

from __future__ import annotations

import httpx
import pytest

from app.wiring.rights import Role
from tests.web.pages.conftest import ADDRESS, Browsers


@pytest.mark.parametrize("role", Role)
async def test_every_role_sees_today(sqlite_browsers: Browsers, role: Role) -> None:
    browser = await sqlite_browsers(role)
    assert browser.name in await browser.get("/")


@pytest.mark.parametrize("role", Role)
async def test_only_an_admin_invites(sqlite_browsers: Browsers, role: Role) -> None:
    browser = await sqlite_browsers(role)
    status = 200 if role is Role.ADMIN else 403
    answer = await browser.post("/settings/users", status, role="viewer")
    assert ("/join/" in answer.text) is (role is Role.ADMIN)


async def test_without_a_session_there_is_only_the_log_in(sqlite_browsers: Browsers) -> None:
    app = (await sqlite_browsers(Role.VIEWER)).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as stranger:
        assert (await stranger.get("/contacts")).headers["location"] == "/login?to=/contacts"
