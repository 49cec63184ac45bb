"""The people of a campaign, one person's story and messages in doubt, as pages."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from io import StringIO

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.wiring.rights import Role
from app.wiring.settings import Settings
from providers.ourvoice.settings import OurVoiceAccount
from scheduler.clock.launch import launch_due
from storage.access.audit import list_acts
from storage.database.engine import reading, writing
from storage.tables.audience import imports, recipients, rejects
from storage.tables.runs import attempts, jobs
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
PEOPLE = "/campaigns/spring/people"
DOUBTS = "/campaigns/spring/doubts"
ONE = f"{PEOPLE}/%2B{phone(1)[1:]}"


@pytest.fixture
async def filled(engine: AsyncEngine) -> AsyncEngine:
    """Ten people: one is read, two are in doubt, one failed, six wait; one row was not accepted. A stranger's text is
    wherever there can be one."""
    await store_campaign(engine, spec(), 10)
    await launch_due(engine)
    changes = {
        1: {"state": "failed", "reason": "refused", "code": HOSTILE, "attempts": 1},
        2: {"state": "in_doubt", "reason": "no_trusted_answer", "attempts": 1},
        3: {"state": "in_doubt", "reason": "no_trusted_answer", "attempts": 1},
        4: {"state": "read", "attempts": 1},
    }
    async with writing(engine) as connection:
        for number, values in changes.items():
            of = jobs.c.phone == phone(number)
            await connection.execute(update(jobs).where(of).values(**values))
            job = await connection.scalar(select(jobs.c.id).where(of))
            call = {
                "call": "c",
                "lane": "ourvoice/shop",
                "epoch": 1,
                "intent_at": later(1),
                "detail": HOSTILE,
            }
            content = '{"type": "text", "text": "Hi Ada"}'
            await connection.execute(insert(attempts).values(job_id=job, number=1, content=content, **call))
        names = update(recipients).values(vars=_json({"first_name": HOSTILE}))
        await connection.execute(names.where(recipients.c.phone.in_([phone(1), phone(2)])))
        file = await connection.scalar(update(imports).values(source=HOSTILE).returning(imports.c.id))
        bad = {"line": 12, "column": "phone", "code": "bad_phone", "reason": f"No number: {HOSTILE}"}
        await connection.execute(
            insert(rejects).values(campaign_id=1, import_id=file, raw=f"+07,{HOSTILE}", **bad)
        )
    return engine


def _json(cells: dict[str, str]) -> str:
    import orjson

    return orjson.dumps(cells).decode()


@asynccontextmanager
async def seen_by(engine: AsyncEngine, role: Role) -> AsyncIterator[Browser]:
    async with Browser(engine, SETTINGS) as browser:
        await log_in_as(browser, engine, role)
        yield browser


async def states(engine: AsyncEngine) -> dict[str, str]:
    async with reading(engine) as connection:
        return {row.phone: row.state for row in await connection.execute(select(jobs.c.phone, jobs.c.state))}


async def test_a_strangers_text_is_text(filled: AsyncEngine) -> None:
    queries = ("", "?state=rejected", "?search=img", "?text=script")
    async with seen_by(filled, Role.VIEWER) as browser:
        for page in (ONE, DOUBTS, *(f"{PEOPLE}{query}" for query in queries)):
            answer = await browser.get(page)
            assert answer.status_code == 200, answer.text
            assert HOSTILE in unescape(answer.text), page
            assert "<script>alert" not in answer.text, page
            assert "<img src=x" not in answer.text, page


async def test_a_filter_is_in_the_address_and_so_is_the_next_page(
    filled: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.views.people.people.people_page.__kwdefaults__", {"after": "", "size": 4, "counted": True}
    )
    found: list[str] = []
    async with seen_by(filled, Role.VIEWER) as browser:
        address = f"{PEOPLE}?state=pending"
        while address:
            text = unescape((await browser.get(address)).text)
            found += [phone(number) for number in range(10) if f">{phone(number)}<" in text]
            more = text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
            address = more if 'rel="next"' in text else ""
    assert sorted(found) == sorted(phone(number) for number in (0, 5, 6, 7, 8, 9))


FILTERS: dict[str, tuple[int, ...]] = {
    "state=in_doubt,read": (2, 3, 4),
    "state=way": (),
    "reason=refused": (1,),
    "code=no_trusted_answer": (2, 3),
    "rule=pacing": (0, 5, 6, 7, 8, 9),
    "search=%2B447700900004": (4,),
    "search=Ada+7": (7,),
    "search=07700900004": (),
}


async def test_the_filters_of_an_address(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.EDITOR) as browser:
        for query, who in FILTERS.items():
            page = unescape((await browser.get(f"{PEOPLE}?{query}")).text)
            file = await browser.get(f"{PEOPLE}.csv?{query}")
            assert {number for number in range(10) if f">{phone(number)}<" in page} == set(who), query
            rows = list(csv.DictReader(StringIO(file.text)))
            assert {row["phone"] for row in rows} == {phone(number) for number in who}, query
            assert file.headers["content-disposition"].startswith("attachment; filename*=UTF-8''spring-")


async def test_a_wrong_filter_gets_a_sentence(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.VIEWER) as browser:
        for query, sentence in (
            ("state=sleeping", "'sleeping' is not a state."),
            ("run=x", "'x' is not the number of a run."),
            ("run=99", "spring has no run 99."),
        ):
            answer = await browser.get(f"{PEOPLE}?{query}")
            assert answer.status_code in (404, 422)
            assert sentence in unescape(answer.text)
        assert (await browser.get("/campaigns/nothing/people")).status_code == 404
        assert (await browser.get(f"{PEOPLE}?run=99999999999999999999")).status_code == 422


PLACES = (
    f"{PEOPLE}?after=9~x' OR 1",
    f"{PEOPLE}?after=1-pending~erased:1",
    f"{PEOPLE}?after=1-pending~99999999999999999999",
    f"{PEOPLE}?state=rejected&after=x~1",
    f"{DOUBTS}?after=99999999999999999999",
    "/contacts?search=Ada&before=99999999999999999999",
    "/audit?before=99999999999999999999",
    "/campaigns?before=99999999999999999999",
    "/senders/webhooks?before=99999999999999999999",
)


async def test_a_place_that_is_none_is_the_first_page(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.VIEWER) as browser:
        for address in PLACES:
            assert (await browser.get(address)).status_code == 200, address


async def test_a_file_of_a_spreadsheet_runs_nothing(filled: AsyncEngine) -> None:
    async with writing(filled) as connection:
        await connection.execute(update(recipients).values(vars=_json({"first_name": "=1+1"})))
    async with seen_by(filled, Role.EDITOR) as browser:
        rows = list(csv.DictReader(StringIO((await browser.get(f"{PEOPLE}.csv")).text)))
        bad = list(csv.DictReader(StringIO((await browser.get(f"{PEOPLE}.csv?state=rejected")).text)))
    assert {row["name"] for row in rows} == {"'=1+1"}
    assert [(row["line"], row["code"]) for row in bad] == [("12", "bad_phone")]


async def test_a_list_of_people_leaves_only_by_who_may_and_the_audit_has_it(filled: AsyncEngine) -> None:
    for role in (Role.VIEWER, Role.EDITOR):
        async with seen_by(filled, role) as browser:
            shown = "people.csv" in (await browser.get(PEOPLE)).text
            answer = await browser.get(f"{PEOPLE}.csv?state=in_doubt&search=447700900002")
        may = role is Role.EDITOR
        assert (shown, answer.status_code, phone(2) in answer.text) == (may, 200 if may else 403, may)
    async with reading(filled) as connection:
        done, refused = (row for row in await list_acts(connection, 50) if row.act == "people.export")
    assert (refused.role, refused.outcome, done.role, done.outcome) == ("viewer", "refused", "editor", "done")
    assert (done.subject, done.given["which"]) == ("spring", "state in_doubt, search …")


async def test_one_persons_story_has_the_message_and_the_waits(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.VIEWER) as browser:
        story = unescape((await browser.get(ONE)).text)
        waiting = unescape((await browser.get(f"{PEOPLE}/%2B{phone(5)[1:]}")).text)
        nobody = await browser.get(f"{PEOPLE}/%2B{phone(99)[1:]}")
    assert "Hi Ada" in story
    assert "Call 1" in story
    assert "later</li>" in story
    assert "The message as it would be" in waiting
    assert "Hi Ada 5" in waiting
    assert nobody.status_code == 404


async def test_one_who_waits_for_the_launch_has_a_story(sqlite_engine: AsyncEngine) -> None:
    await store_campaign(sqlite_engine, spec(), 1)
    async with seen_by(sqlite_engine, Role.VIEWER) as browser:
        answer = await browser.get(f"{PEOPLE}/%2B{phone(0)[1:]}")
    assert answer.status_code == 200


async def test_one_whose_row_was_not_accepted_has_a_story(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.VIEWER) as browser:
        answer = await browser.get(f"{PEOPLE}/%2B07")
    assert answer.status_code == 200
    assert "the row was not accepted" in answer.text


async def test_the_neighbours_of_an_endless_number_are_not_looked_for(
    sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def typos(text: str) -> set[str]:
        asked.append(text)
        return set()

    monkeypatch.setattr("app.views.people.recipient_timeline.typos_of", typos)
    await store_campaign(sqlite_engine, spec(), 1)
    async with seen_by(sqlite_engine, Role.VIEWER) as browser:
        for number in ("9" * 5_000, f"%2B{phone(1)[1:]}"):
            assert (await browser.get(f"{PEOPLE}/{number}")).status_code in (404, 422)
    assert asked == [phone(1)]


async def test_before_a_decision_its_number_and_consequence_are_named(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.SENDER) as browser:
        all_of_them = unescape((await browser.get(f"{DOUBTS}/resolve?action=resend")).text)
        one = unescape((await browser.get(f"{DOUBTS}/resolve?action=give-up&phone=%2B{phone(3)[1:]}")).text)
        wrong = await browser.get(f"{DOUBTS}/resolve?action=forget")
    assert "Send 2 messages again?" in all_of_them
    assert "up to 2 people may get it twice" in all_of_them
    assert f"1 message to {phone(3)} counts as not sent" in one
    assert wrong.status_code == 422
    assert set((await states(filled)).values()) == {"pending", "failed", "in_doubt", "read"}


async def test_one_doubt_is_decided_without_the_other(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.SENDER) as browser:
        answer = await browser.post(
            f"{DOUBTS}/resolve", {"action": "give-up", "phone": phone(3), "expected": "1"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, DOUBTS)
        assert (await states(filled))[phone(3)] == "cancelled"
        assert (await states(filled))[phone(2)] == "in_doubt"
        again = await browser.post(f"{DOUBTS}/resolve", {"action": "give-up", "phone": phone(3)})
        assert again.status_code == 422
        all_of_them = await browser.post(f"{DOUBTS}/resolve", {"action": "resend", "expected": "1"})
        assert all_of_them.status_code == 303
    assert (await states(filled))[phone(2)] == "pending"


@pytest.mark.parametrize("expected", ["x", "9" * 5000])
async def test_nothing_is_decided_by_a_count_that_cannot_be_read(filled: AsyncEngine, expected: str) -> None:
    async with seen_by(filled, Role.SENDER) as browser:
        answer = await browser.post(f"{DOUBTS}/resolve", {"action": "resend", "expected": expected})
    assert answer.status_code == 422
    assert (await states(filled))[phone(2)] == "in_doubt"


async def test_nothing_is_decided_about_more_than_was_seen(filled: AsyncEngine) -> None:
    async with seen_by(filled, Role.SENDER) as browser:
        answer = await browser.post(f"{DOUBTS}/resolve", {"action": "resend", "expected": "1"})
    assert answer.status_code == 422
    assert "2 messages of spring may have arrived now, not 1" in unescape(answer.text)
    assert (await states(filled))[phone(2)] == "in_doubt"


@pytest.mark.parametrize("role", Role)
async def test_who_may_decide_about_doubts(filled: AsyncEngine, role: Role) -> None:
    may = role.includes(Role.SENDER)
    async with seen_by(filled, role) as browser:
        shown = (await browser.get(DOUBTS)).text
        answer = await browser.post(f"{DOUBTS}/resolve", {"action": "resend", "expected": "2"})
    assert ("/resolve?action=resend" in shown) is may
    assert answer.status_code == (303 if may else 403)
    assert (await states(filled))[phone(2)] == ("pending" if may else "in_doubt")


async def test_an_empty_campaign_says_what_comes_next(engine: AsyncEngine) -> None:
    await store_campaign(engine, spec(), 0)
    async with seen_by(engine, Role.VIEWER) as browser:
        assert "Nobody is here yet" in (await browser.get(PEOPLE)).text
        assert "Nobody matches" in (await browser.get(f"{PEOPLE}?state=read")).text
        assert "Nothing is in doubt" in (await browser.get(DOUBTS)).text
