"""Invitations, log-ins, sessions, roles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.users import (
    FREE_FAILURES,
    IDLE,
    INVITATION_LASTS,
    LONGEST_SESSION,
    TooManyAttempts,
    WrongPassword,
    accept_invitation,
    change_password,
    disable_user,
    enable_user,
    find_session,
    first_invitation,
    invite_user,
    log_in,
    log_out,
    log_out_everywhere,
    set_role,
)
from app.wiring import passwords
from app.wiring.rights import Actor, Role, acting
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from storage.access.audit import list_acts
from storage.database.engine import reading
from storage.tables.access import invitations, sessions, users
from tests.support.pages import CHEAP, PASSWORD, Browser, log_in_as

ADDRESS = "192.0.2.1"
START = datetime(2026, 11, 29, 12, tzinfo=UTC)
SETTINGS = Settings("sqlite://")


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


class Watch:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def admin(engine: AsyncEngine, watch: Watch) -> str:
    token = await first_invitation(engine, now=watch)
    assert token is not None
    return await accept_invitation(engine, token, "Ada@Example.com", PASSWORD, ADDRESS, now=watch)


async def test_the_first_link_makes_one_admin(engine: AsyncEngine, watch: Watch) -> None:
    token = await first_invitation(engine, now=watch)
    assert token is not None
    session = await accept_invitation(engine, token, "Ada@Example.com", PASSWORD, ADDRESS, now=watch)
    user = await find_session(engine, session, now=watch)
    assert user is not None
    assert (user.name, user.role) == ("ada@example.com", Role.ADMIN)
    assert await first_invitation(engine, now=watch) is None
    with pytest.raises(NotFound):
        await accept_invitation(engine, token, "eve", PASSWORD, ADDRESS, now=watch)


async def test_each_start_prints_a_link_until_one_has_made_the_admin(
    engine: AsyncEngine, watch: Watch
) -> None:
    links = [await first_invitation(engine, now=watch) for _ in range(3)]
    colleague = await invite_user(engine, Role.VIEWER, now=watch)
    came = await asyncio.gather(
        *(
            accept_invitation(engine, link or "", name, PASSWORD, ADDRESS, now=watch)
            for link, name in zip(links, ("ada", "bob", "eve"), strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(isinstance(each, str) for each in came) == [False, False, True]
    assert await accept_invitation(engine, colleague, "joan", PASSWORD, ADDRESS, now=watch)


async def test_of_two_who_open_a_link_at_once_one_gets_in(engine: AsyncEngine, watch: Watch) -> None:
    token = await first_invitation(engine, now=watch)
    assert token is not None
    came = await asyncio.gather(
        *(accept_invitation(engine, token, name, PASSWORD, ADDRESS, now=watch) for name in ("ada", "eve")),
        return_exceptions=True,
    )
    assert sorted(isinstance(each, str) for each in came) == [False, True]


async def test_an_invitation_expires(engine: AsyncEngine, watch: Watch) -> None:
    token = await first_invitation(engine, now=watch)
    assert token is not None
    watch.at += INVITATION_LASTS
    with pytest.raises(NotFound):
        await accept_invitation(engine, token, "ada", PASSWORD, ADDRESS, now=watch)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "short"),
        ("ada", "x" * 201),
        ("adaadaadaada", "AdaAdaAdaAda"),
        ("a", PASSWORD),
        ("a b", PASSWORD),
    ],
)
async def test_bad_names_and_passwords_use_up_no_link(
    engine: AsyncEngine, watch: Watch, name: str, password: str
) -> None:
    token = await first_invitation(engine, now=watch)
    assert token is not None
    with pytest.raises(InvalidInput):
        await accept_invitation(engine, token, name, password, ADDRESS, now=watch)
    assert await accept_invitation(engine, token, "ada", PASSWORD, ADDRESS, now=watch)


async def test_nothing_stored_opens_a_session(engine: AsyncEngine, watch: Watch) -> None:
    token = await admin(engine, watch)
    invited = await invite_user(engine, Role.SENDER, now=watch)
    async with reading(engine) as connection:
        stored = [
            *(await connection.scalars(select(sessions.c.digest))),
            *(await connection.scalars(select(invitations.c.digest))),
            *(await connection.scalars(select(users.c.password))),
        ]
    assert len(stored) == 3
    for secret in (token, invited, PASSWORD):
        assert not any(secret in each for each in stored)
    assert [await find_session(engine, each, now=watch) for each in stored] == [None, None, None]


async def test_ten_wrong_passwords_slow_down_the_eleventh(engine: AsyncEngine, watch: Watch) -> None:
    await admin(engine, watch)
    for number in range(FREE_FAILURES):
        with pytest.raises(WrongPassword):
            await log_in(engine, "ada@example.com", "wrong", f"192.0.2.{number}", now=watch)
    waits = []
    for _ in range(3):
        with pytest.raises(TooManyAttempts) as refused:  # the right password too, by whichever process
            await log_in(engine, "Ada@example.com ", PASSWORD, ADDRESS, now=watch)
        waits.append(refused.value.seconds)
        watch.at += timedelta(seconds=refused.value.seconds)
        with pytest.raises(WrongPassword):
            await log_in(engine, "ada@example.com", "wrong", ADDRESS, now=watch)
    assert waits == [2, 4, 8]
    watch.at += timedelta(seconds=16)
    assert await log_in(engine, "ada@example.com", PASSWORD, ADDRESS, now=watch)
    with pytest.raises(WrongPassword):  # counted anew
        await log_in(engine, "ada@example.com", "wrong", ADDRESS, now=watch)


async def test_a_name_that_no_database_takes_is_nobodys(engine: AsyncEngine, watch: Watch) -> None:
    with pytest.raises(WrongPassword):
        await log_in(engine, "a\0b\ud83d", "wrong", ADDRESS, now=watch)


async def test_attempts_at_the_same_time_all_count(engine: AsyncEngine, watch: Watch) -> None:
    await admin(engine, watch)
    came = await asyncio.gather(
        *(log_in(engine, "ada@example.com", "wrong", ADDRESS, now=watch) for _ in range(FREE_FAILURES + 5)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, TooManyAttempts) for each in came) == 5


async def test_one_address_cannot_try_many_names(engine: AsyncEngine, watch: Watch) -> None:
    for number in range(50):
        with pytest.raises(WrongPassword):
            await log_in(engine, f"user{number}", "wrong", ADDRESS, now=watch)
    with pytest.raises(TooManyAttempts):
        await log_in(engine, "another", "wrong", ADDRESS, now=watch)


async def test_a_session_ends_when_it_is_idle_and_after_a_week(engine: AsyncEngine, watch: Watch) -> None:
    token = await admin(engine, watch)
    watch.at += IDLE - timedelta(seconds=1)
    assert await find_session(engine, token, active=False, now=watch), "a page that polls"
    watch.at += timedelta(seconds=1)
    assert await find_session(engine, token, now=watch) is None

    token = await log_in(engine, "ada@example.com", PASSWORD, ADDRESS, now=watch)
    until = watch.at + LONGEST_SESSION
    while watch.at < until - timedelta(hours=6):
        watch.at += timedelta(hours=6)
        assert await find_session(engine, token, now=watch)
    watch.at = until
    assert await find_session(engine, token, now=watch) is None


async def test_logging_out_ends_one_session_or_all(engine: AsyncEngine, watch: Watch) -> None:
    first = await admin(engine, watch)
    second = await log_in(engine, "ada@example.com", PASSWORD, ADDRESS, now=watch)
    third = await log_in(engine, "ada@example.com", PASSWORD, ADDRESS, now=watch)
    await log_out(engine, first)
    assert [bool(await find_session(engine, each, now=watch)) for each in (first, second, third)] == [
        False,
        True,
        True,
    ]
    user = await find_session(engine, second, now=watch)
    assert user is not None
    assert await log_out_everywhere(engine, user) == 2
    assert await find_session(engine, third, now=watch) is None


async def test_a_new_password_ends_all_sessions(engine: AsyncEngine, watch: Watch) -> None:
    token = await admin(engine, watch)
    user = await find_session(engine, token, now=watch)
    assert user is not None
    with pytest.raises(WrongPassword):
        await change_password(engine, user, "wrong", "another good password", ADDRESS, now=watch)
    await change_password(engine, user, PASSWORD, "another good password", ADDRESS, now=watch)
    assert await find_session(engine, token, now=watch) is None
    with pytest.raises(WrongPassword):
        await log_in(engine, "ada@example.com", PASSWORD, ADDRESS, now=watch)
    assert await log_in(engine, "ada@example.com", "another good password", ADDRESS, now=watch)


async def test_a_log_in_that_a_new_password_overtakes_is_refused(
    engine: AsyncEngine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await find_session(engine, await admin(engine, watch), now=watch)
    assert user is not None

    async def overtaken(stored: str | None, given: str) -> bool:
        right = await passwords.is_right(stored, given)
        monkeypatch.setattr("app.actions.users.is_right", passwords.is_right)
        await change_password(engine, user, PASSWORD, "another good password", ADDRESS, now=watch)
        return right

    monkeypatch.setattr("app.actions.users.is_right", overtaken)
    with pytest.raises(WrongPassword):
        await log_in(engine, "ada@example.com", PASSWORD, ADDRESS, now=watch)


async def test_a_stolen_session_cannot_guess_the_password(engine: AsyncEngine, watch: Watch) -> None:
    token = await admin(engine, watch)
    user = await find_session(engine, token, now=watch)
    assert user is not None
    for _ in range(FREE_FAILURES):
        with pytest.raises(WrongPassword):
            await change_password(engine, user, "wrong", "another good password", ADDRESS, now=watch)
    with pytest.raises(TooManyAttempts):
        await change_password(engine, user, PASSWORD, "another good password", ADDRESS, now=watch)
    async with reading(engine) as connection:
        acts = await list_acts(connection, 50)
    assert [row.act for row in acts[:2]] == ["user.password"] * 2
    assert PASSWORD not in str(acts)


async def test_a_disabled_user_is_out_at_once(engine: AsyncEngine, watch: Watch) -> None:
    await admin(engine, watch)
    link = await invite_user(engine, Role.SENDER, now=watch)
    session = await accept_invitation(engine, link, "bob", PASSWORD, ADDRESS, now=watch)
    await disable_user(engine, "bob", now=watch)
    assert await find_session(engine, session, now=watch) is None
    with pytest.raises(WrongPassword):
        await log_in(engine, "bob", PASSWORD, ADDRESS, now=watch)
    await enable_user(engine, "bob")
    assert await log_in(engine, "bob", PASSWORD, ADDRESS, now=watch)


async def test_there_is_always_an_admin(engine: AsyncEngine, watch: Watch) -> None:
    await admin(engine, watch)
    with pytest.raises(InvalidInput, match="only admin"):
        await set_role(engine, "ada@example.com", Role.VIEWER)
    with pytest.raises(InvalidInput, match="only admin"):
        await disable_user(engine, "ada@example.com", now=watch)
    link = await invite_user(engine, Role.ADMIN, now=watch)
    await accept_invitation(engine, link, "bob", PASSWORD, ADDRESS, now=watch)
    with acting(Actor("bob", Role.ADMIN, "browser")), pytest.raises(InvalidInput, match="themselves"):
        await disable_user(engine, "bob", now=watch)
    await set_role(engine, "ada@example.com", Role.VIEWER)


async def test_a_role_holds_from_the_next_page_on(sqlite_engine: AsyncEngine) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        await log_in_as(browser, sqlite_engine, Role.ADMIN)
        token = await invite_user(sqlite_engine, Role.ADMIN)
        await accept_invitation(sqlite_engine, token, "bob", PASSWORD, ADDRESS)
        assert (await browser.get("/settings/users")).status_code == 200
        await set_role(sqlite_engine, "admin", Role.EDITOR)
        assert (await browser.get("/settings/users")).status_code == 403
        assert (await browser.post("/settings/users", {"role": "admin"})).status_code == 403
        assert (await browser.post("/settings/users/bob/disable")).status_code == 403


async def test_a_person_joins_and_logs_in_by_the_pages(sqlite_engine: AsyncEngine) -> None:
    async with Browser(sqlite_engine, SETTINGS) as browser:
        token = await first_invitation(sqlite_engine)
        assert "admin" in (await browser.get(f"/join/{token}")).text
        bad = await browser.post(f"/join/{token}", {"name": '"><script>', "password": PASSWORD})
        assert bad.status_code == 422
        assert "<script>" not in bad.text.replace('<script src="/static/page.js" defer></script>', "")
        joined = await browser.post(f"/join/{token}", {"name": "ada", "password": PASSWORD})
        assert joined.headers["location"] == "/"
        assert "Needs you" in (await browser.get("/")).text
        assert (await browser.get(f"/join/{token}")).status_code == 404
        await browser.post("/logout")
        assert (await browser.get("/")).headers["location"] == "/login?to=/"
        wrong = await browser.post("/login", {"name": "ada", "password": "wrong"})
        assert wrong.status_code == 403
        assert "The name or the password is wrong." in wrong.text
        right = await browser.post(
            "/login", {"name": "ada", "password": PASSWORD, "to": "/campaigns?state=running"}
        )
        assert right.headers["location"] == "/campaigns?state=running"
        assert (await browser.get("/campaigns?state=running")).status_code == 200
