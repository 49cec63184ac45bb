"""Who a webhook is about: one person however the provider spells the number, and also by user id alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from campaigns.phones.user_ids import name_of
from storage.database.engine import Engine, reading, writing
from storage.receipts.user_ids import find_numbers, learn_numbers
from storage.sending.optouts import LogEntry, add_by_hand, log_of, stream_opted_out
from storage.tables.contacts import inbound, user_ids, windows
from storage.tables.runs import jobs
from tests.support.campaigns import later, phone
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks, hooks_on
from tests.web.signing import signing_account
from tests.web.webhooks.bodies import (
    CYD,
    CYD_ID,
    MADE,
    kapso,
    meta,
    meta_message,
    opted_out,
    tell,
    unknown_people,
)

ADA, BEA = "+5531988887777", "+525512345678"
ADA_AS_SPELT, BEA_AS_SPELT = "553188887777", "5215512345678"


def stop_of(provider: str, number: str) -> dict[str, Any]:
    """The provider's webhook about a STOP from this number, digits only."""
    match provider:
        case "meta":
            return meta_message(**{"from": number, "text": {"body": "STOP"}})
        case "kapso":
            return kapso({"type": "text", "text": {"body": "STOP"}}, phone_number=f"+{number}")
        case "bird":
            contact = {"id": "c", "identifierKey": "phonenumber", "identifierValue": f"+{number}"}
            told = {
                "id": "m",
                "sender": {"contact": contact},
                "body": {"type": "text", "text": {"text": "STOP"}},
            }
            return {"service": "channels", "event": "whatsapp.inbound", "payload": told}
        case _:
            text = {"inbound_message": {"message_id": "m", "body": "STOP"}}
            return {"event_type": "message.received", "channel": "whatsapp", "from": number, "payload": text}


@pytest.mark.parametrize("provider", MADE)
@pytest.mark.parametrize(("number", "as_spelt"), [(ADA, ADA_AS_SPELT), (BEA, BEA_AS_SPELT)])
async def test_a_stop_from_another_spelling_opts_out_the_person(
    every: Hooks, provider: str, number: str, as_spelt: str
) -> None:
    await tell(
        every, provider, stop_of(provider, as_spelt), **{"x-webhook-event": "whatsapp.message.received"}
    )
    assert await opted_out(every.engine, number, phone(1)) == {number: {"marketing"}}
    async with reading(every.engine) as connection:
        assert [entry.evidence for entry in await log_of(connection, f"+{as_spelt}")] == ["STOP"]
        assert [entry.phone async for entry in stream_opted_out(connection, None)] == [number]
        assert set(await connection.scalars(select(inbound.c.phone))) == {number}
        assert set(await connection.scalars(select(windows.c.phone))) == {number}


async def test_a_former_spelling_in_a_list_is_opted_out_with_the_person(engine: Engine) -> None:
    """Two rows of one list may hold both spellings, from before they were read as one."""
    async with writing(engine) as connection:
        await add_by_hand(connection, [LogEntry(ADA, "out", "all", later(1), "hand", None)])
    former = f"+{ADA_AS_SPELT}"
    assert await opted_out(engine, ADA, former, BEA) == {ADA: {"all"}, former: {"all"}}


async def test_an_adapter_that_passes_numbers_on_as_they_come_changes_nothing(hooks: Hooks) -> None:
    former = f"+{ADA_AS_SPELT}"
    await hooks.tell({"from": former, "id": "in1", "text": "STOP", "at": 5}, {"stop": f"+{BEA_AS_SPELT}"})
    await hooks.tell({"until": 90, "phone": former}, {"user": "BR.1", "number": former})
    await hooks.tell({"start": None, "user": "BR.1", "at": 4})
    await hooks.process()
    assert await opted_out(hooks.engine, ADA, BEA) == {ADA: {"marketing"}, BEA: {"marketing"}}
    async with reading(hooks.engine) as connection:
        assert set(await connection.scalars(select(windows.c.phone))) == {ADA}
        assert set(await connection.scalars(select(user_ids.c.phone))) == {ADA}
        assert {entry.phone for entry in await log_of(connection, ADA)} == {ADA}


async def test_our_own_number_is_known_by_every_spelling(engine: Engine) -> None:
    """Only the lane of the number that was written to is open."""
    account = signing_account(senders=[{"name": "br", "number": f"+{ADA_AS_SPELT}"}, {"name": "help"}])
    async with hooks_on(engine, {account.name: account}) as hooks:
        await hooks.tell({"from": CYD, "to": ADA, "at": 5})
        await hooks.process()
        async with reading(engine) as connection:
            assert list(await connection.scalars(select(windows.c.lane))) == ["hooked/br"]
    await account.http.aclose()


STATUS = {"id": "wamid.x", "status": "read", "timestamp": "1794744000", "recipient_id": CYD[1:]}
KNOWN_BY = {
    "a status": meta(statuses=[{**STATUS, "recipient_user_id": CYD_ID}]),
    "contacts beside it": meta(contacts=[{"wa_id": CYD[1:], "user_id": CYD_ID}], statuses=[STATUS]),
    "a message": meta_message(**{"from": CYD[1:], "from_user_id": CYD_ID, "text": {"body": "Hi"}}),
    "a preference": meta(
        user_preferences=[{"wa_id": CYD[1:], "user_id": CYD_ID, "value": "resume", "timestamp": 1700000000}]
    ),
}
PREFERENCE = meta(
    contacts=[{"profile": {"name": "Cyd"}, "user_id": CYD_ID}],
    user_preferences=[
        {"user_id": CYD_ID, "category": "marketing_messages", "value": "stop", "timestamp": 1794744000}
    ],
)
STOP = meta_message(from_user_id=CYD_ID, text={"body": "STOP"})


@pytest.mark.parametrize(
    ("account", "said", "how"),
    [
        *(("meta", said, how) for said in (PREFERENCE, STOP) for how in KNOWN_BY),
        *(("kapso", said, how) for said, how in zip([PREFERENCE, STOP] * 2, KNOWN_BY, strict=True)),
    ],
)
async def test_a_stop_by_user_id_alone_opts_out_the_number_known_for_it(
    every: Hooks, account: str, said: dict[str, Any], how: str
) -> None:
    """Kapso passes Meta's bodies on as they are, where its webhook is of kind "meta"."""
    await tell(every, account, KNOWN_BY[how])
    await tell(every, account, said)
    assert await opted_out(every.engine, CYD, phone(1)) == {CYD: {"marketing"}}


async def test_kapsos_own_bodies_have_user_ids_too(every: Hooks) -> None:
    history = [{**STATUS, "recipient_user_id": CYD_ID}]
    sent = {"id": "wamid.x", "kapso": {"direction": "outbound", "status": "read", "statuses": history}}
    await tell(every, "kapso", {"message": sent}, **{"x-webhook-event": "whatsapp.message.read"})
    pressed = {"type": "button", "button": {"text": "No more offers", "payload": "STOP"}}
    await tell(every, "kapso", kapso({**pressed, "from_user_id": CYD_ID}))
    assert await opted_out(every.engine, CYD) == {CYD: {"marketing"}}
    async with reading(every.engine) as connection:
        [entry] = await log_of(connection, CYD)
    assert entry.evidence == "No more offers (button: STOP)"


async def test_another_accounts_user_id_is_not_the_same_person(every: Hooks) -> None:
    await tell(every, "meta", KNOWN_BY["a status"])
    await tell(every, "kapso", PREFERENCE)
    assert await opted_out(every.engine, CYD) == {}


@pytest.mark.parametrize("said", [PREFERENCE, STOP], ids=["preference", "message"])
async def test_a_stop_of_a_person_without_a_number_is_noticed_and_counts_once_the_number_is_known(
    every: Hooks, said: dict[str, Any]
) -> None:
    await tell(every, "meta", said)
    [(subject, text)] = await unknown_people(every.engine)
    assert (subject, "Opted out of marketing" in text) == (CYD_ID, True)
    async with reading(every.engine) as connection:
        assert [entry async for entry in stream_opted_out(connection, None)] == []
        opened = {name_of("meta", CYD_ID)} if said is STOP else set()
        assert set(await connection.scalars(select(windows.c.phone))) == opened
    await tell(every, "meta", KNOWN_BY["a status"])
    assert await opted_out(every.engine, CYD) == {CYD: {"marketing"}}
    async with reading(every.engine) as connection:
        assert set(await connection.scalars(select(inbound.c.phone))) <= {CYD}
        assert set(await connection.scalars(select(windows.c.phone))) <= {CYD}
        [entry] = await log_of(connection, CYD)
    assert entry.source == "webhook:meta"


async def test_an_older_stop_that_is_named_late_ends_no_newer_opt_in(every: Hooks) -> None:
    await tell(every, "meta", PREFERENCE)
    again = {"wa_id": CYD[1:], "value": "resume", "timestamp": 1794744100}
    await tell(every, "meta", meta(user_preferences=[again]))
    await tell(every, "meta", KNOWN_BY["a status"])
    assert await opted_out(every.engine, CYD) == {}


async def test_number_and_stop_in_one_body_and_in_one_batch(every: Hooks) -> None:
    one = {**PREFERENCE, "entry": PREFERENCE["entry"] + KNOWN_BY["a status"]["entry"]}
    await tell(every, "meta", one)
    assert await opted_out(every.engine, CYD) == {CYD: {"marketing"}}


async def test_who_answers_our_message_is_its_recipient(hooks: Hooks) -> None:
    await sending(hooks.engine, 2)
    await answered(hooks.engine, [1, 2])
    await hooks.tell(
        {"from_user": "GB.7", "id": "in1", "text": "Enough", "payload": "stop", "answers": "m1", "at": 5}
    )
    await hooks.process()
    async with reading(hooks.engine) as connection:
        to = str(await connection.scalar(select(jobs.c.phone).where(jobs.c.provider_message_id == "m1")))
        assert list(await connection.scalars(select(windows.c.phone).distinct())) == [to]
    assert await opted_out(hooks.engine, to, phone(1), phone(0)) == {to: {"marketing"}}
    assert await unknown_people(hooks.engine) == []
    await hooks.tell({"start": None, "user": "GB.7", "at": 9})  # and known from then on
    await hooks.process()
    assert await opted_out(hooks.engine, to) == {}


async def test_an_opt_in_without_a_time_is_not_kept_for_later(hooks: Hooks) -> None:
    await hooks.tell({"stop": CYD, "at": 5})
    await hooks.tell({"start": None, "user": CYD_ID, "undated": True})
    await hooks.process()
    await hooks.tell({"user": CYD_ID, "number": CYD})
    await hooks.process()
    assert await opted_out(hooks.engine, CYD) == {CYD: {"marketing"}}


@pytest.mark.parametrize("user_id", ["", "a b", "GB.\u2028", "x" * 201, "../..", "é"])
async def test_an_invalid_user_id_identifies_no_person(hooks: Hooks, user_id: str) -> None:
    await hooks.tell({"user": user_id, "number": CYD}, {"stop": None, "user": user_id, "at": 5})
    await hooks.process()
    async with reading(hooks.engine) as connection:
        kept = set(await connection.scalars(select(user_ids.c.user_id)))
    assert kept <= {"../.."}


async def test_who_learns_a_number_waits_for_what_is_being_stored_under_the_id(
    engine: Engine,
) -> None:
    """Two processes at once: one stores a STOP under the id, the other learns whose it is."""
    async with writing(engine) as first:
        assert await find_numbers(first, "meta", {CYD_ID}, later(1)) == {}

        async def learn() -> None:
            async with writing(engine) as second:
                await learn_numbers(second, "meta", {CYD_ID: CYD}, later(2))

        learning = asyncio.create_task(learn())
        await asyncio.wait([learning], timeout=0.3)
        out = LogEntry(f"user:meta/{CYD_ID}", "out", "all", later(1), "webhook:meta", "STOP")
        await add_by_hand(first, [out])
    await learning
    assert await opted_out(engine, CYD) == {CYD: {"all"}}


BUTTONS = {
    "Meta's label": {"type": "button", "button": {"payload": "Stop promotions", "text": "Stop promotions"}},
    "payload, Spanish": {"type": "button", "button": {"payload": "STOP", "text": "Detener promociones"}},
    "label, Spanish": {"type": "button", "button": {"payload": "btn-1", "text": "Detener promociones"}},
    "label, Portuguese": {
        "type": "button",
        "button": {"payload": "Parar promoções", "text": "Parar promoções"},
    },
    "id of a reply": {
        "type": "interactive",
        "interactive": {"type": "button_reply", "button_reply": {"id": "STOP", "title": "No more offers"}},
    },
    "id of a list row": {
        "type": "interactive",
        "interactive": {"type": "list_reply", "list_reply": {"id": "unsubscribe", "title": "No more offers"}},
    },
}


@pytest.mark.parametrize("pressed", BUTTONS)
@pytest.mark.parametrize("provider", ["meta", "kapso"])
async def test_a_pressed_opt_out_button_opts_out(every: Hooks, provider: str, pressed: str) -> None:
    message = {**BUTTONS[pressed], "context": {"from": "447700900970", "id": "wamid.unknown"}}
    body = (
        meta_message(**{"from": CYD[1:], **message})
        if provider == "meta"
        else kapso(message, phone_number=CYD)
    )
    await tell(every, provider, body)
    assert await opted_out(every.engine, CYD, phone(1)) == {CYD: {"marketing"}}


async def test_another_button_opts_no_person_out(every: Hooks) -> None:
    pressed = {"type": "button", "button": {"payload": "order-7", "text": "Show promotions"}}
    await tell(every, "meta", meta_message(**{"from": CYD[1:], **pressed}))
    assert await opted_out(every.engine, CYD) == {}
