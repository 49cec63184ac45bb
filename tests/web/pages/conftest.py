"""The pages in memory: their ASGI app, and a browser of a user of each role, logged in."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.applications import Starlette

from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.time.clock import utc_now
from storage.access.users import add_session, add_user
from storage.database.engine import Engine, writing
from tests.support.campaigns import account
from web.pages.app import pages_app
from web.pages.guard import SESSION
from web.pages.site import NOTICE, Site

ADDRESS = "http://127.0.0.1:8100"
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'"
"""What a page must show as text, wherever it comes from."""


class Browser:
    """A browser of one user: it keeps cookies and says where its forms come from; redirects are not followed."""

    def __init__(self, app: Starlette, client: httpx.AsyncClient, name: str, role: Role) -> None:
        self.app, self.client, self.name, self.role = app, client, name, role

    async def get(self, path: str, status: int = 200) -> str:
        """The page's text."""
        answer = await self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.headers.get("location"))
        return answer.text

    async def post(self, path: str, status: int = 303, **fields: Any) -> httpx.Response:
        """A form is sent; by default it leads to another page."""
        answer = await self.client.post(path, data={name: str(value) for name, value in fields.items()})
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer

    @property
    def notice(self) -> str:
        """What the next page will say on top."""
        return unquote(self.client.cookies.get(NOTICE) or "")


Browsers = Callable[[Role], Awaitable[Browser]]
"""A browser of a user of that role, logged in."""


async def log_in_as(engine: Engine, role: Role) -> tuple[str, str]:
    """Make a user of the role and a session of theirs, without the cost of a password; the name and the token."""
    name, token, now = f"{role.value}@example.com", f"token of {role.value}", utc_now()
    async with writing(engine) as connection:
        user_id = await add_user(connection, name, role, "no password", now)
        assert user_id is not None, "one browser for each role"
        digest = hashlib.sha256(token.encode()).hexdigest()
        await add_session(connection, digest, user_id, now, "127.0.0.1")
    return name, token


@pytest.fixture
def pages_settings(tmp_path: Path) -> Settings:
    """What the pages know beside the database: the account `ourvoice` with its sender `shop`, which nobody answers."""
    return Settings("sqlite://", {"ourvoice": account("http://127.0.0.1:9", tmp_path / "key", "x")})


@pytest.fixture
def pages_now() -> Callable[[], datetime]:
    """The clock of the pages; a test that needs another overrides this."""
    return utc_now


@pytest.fixture
async def browsers(
    engine: Engine, pages_settings: Settings, pages_now: Callable[[], datetime]
) -> AsyncIterator[Browsers]:
    """Makes browsers of users on one app, once on SQLite and once on PostgreSQL."""
    async with _browsers(engine, pages_settings, pages_now) as made:
        yield made


@pytest.fixture
async def sqlite_browsers(
    sqlite_engine: Engine, pages_settings: Settings, pages_now: Callable[[], datetime]
) -> AsyncIterator[Browsers]:
    """As `browsers`, on SQLite alone: for what no database can change, such as how a page shows a text."""
    async with _browsers(sqlite_engine, pages_settings, pages_now) as made:
        yield made


@asynccontextmanager
async def _browsers(
    engine: Engine, settings: Settings, now: Callable[[], datetime]
) -> AsyncIterator[Browsers]:
    app = pages_app(engine, settings)
    app.state.site = Site(engine, settings, now)
    async with AsyncExitStack() as stack:

        async def open_browser(role: Role) -> Browser:
            name, token = await log_in_as(engine, role)
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url=ADDRESS,
                cookies={SESSION: token},
                headers={"Sec-Fetch-Site": "same-origin"},
            )
            return Browser(app, await stack.enter_async_context(client), name, role)

        yield open_browser


def assert_only_text(page: str, hostile: str = HOSTILE) -> None:
    """The page shows the hostile text, and as nothing but text."""
    assert hostile in unescape(page), "the test shows nothing: the text is not on the page"
    for part in ("<script>alert", "<img src=x"):
        assert part not in page
