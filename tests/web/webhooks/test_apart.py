"""The events of one body stand alone: what cannot be read or stored takes nothing else with it, and it is named."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select

from campaigns.states import JobState
from providers.events import Report, Unread, WebhookRequest
from providers.kapso import webhooks as kapso_webhooks
from providers.meta import webhooks as meta_webhooks
from providers.voicebip import webhooks as voicebip_webhooks
from scheduler.receipts.inbox import process_inbox
from scheduler.sending.lanes import Account, open_account
from storage.database.engine import Engine, reading, writing
from storage.sending.optouts import optout_scopes
from storage.tables.contacts import inbound, optouts
from storage.tables.receipts import webhooks
from tests.providers.contract import SECRET, table_of
from tests.support.campaigns import job_rows, later, phone
from tests.support.refusing import refuse
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks

ADA, BOB = phone(0), "+447700900777"
NUMBER = "106540352242922"


@pytest.fixture
async def meta(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    monkeypatch.setenv("CONTRACT_TEST_KEY", SECRET)
    account = open_account("meta", table_of("meta").settings())
    yield account
    await account.http.aclose()


async def arrive(engine: Engine, account: Account, body: bytes, seconds: float = 10) -> str | None:
    """A signed webhook of that account is stored and taken up; the problem that is noted."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = WebhookRequest("https://x/", {"x-hub-signature-256": f"sha256={digest}"}, body, later(seconds))
    assert account.adapter.verify(request)
    row = {"account": account.name, "received_at": later(seconds), "url": "", "headers": "{}", "body": body}
    async with writing(engine) as connection:
        await connection.execute(insert(webhooks), [row])
    assert await process_inbox(engine, {account.name: account}, now=lambda: later(seconds)) == 1
    async with reading(engine) as connection:
        newest = select(webhooks.c.problem).order_by(webhooks.c.id.desc()).limit(1)
        problem: str | None = await connection.scalar(newest)
    return problem


def meta_body(field: str, **value: Any) -> bytes:
    changes = [{"field": field, "value": {"metadata": {"phone_number_id": NUMBER}, **value}}]
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]})


def wrote(person: str, words: str, seconds: float | None) -> dict[str, Any]:
    at = {} if seconds is None else {"timestamp": str(int(later(seconds).timestamp()))}
    return {"from": person[1:], "id": f"wamid.{words}", "type": "text", "text": {"body": words}, **at}


@pytest.mark.parametrize("spoilt", [b"\\ud83d", b"\\u0000", b"\xf0\x9f\x98", b"\x01", b"\\udfff\\ud83d"])
async def test_one_bad_character_loses_neither_the_stop_nor_the_status_beside_it(
    engine: Engine, meta: Account, spoilt: bytes
) -> None:
    await sending(engine, 1, account="meta")
    await answered(engine, [1], account="meta")
    told = meta_body(
        "messages",
        contacts=[{"profile": {"name": "Bob @@"}, "wa_id": BOB[1:]}],
        messages=[wrote(ADA, "STOP", 5), wrote(BOB, "hello @@", 5)],
        statuses=[{"id": "m1", "status": "delivered", "timestamp": "1767225605", "recipient_id": ADA[1:]}],
    )
    assert await arrive(engine, meta, told.replace(b"@@", spoilt)) is None
    async with reading(engine) as connection:
        assert "marketing" in (await optout_scopes(connection, [ADA]))[ADA]
        heard = list(await connection.scalars(select(inbound.c.text).order_by(inbound.c.id)))
    assert (heard[0], heard[1][:6]) == ("STOP", "hello ")
    assert [row.state for row in await job_rows(engine)] == ["delivered"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<xml>", "The body is not JSON."),
        (b"a=b&c=d", "The body is not JSON."),
        (b'{"object": "page", "entry": [{"id": 1}]}', "Nothing in it was taken up; it holds: object, entry."),
        (b"[1, 2]", "Nothing in it was taken up; it holds: list."),
        (b"{}", None),
        (b"", None),
    ],
)
async def test_a_body_without_readable_events_has_its_problem_stored(
    engine: Engine, meta: Account, body: bytes, problem: str | None
) -> None:
    assert await arrive(engine, meta, body) == problem


async def test_an_event_that_the_database_refuses_takes_no_other_of_its_body_with_it(hooks: Hooks) -> None:
    await sending(hooks.engine, 2)
    await answered(hooks.engine, [1, 2])
    await refuse(hooks.engine, "INSERT ON inbound", f"NEW.phone = '{BOB}'")
    said = [{"from": ADA, "text": "STOP", "id": "i1"}, {"from": BOB, "text": "hi", "id": "i2"}]
    await hooks.tell(
        {"id": "m1", "status": "read"}, *said, {"notice": "PAUSED"}, {"id": "m2", "status": "sent"}
    )
    assert await hooks.process() == 1
    [row] = await hooks.stored()
    assert row.processed_at is not None
    assert "no" in row.problem
    assert [row.state for row in await job_rows(hooks.engine)] == ["read", "sent"]
    async with reading(hooks.engine) as connection:
        assert "marketing" in (await optout_scopes(connection, [ADA]))[ADA]
        assert list(await connection.scalars(select(inbound.c.phone))) == [ADA]


def voicebip(number: int) -> dict[str, Any]:
    return {"event_type": "message.sent", "channel": "whatsapp", "payload": {"message_id": f"m{number}"}}


def kapso(number: int) -> dict[str, Any]:
    return {"message": {"id": f"m{number}", "kapso": {"direction": "outbound", "status": "sent"}}}


MANY: dict[str, tuple[Any, str, Callable[[list[int]], Any]]] = {
    "meta": (
        meta_webhooks,
        "error_code",
        lambda ids: orjson.loads(
            meta_body(
                "messages", statuses=[{"id": f"m{n}", "status": "sent", "errors": [{"n": n}]} for n in ids]
            )
        ),
    ),
    "kapso": (kapso_webhooks, "report_of", lambda ids: {"batch": True, "data": [kapso(n) for n in ids]}),
    "voicebip": (voicebip_webhooks, "_report", lambda ids: [voicebip(n) for n in ids]),
}


@pytest.mark.parametrize("name", MANY)
def test_an_event_that_breaks_its_reader_takes_no_other_with_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the fault is in an adapter's own code."""
    monkeypatch.setenv("CONTRACT_TEST_KEY", SECRET)
    module, reader, body = MANY[name]
    right = getattr(module, reader)

    def breaks(*given: Any, **more: Any) -> Any:
        if "m2" in str(given) or {"n": 2} in given:
            raise KeyError("a fault of ours")
        return right(*given, **more)

    monkeypatch.setattr(module, reader, breaks)
    request = WebhookRequest("https://x/", {}, orjson.dumps(body([1, 2, 3])), later(1))
    first, broken, last = table_of(name).adapter().parse_webhook(request)
    assert isinstance(first, Report)
    assert isinstance(last, Report)
    assert (first.message_id, last.message_id) == ("m1", "m3")
    assert broken == Unread("KeyError: 'a fault of ours'")


async def test_a_part_that_was_not_read_is_named_beside_what_was(
    engine: Engine, meta: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report("m1", "read", JobState.READ, later(5))
    monkeypatch.setattr(meta.adapter, "parse_webhook", lambda _: [Unread("KeyError: 'x'"), report])
    await sending(engine, 1, account="meta")
    await answered(engine, [1], account="meta")
    assert await arrive(engine, meta, b"{}") == "KeyError: 'x'"
    assert [row.state for row in await job_rows(engine)] == ["read"]


@pytest.mark.parametrize("said", ["resume", "START"])
async def test_an_opt_in_without_a_time_that_is_sent_again_ends_no_newer_stop(
    engine: Engine, meta: Account, said: str
) -> None:
    if said == "resume":
        asked = {"wa_id": ADA[1:], "category": "marketing_messages", "value": "resume"}
        body = meta_body("user_preferences", user_preferences=[asked])
    else:
        body = meta_body("messages", messages=[wrote(ADA, "START", None)])
    await arrive(engine, meta, body, 10)
    await arrive(engine, meta, meta_body("messages", messages=[wrote(ADA, "STOP", 20)]), 21)
    await arrive(engine, meta, body, 30)
    async with reading(engine) as connection:
        assert "marketing" in (await optout_scopes(connection, [ADA]))[ADA]
        assert (await connection.scalars(select(optouts.c.action).order_by(optouts.c.id))).first() == "in"


async def test_an_opt_in_with_its_time_ends_an_older_stop_and_an_undated_stop_counts(
    engine: Engine, meta: Account
) -> None:
    await arrive(engine, meta, meta_body("messages", messages=[wrote(ADA, "STOP", None)]), 10)
    async with reading(engine) as connection:
        assert (await optout_scopes(connection, [ADA]))[ADA]
    await arrive(engine, meta, meta_body("messages", messages=[wrote(ADA, "START", 20)]), 21)
    async with reading(engine) as connection:
        assert not (await optout_scopes(connection, [ADA])).get(ADA)
