"""What stands before every page."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Mount, Route

from app.wiring.rights import Role
from app.wiring.settings import Settings
from tests.support.cases import each
from tests.support.pages import BASE, Browser, log_in_as
from web.pages.app import SCREENS
from web.pages.guard import HEADERS, SESSION

SETTINGS = Settings("sqlite://", public_url="https://send.example.com")
OPEN = ("/login", "/join/{token}")
PAGES = [
    (method, route.path)
    for screen in SCREENS
    for route in screen
    if isinstance(route, Route)
    for method in sorted((route.methods or set()) - {"HEAD"})
]


def filled(path: str) -> str:
    return path.replace("{", "").replace("}", "").replace(":path", "").replace(":int", "")


@each(("method", "path"), [each for each in PAGES if each[1] not in OPEN])
async def test_nothing_is_shown_or_done_without_a_session(
    sqlite_engine: AsyncEngine, method: str, path: str
) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        if method == "GET":
            answer = await browser.get(filled(path))
            assert (answer.status_code, answer.headers["location"]) == (303, f"/login?to={filled(path)}")
        else:
            answer = await browser.post(filled(path))
            assert answer.status_code == 401
            assert "What you entered is not lost yet." in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://["},
        {},
    ],
    ids=str,
)
async def test_a_form_of_another_site_is_refused(sqlite_engine: AsyncEngine, headers: dict[str, str]) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        await log_in_as(browser, sqlite_engine, Role.ADMIN)
        form = {"role": "admin"}
        assert (await browser.client.post("/settings/users", data=form, headers=headers)).status_code == 403
        own = await browser.client.post("/settings/users", data=form, headers={"origin": BASE})
        assert own.status_code == 200


@each(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("send.example.com", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
async def test_only_known_hosts_are_answered(sqlite_engine: AsyncEngine, host: str, status: int) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        assert (await browser.get("/login", host=host)).status_code == status


async def test_without_tls_a_network_address_answers_nothing(sqlite_engine: AsyncEngine) -> None:
    async with Browser(sqlite_engine, SETTINGS, https_only=True) as browser:
        assert (await browser.get("/login")).status_code == 403
        assert (await browser.client.get("https://127.0.0.1/login")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/base.css", "/static/%2e%2e/environment.py"])
async def test_every_answer_has_the_headers(sqlite_engine: AsyncEngine, path: str) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        await log_in_as(browser, sqlite_engine, Role.VIEWER)
        answer = await browser.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == ("max-age=3600" if "/static/" in path else "no-store")
        assert (answer.status_code == 200) is (path in ("/", "/static/base.css"))


async def test_the_cookie_is_for_our_server_alone(sqlite_engine: AsyncEngine) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        await log_in_as(browser, sqlite_engine, Role.ADMIN)
        browser.client.cookies.clear()
        form = {"name": "admin", "password": "correct horse battery", "to": "//evil.example/x"}
        for base, secure in (("", False), ("https://send.example.com", True)):
            answer = await browser.post(f"{base}/login", form)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith(f"{SESSION}=")
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert ("Secure" in cookie) is secure


async def test_a_form_is_bounded(sqlite_engine: AsyncEngine) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        answer = await browser.post("/login", {"name": "x" * 2_000_000})
        assert answer.status_code == 422
        answer = await browser.post("/login", {f"n{number}": "" for number in range(6_000)})
        assert answer.status_code == 422


def test_every_page_is_behind_the_guard() -> None:
    assert all(isinstance(route, Route | Mount) for screen in SCREENS for route in screen)
