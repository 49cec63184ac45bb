"""A browser without a window: it keeps cookies, and sends forms as a page of the server does."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx
from argon2 import PasswordHasher
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.users import accept_invitation, first_invitation, invite_user
from app.wiring import passwords
from app.wiring.rights import Role
from app.wiring.settings import Settings
from web.pages.app import pages_app
from web.pages.guard import SESSION

BASE = "http://127.0.0.1:8080"
PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Set as `passwords._HASHER` where many passwords are checked."""


class Browser:
    """A context: an HTTP client of the pages, on no network."""

    def __init__(self, engine: AsyncEngine, settings: Settings, *, https_only: bool = False) -> None:
        app = pages_app(engine, settings, https_only=https_only)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 5555))
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def get(self, address: str, **headers: str) -> httpx.Response:
        return await self.client.get(address, headers=headers)

    async def post(self, address: str, form: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        """As a form of our own page."""
        given = {"sec-fetch-site": "same-origin", **headers}
        return await self.client.post(address, data=form or {}, headers=given)


async def log_in_as(browser: Browser, engine: AsyncEngine, role: Role, name: str | None = None) -> None:
    """Make a user of this role, and log them in."""
    token = await first_invitation(engine) if role == Role.ADMIN else None
    token = token or await invite_user(engine, role)
    cheap, passwords._HASHER = passwords._HASHER, CHEAP  # type: ignore[misc]
    try:
        session = await accept_invitation(engine, token, name or role.value, PASSWORD, "127.0.0.1")
    finally:
        passwords._HASHER = cheap  # type: ignore[misc]
    browser.client.cookies.set(SESSION, session)
