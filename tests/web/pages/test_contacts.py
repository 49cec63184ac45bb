"""People across campaigns, as pages: search, opt-outs with evidence, export and erasure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.wiring.rights import Role
from app.wiring.settings import Settings
from providers.ourvoice.settings import OurVoiceAccount
from storage.database.engine import reading, writing
from storage.tables.audience import recipients
from storage.tables.contacts import inbound, optouts, user_ids
from storage.views import contact_search
from tests.support.campaigns import later, phone, spec, store_campaign
from tests.support.pages import Browser, log_in_as

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
ACCOUNT = OurVoiceAccount.model_validate(
    {
        "adapter": "ourvoice",
        "api_key": "env:NOTHING",
        "senders": [{"name": "shop", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222"}],
    }
)
SETTINGS = Settings("sqlite://", {"ourvoice": ACCOUNT})
ONE = f"/contacts/%2B{phone(1)[1:]}"


@pytest.fixture
async def filled(engine: AsyncEngine) -> AsyncEngine:
    """A list of ten, one of whom wrote STOP, and somebody without a number who did too; with a stranger's text."""
    await store_campaign(engine, spec(), 10)
    out = {"scope": "marketing", "action": "out", "at": later(5)}
    async with writing(engine) as connection:
        named = update(recipients).where(recipients.c.phone == phone(1))
        await connection.execute(named.values(vars=orjson.dumps({"first_name": HOSTILE}).decode()))
        stop = [
            {"phone": phone(1), "source": HOSTILE, "evidence": HOSTILE, **out},
            {"phone": "user:ourvoice/GB.3333", "source": "webhook:ourvoice", "evidence": HOSTILE, **out},
        ]
        await connection.execute(insert(optouts), stop)
        ids: list[dict[str, Any]] = [
            {"account": "ourvoice", "user_id": "GB.3333", "phone": None, "at": later(5)},
            {"account": "ourvoice", "user_id": HOSTILE, "phone": phone(1), "at": later(5)},
        ]
        await connection.execute(insert(user_ids), ids)
        wrote = {"account": "ourvoice", "phone": phone(1), "at": later(5), "text": HOSTILE}
        await connection.execute(insert(inbound).values(wrote))
    return engine


@asynccontextmanager
async def seen_by(engine: AsyncEngine, role: Role) -> AsyncIterator[Browser]:
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, role)
        yield browser


async def log_of(engine: AsyncEngine, number: str) -> list[tuple[str, str, str, str | None]]:
    columns = (optouts.c.action, optouts.c.scope, optouts.c.source, optouts.c.evidence)
    async with reading(engine) as connection:
        mine = select(*columns).where(optouts.c.phone == number).order_by(optouts.c.id)
        return [tuple(row) for row in await connection.execute(mine)]


@pytest.mark.parametrize(
    "page", ["/contacts", "/contacts?search=script", ONE, "/contacts/user:ourvoice/GB.3333"]
)
async def test_a_strangers_text_is_text(filled: AsyncEngine, page: str) -> None:
    async with seen_by(filled, Role.VIEWER) as browser:
        answer = await browser.get(page)
    assert answer.status_code == 200, answer.text
    assert HOSTILE in unescape(answer.text)
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text


async def test_a_whole_number_opens_the_person_and_a_part_finds_them(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.VIEWER) as browser:
        whole = await browser.get(f"/contacts?search=%2B{phone(4)[1:]}")
        by_name = await browser.get("/contacts?search=ada 4")
        by_digits = await browser.get("/contacts?search=900 004")
        nobody = await browser.get("/contacts?search=Zacharias")
    assert whole.headers["location"] == f"/contacts/%2B{phone(4)[1:]}"
    for found in (by_name, by_digits):
        assert phone(4) in found.text
        assert phone(5) not in found.text
    assert "Nobody is found" in nobody.text


async def test_a_search_goes_on_behind_its_bounds(
    filled: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_search, "LOOKED_AT", 4)
    async with seen_by(filled, Role.VIEWER) as browser:
        address, pages = "/contacts?search=Ada 0", 0
        while phone(0) not in (text := unescape((await browser.get(address)).text)):
            address = text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
            pages += 1
    assert pages == 2


async def test_an_opt_out_by_hand_has_its_evidence_and_who_recorded_it(filled: AsyncEngine) -> None:
    address = f"/contacts/%2B{phone(2)[1:]}"
    async with seen_by(filled, Role.EDITOR) as browser:
        without = await browser.post(f"{address}/opt", {"action": "out"})
        assert without.status_code == 422
        assert "Say how you know it" in without.text
        assert await log_of(filled, phone(2)) == []
        answer = await browser.post(f"{address}/opt", {"action": "out", "evidence": "ticket 7"})
        assert (answer.status_code, answer.headers["location"]) == (303, address)
        assert f"{phone(2)} is opted out of marketing." in unescape((await browser.get(address)).text)
        back = await browser.post(
            f"{address}/opt", {"action": "in", "scope": "marketing", "evidence": "call"}
        )
        assert back.status_code == 303
        wrong = await browser.post(f"{address}/opt", {"action": "away", "evidence": "x"})
        assert wrong.status_code == 422
    assert await log_of(filled, phone(2)) == [
        ("out", "marketing", "browser:editor", "ticket 7"),
        ("in", "marketing", "browser:editor", "call"),
    ]


@pytest.mark.parametrize("role", Role)
async def test_who_may_opt_out_export_and_erase(filled: AsyncEngine, role: Role) -> None:
    edits, is_admin = role.includes(Role.EDITOR), role is Role.ADMIN
    async with seen_by(filled, role) as browser:
        shown = (await browser.get(ONE)).text
        opted = await browser.post(f"{ONE}/opt", {"action": "in", "evidence": "call"})
        exported = await browser.post(f"{ONE}/export")
        asked = await browser.get(f"{ONE}/erase")
        erased = await browser.post(f"{ONE}/erase", {"typed": phone(1)})
    assert [f"{ONE}/{act}" in shown for act in ("opt", "export", "erase")] == [edits, is_admin, is_admin]
    assert opted.status_code == (303 if edits else 403)
    assert [each.status_code for each in (exported, asked, erased)] == [200 if is_admin else 403] * 3
    assert (await log_of(filled, phone(1)) == []) is is_admin


@pytest.mark.parametrize("role", Role)
async def test_who_may_say_whose_number_a_user_id_is(filled: AsyncEngine, role: Role) -> None:
    may = role.includes(Role.EDITOR)
    whose = {"account": "ourvoice", "user_id": "GB.3333", "phone": phone(6)}
    async with seen_by(filled, role) as browser:
        shown = (await browser.get("/contacts")).text
        linked = await browser.post("/contacts/link", whose)
        wrong = await browser.post("/contacts/link", {**whose, "phone": "nobody"})
    assert ("/contacts/link" in shown) is may
    assert linked.status_code == (303 if may else 403)
    assert wrong.status_code == 422
    log = [(action, scope) for action, scope, _, _ in await log_of(filled, phone(6))]
    assert log == ([("out", "marketing")] if may else [])


async def test_an_export_is_a_download_of_all_that_is_held(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.ADMIN) as browser:
        answer = await browser.post(f"{ONE}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="{phone(1)[1:]}.json"'
    document = orjson.loads(answer.content)
    assert document["phone"] == phone(1)
    assert document["inbound"][0]["text"] == HOSTILE
    assert document["rows_of_lists"][0]["vars"] == {"first_name": HOSTILE}


async def test_erasure_needs_the_number_typed_and_says_what_stays(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.ADMIN) as browser:
        asked = unescape((await browser.get(f"{ONE}/erase")).text)
        other = await browser.post(f"{ONE}/erase", {"typed": phone(2)})
        assert other.status_code == 422
        assert f"you typed {phone(2)}" in unescape(other.text)
        assert len(await log_of(filled, phone(1))) == 1
        erased = unescape((await browser.post(f"{ONE}/erase", {"typed": f" {phone(1)} "})).text)
    assert "keyed hash" in asked
    for page in (asked, erased):
        assert "backups of the database" in page
    async with reading(filled) as connection:
        left = await connection.scalars(select(recipients.c.phone))
        assert phone(1) not in set(left)


async def test_opt_outs_are_looked_at_and_then_imported(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url, {"ourvoice": ACCOUNT}, path=tmp_path / "drumbeat.toml")
    rows = f"phone,evidence\n{phone(1)},ticket 7\n{phone(1)},again\n{phone(2)},\n0197000000,\n{HOSTILE},\n"
    header = {"sec-fetch-site": "same-origin"}
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.EDITOR)
        assert "/contacts/import" in (await browser.get("/contacts")).text
        file = {"file": (f"{HOSTILE}.csv", rows.encode())}
        answer = await browser.client.post("/contacts/import", files=file, headers=header)
        address = answer.headers["location"]
        seen = (await browser.get(address)).text
        assert "Opt out 2 people" in seen
        assert "2 rows left out" in seen
        assert "<script>alert" not in seen
        assert "Opt out 3 people" in (await browser.get(f"{address}?country=BJ")).text
        assert (await browser.get(f"{address}?phone_column=none")).status_code == 422
        assert (await browser.get(f"{address}/rejects.csv")).status_code == 404
        assert await stored_preferences(engine) == []

        done = await browser.post(address, {"action": "out"})
        assert "2 opted out." in done.text
        rejects = await browser.get(f"{address}/rejects.csv")
        assert rejects.headers["content-disposition"].startswith("attachment")
        assert "0197000000" in rejects.text
        again = await browser.post(address, {"action": "out"})
        assert "it was all known already" in again.text
        assert {row[:2] for row in await stored_preferences(engine)} == {(phone(1), "out"), (phone(2), "out")}
        assert ("browser:editor", "ticket 7") in {row[2:] for row in await stored_preferences(engine)}
        for gone in ("zzzzzzzz", "..%2F..%2Fx", "short"):
            assert (await browser.get(f"/contacts/import/{gone}")).status_code in (404, 422)
        empty = await browser.client.post("/contacts/import", files={"file": ("a.csv", b"")}, headers=header)
        assert empty.status_code == 422
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.VIEWER)
        assert (await browser.post(address, {"action": "in"})).status_code == 403
        assert (await browser.get(address)).status_code == 403
        assert (await browser.get(f"{address}/rejects.csv")).status_code == 403
        refused = await browser.client.post(
            "/contacts/import", files={"file": ("a.csv", b"x")}, headers=header
        )
        assert refused.status_code == 403


async def stored_preferences(engine: AsyncEngine) -> list[Any]:
    columns = (optouts.c.phone, optouts.c.action, optouts.c.source, optouts.c.evidence)
    async with reading(engine) as connection:
        return [tuple(row) for row in await connection.execute(select(*columns))]
