"""What webhooks report beside texts and statuses takes effect, through Meta's own webhooks and those that Kapso passes
on: edits, deletions, calls, groups, changed numbers; and what is not understood is counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update

from app.views.operators.providers import newest_notices
from campaigns.money.costs import Money
from campaigns.money.prices import Prices, RateCard
from providers.events import Billed, Report
from providers.kapso.settings import KapsoAccount
from scheduler.receipts.late_prices import price_by_job
from scheduler.receipts.webhook_events import ParsedEvents
from scheduler.sending.lanes import open_account
from storage.audience.contacts import messages_from
from storage.database.engine import Engine, reading, writing
from storage.sending.optouts import LogEntry, add_by_hand
from storage.tables.contacts import inbound, touches, windows
from storage.tables.runs import jobs
from storage.views.metrics_snapshot import read_metrics
from tests.providers.cases.meta_webhooks import signed
from tests.providers.contract import SECRET, SECRET_PLACE, table_of
from tests.support.campaigns import later
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks, hooks_on
from tests.web.webhooks.bodies import (
    CYD,
    CYD_ID,
    meta,
    meta_message,
    opted_out,
    tell,
)

NEW = "+12195555358"
BOTH = pytest.mark.parametrize("account", ["meta", "kapso"])
WRITTEN = {"from": CYD[1:], "timestamp": "1794744000"}


def edited(text: str) -> dict[str, Any]:
    edit = {"original_message_id": "wamid.in", "message": {"type": "text", "text": {"body": text}}}
    return meta_message(**WRITTEN | {"id": "wamid.edit", "type": "edit", "edit": edit})


def changed(**system: Any) -> dict[str, Any]:
    return meta_message(**WRITTEN | {"type": "system", "system": {"type": "user_changed_number", **system}})


def called(direction: str) -> dict[str, Any]:
    call = {"id": "c1", "from": CYD[1:], "timestamp": "1794744000", "direction": direction}
    body = meta(calls=[call])
    body["entry"][0]["changes"][0]["field"] = "calls"
    return body


async def texts(hooks: Hooks, number: str = CYD) -> list[tuple[str | None, str | None, str | None]]:
    async with reading(hooks.engine) as connection:
        return [(one.text, one.payload, one.answers) for one in await messages_from(connection, number, 9)]


async def open_to(hooks: Hooks) -> set[str]:
    async with reading(hooks.engine) as connection:
        return set(await connection.scalars(select(windows.c.phone)))


@BOTH
async def test_what_was_pressed_and_which_message_was_answered_is_stored(every: Hooks, account: str) -> None:
    reply = {"type": "list_reply", "list_reply": {"id": "size-m", "title": "Medium"}}
    message = {"type": "interactive", "interactive": reply, "context": {"id": "wamid.OURS"}}
    await tell(every, account, meta_message(**WRITTEN | message))
    assert await texts(every) == [("Medium", "size-m", "wamid.OURS")]


@BOTH
async def test_an_edited_message_is_read_as_it_now_is_and_opens_nothing(every: Hooks, account: str) -> None:
    await tell(every, account, edited("STOP"))
    assert await open_to(every) == set()
    await tell(every, account, meta_message(**WRITTEN | {"text": {"body": "Sto"}}))
    assert await texts(every) == [("STOP", None, None)]
    await tell(every, account, edited("Stop please"))
    assert await texts(every) == [("Stop please", None, None)]
    assert await opted_out(every.engine, CYD) == {CYD: {"marketing"}}


@BOTH
async def test_a_deleted_message_is_forgotten_and_opens_nothing(every: Hooks, account: str) -> None:
    deleted = {"id": "wamid.x", "type": "revoke", "revoke": {"original_message_id": "wamid.in"}}
    await tell(every, account, meta_message(**WRITTEN | deleted))
    assert await open_to(every) == set()
    await tell(every, account, meta_message(**WRITTEN | {"text": {"body": "My secret"}}))
    await tell(every, account, meta_message(**WRITTEN | deleted))
    assert await texts(every) == [(None, None, None)]
    assert [row.problem for row in await every.stored()] == [None] * 3


@BOTH
async def test_a_groups_message_opens_no_window_and_is_no_opt_in(every: Hooks, account: str) -> None:
    async with writing(every.engine) as connection:
        await add_by_hand(connection, [LogEntry(CYD, "out", "marketing", later(1), "hand", None)])
    await tell(every, account, meta_message(**WRITTEN | {"group_id": "g", "text": {"body": "START"}}))
    assert (await open_to(every), await texts(every)) == (set(), [])
    assert await opted_out(every.engine, CYD) == {CYD: {"marketing"}}


@BOTH
async def test_a_persons_call_opens_the_window_and_ours_does_not(every: Hooks, account: str) -> None:
    await tell(every, account, called("BUSINESS_INITIATED"))
    assert await open_to(every) == set()
    await tell(every, account, called("USER_INITIATED"))
    assert (await open_to(every), await texts(every)) == ({CYD}, [])


@BOTH
async def test_a_changed_number_takes_opt_outs_windows_and_history_with_it(
    every: Hooks, account: str
) -> None:
    await tell(every, account, meta_message(**WRITTEN | {"text": {"body": "STOP"}}))
    async with writing(every.engine) as connection:
        touch = {"job_id": 7, "phone": CYD, "at": later(1), "campaign_id": 1, "lane": "meta/shop"}
        await connection.execute(
            insert(touches).values(**touch, category="marketing", tags="[]", counts=True)
        )
    for _ in range(2):
        await tell(every, account, changed(wa_id=NEW[1:], user_id="US.2", previous_user_id=CYD_ID))
    assert await opted_out(every.engine, CYD, NEW) == {CYD: {"marketing"}, NEW: {"marketing"}}
    assert await open_to(every) == {NEW}
    assert await texts(every, NEW) == [("STOP", None, None)]
    async with reading(every.engine) as connection:
        assert list(await connection.scalars(select(touches.c.phone))) == [NEW]
        assert list(await connection.scalars(select(inbound.c.phone))) == [NEW]
    resume = {"user_id": "US.2", "value": "resume", "timestamp": 1794744100}
    await tell(every, account, meta(user_preferences=[resume]))
    assert await opted_out(every.engine, CYD, NEW) == {CYD: {"marketing"}}


async def test_a_new_user_id_alone_is_still_the_person_of_the_former_one(every: Hooks) -> None:
    await tell(every, "meta", meta_message(**WRITTEN | {"from_user_id": CYD_ID, "text": {"body": "Hi"}}))
    change = {"type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": CYD_ID}
    await tell(every, "meta", meta_message(type="system", system=change))
    await tell(every, "meta", meta_message(from_user_id="US.2", id="w2", text={"body": "STOP"}))
    assert await opted_out(every.engine, CYD, NEW) == {CYD: {"marketing"}}
    await tell(
        every, "meta", meta_message(**{"from": NEW[1:], "from_user_id": "US.2", "id": "w3", "text": {}})
    )
    assert await opted_out(every.engine, CYD, NEW) == {CYD: {"marketing"}, NEW: {"marketing"}}


async def test_an_opt_out_of_a_person_without_a_number_follows_their_user_id(every: Hooks) -> None:
    await tell(every, "meta", meta_message(from_user_id=CYD_ID, text={"body": "STOP"}))
    change = {"type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": CYD_ID}
    await tell(every, "meta", meta_message(id="w2", type="system", system=change))
    await tell(
        every, "meta", meta_message(**{"from": NEW[1:], "from_user_id": "US.2", "id": "w3", "text": {}})
    )
    assert await opted_out(every.engine, CYD, NEW) == {NEW: {"marketing"}}


async def test_a_sign_up_ends_an_earlier_opt_out(every: Hooks) -> None:
    await tell(every, "meta", meta_message(**WRITTEN | {"text": {"body": "STOP"}}))
    signup = {"wa_id": CYD[1:], "value": "signup", "timestamp": 1794744100}
    await tell(every, "meta", meta(user_preferences=[signup]))
    assert await opted_out(every.engine, CYD) == {}


async def test_what_is_not_understood_is_counted_and_shown(every: Hooks) -> None:
    unknown = meta(event="FLOW_STATUS_CHANGE")
    unknown["entry"][0]["changes"][0]["field"] = "flows"
    for _ in range(3):
        await tell(every, "meta", unknown)
    await tell(every, "bird", {"service": "channels", "event": "sms.inbound", "payload": {"id": "x"}})
    async with reading(every.engine) as connection:
        found = await newest_notices(connection, ["meta", "bird"], 20)
        counted = (await read_metrics(connection, later(1), later(0))).not_understood
    assert {(one.account, one.kind, one.subject, one.text) for one in found} == {
        ("meta", "not_understood", "field flows", "3 times"),
        ("bird", "not_understood", "event sms.inbound", "1 times"),
    }
    assert counted == {"meta": 3, "bird": 1}
    assert [row.problem for row in await every.stored()] == [None] * 4


async def test_a_large_body_counts_what_is_not_understood_once(
    every: Hooks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scheduler.receipts.inbox.LARGE", 100)
    unknown = meta(event="FLOW_STATUS_CHANGE")
    unknown["entry"][0]["changes"][0]["field"] = "flows"
    await tell(every, "meta", unknown)
    async with reading(every.engine) as connection:
        assert (await read_metrics(connection, later(1), later(0))).not_understood == {"meta": 1}


@pytest.mark.parametrize("sent_to", ["+447700900000", "user:hooked/GB.1"])
async def test_a_status_without_a_number_is_priced_by_the_jobs(hooks: Hooks, sent_to: str) -> None:
    await sending(hooks.engine, 1)
    await answered(hooks.engine, [1])
    async with writing(hooks.engine) as connection:
        await connection.execute(update(jobs).values(phone=sent_to))
    rates = {("United Kingdom", "marketing", "any"): 52_900}
    card = RateCard(1, "meta", later(0).date(), "USD", "a test", rates)
    billed = Report("m1", "delivered", None, later(5), billed=Billed("marketing", None))
    unknown = Report("m9", "delivered", None, later(5), billed=Billed("marketing", None))
    async with reading(hooks.engine) as connection:
        parsed = ParsedEvents(reports=[billed, unknown], prices=Prices([card]))
        priced = await price_by_job(connection, "hooked", parsed, later(6))
    assert [one.cost for one in priced.reports] == [Money(Decimal("0.0529"), "USD"), None]


@pytest.mark.parametrize(
    ("headers", "answer"),
    [({}, 401), ({"x-hub-signature-256": "meta"}, 200), ({"x-webhook-signature": "0" * 64}, 401)],
    ids=["unsigned", "Meta's", "a wrong one of Kapso's"],
)
async def test_kapsos_kind_meta_may_have_metas_signature_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], answer: int
) -> None:
    monkeypatch.setenv("CONTRACT_TEST_KEY", SECRET)
    keys = {**table_of("kapso").account, "app_secret": SECRET_PLACE, "api_key": SECRET_PLACE}
    account = open_account("kapso", KapsoAccount.model_validate({**keys, "adapter": "kapso"}))
    async with hooks_on(engine, {"kapso": account}) as hooks:
        body = orjson.dumps(meta_message(**WRITTEN | {"text": {"body": "STOP"}}))
        sent = {name: value if value != "meta" else signed(body)[name] for name, value in headers.items()}
        assert (await hooks.post(body, "kapso", sent)).status_code == answer
        await hooks.process()
    assert bool(await opted_out(engine, CYD)) == (answer == 200)
    await account.http.aclose()
