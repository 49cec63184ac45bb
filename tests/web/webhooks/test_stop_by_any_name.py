"""Whatever spelling, user id or context a STOP comes with, and whenever the provider tells whose name that is: the
person is opted out under every spelling, and nobody else is."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import select, update

from app.actions.contacts import link_user_id
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.phones.spellings import spellings
from campaigns.phones.user_ids import name_of
from scheduler.sending.outcome_store import OutcomeStore
from storage.database.engine import reading, writing
from storage.receipts.user_ids import learn_numbers, learn_other_numbers, numbers_of_placeholders
from storage.sending.contact_history import NewHistoryRow, add_to_history
from storage.tables.contacts import inbound, touches, windows
from storage.tables.runs import jobs
from tests.support.campaigns import job_rows, later
from tests.support.examples import share
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks
from tests.web.webhooks.bodies import meta, meta_message, opted_out, tell, unknown_people

NEXT = count(11_111_111)
"""New people for each example: none is known from another."""
STAMP = "1794744000"


def person(country: str) -> str:
    number = next(NEXT)
    return {
        "BR": f"+55319{number}",
        "MX": f"+5255{number}",
        "AR": f"+54911{number}",
        "BJ": f"+22901{number}",
        "GB": f"+4478{number}"[:13],
    }[country]


def bodies_of(number: str, spelt: str, user_id: str, other: str) -> dict[str, dict[str, Any]]:
    """The ways in which a STOP of this person may come, and how the provider tells whose it is."""
    stop = {"text": {"body": "STOP"}, "id": f"in-{user_id}", "timestamp": STAMP}
    preference = {"category": "marketing_messages", "value": "stop", "timestamp": int(STAMP)}
    status = {"id": "wamid.x", "status": "read", "timestamp": STAMP, "recipient_id": spelt[1:]}
    return {
        "by number": meta_message(**{**stop, "from": spelt[1:]}),
        "by user id": meta_message(**{**stop, "from_user_id": user_id}),
        "by both": meta_message(**{**stop, "from": spelt[1:], "from_user_id": user_id}),
        "by another number": meta_message(**{**stop, "from": other[1:]}),
        "in the settings": meta(user_preferences=[{"wa_id": spelt[1:], **preference}]),
        "in the settings, by user id": meta(user_preferences=[{"user_id": user_id, **preference}]),
        "a status": meta(statuses=[{**status, "recipient_user_id": user_id}]),
        "contacts": meta(contacts=[{"wa_id": spelt[1:], "user_id": user_id}], statuses=[status]),
    }


STOPS = (
    "by number",
    "by user id",
    "by both",
    "by another number",
    "in the settings",
    "in the settings, by user id",
)
TELLS = ("a status", "contacts", "an answer")


@given(
    countries=st.tuples(*(st.sampled_from(["BR", "MX", "AR", "BJ", "GB"]) for _ in range(2))),
    how=st.sampled_from(STOPS),
    tells=st.sampled_from(TELLS),
    told_first=st.booleans(),
    spelling=st.integers(0, 1),
)
@share(0.15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_a_stop_reaches_its_person_and_nobody_else(
    every: Hooks, countries: tuple[str, str], how: str, tells: str, told_first: bool, spelling: int
) -> None:
    number, bystander = map(person, countries)
    known_as = spellings(number)
    user_id, other = f"GB.{number[1:]}", f"+4479{number[-8:]}"
    bodies = bodies_of(number, known_as[spelling % len(known_as)], user_id, other)

    async def tell_whose() -> None:
        if tells != "an answer":
            await tell(every, "meta", bodies[tells])
        async with writing(every.engine) as connection:  # and the answers to our messages to both people
            await learn_other_numbers(connection, "meta", {number: other}, later(1))
            if tells == "an answer":
                await learn_numbers(connection, "meta", {user_id: other}, later(1))
            await learn_numbers(connection, "meta", {f"GB.{bystander[1:]}": bystander}, later(1))

    if told_first:
        await tell_whose()
    await tell(every, "meta", bodies[how])
    unknown, others = name_of("meta", user_id), name_of("meta", f"GB.{bystander[1:]}")
    if not told_first:
        if "by user id" in how:
            assert await opted_out(every.engine, unknown, others) == {unknown: {"marketing"}}
        await tell_whose()
    found = await opted_out(every.engine, *known_as, *spellings(bystander))
    assert found == {spelt: {"marketing"} for spelt in known_as}
    async with reading(every.engine) as connection:  # a list that names them by user id is about the numbers
        listed = await numbers_of_placeholders(connection, [unknown, others])
    assert listed[others] == bystander
    assert await opted_out(every.engine, listed[unknown], bystander) == {listed[unknown]: {"marketing"}}


async def test_names_in_the_answers_to_our_messages_are_stored_with_the_shift(every: Hooks) -> None:
    number, other = person("GB"), person("GB")
    lane: Any = SimpleNamespace(account=SimpleNamespace(name="meta"), now=lambda: later(1))
    lease: Any = None
    store = OutcomeStore(every.engine, lane, lease)
    store.note_names(number, Accepted("m1", user_id="GB.5", number=other))
    store.note_names(number, Refused(FailureKind.RECIPIENT, "131026"))
    await store.store_names()
    await store.store_names()
    by_id = meta_message(from_user_id="GB.5", text={"body": "STOP"})
    await tell(every, "meta", by_id)
    assert await opted_out(every.engine, number, other) == {number: {"marketing"}, other: {"marketing"}}
    async with reading(every.engine) as connection:
        assert set(await connection.scalars(select(windows.c.phone))) == {number, other}
        assert list(await connection.scalars(select(inbound.c.phone))) == [number]


async def test_a_person_who_was_named_by_hand_has_the_opt_out_and_no_notice(every: Hooks) -> None:
    number = person("GB")
    await tell(every, "meta", meta_message(from_user_id="GB.6", text={"body": "STOP"}))
    [(subject, text)] = await unknown_people(every.engine)
    assert (subject, "drumbeat contacts link GB.6 PHONE --account meta" in text) == ("GB.6", True)
    settings = Settings("", {"meta": every.accounts["meta"].settings})
    out = await link_user_id(every.engine, settings, "meta", "GB.6", number)
    assert [entry.scope for entry in out] == ["marketing"]
    assert await unknown_people(every.engine) == []
    assert await opted_out(every.engine, number) == {number: {"marketing"}}
    with pytest.raises(NotFound):
        await link_user_id(every.engine, settings, "nobody", "GB.6", number)
    with pytest.raises(InvalidInput):
        await link_user_id(every.engine, settings, "meta", "GB 6", number)
    with pytest.raises(InvalidInput):
        await link_user_id(every.engine, settings, "meta", "GB.6", name_of("meta", "GB.7"))


@pytest.mark.parametrize("answered_number", [1, 2])
async def test_a_stop_in_answer_to_a_message_is_its_recipients(every: Hooks, answered_number: int) -> None:
    await sending(every.engine, 2, account="meta")
    await answered(every.engine, [1, 2], account="meta")
    people = {1: person("BR"), 2: person("MX")}
    async with writing(every.engine) as connection:
        for job_id, number in people.items():
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(phone=number))
    context = {"context": {"id": f"m{answered_number}"}, "text": {"body": "STOP"}}
    await tell(every, "meta", meta_message(from_user_id="BR.9", **context))
    assert await opted_out(every.engine, *people.values()) == {people[answered_number]: {"marketing"}}


async def test_a_message_to_a_user_id_has_its_status_reply_and_stop(every: Hooks) -> None:
    await sending(every.engine, 1, account="meta")
    await answered(every.engine, [1], account="meta")
    unknown = name_of("meta", "GB.7")
    async with writing(every.engine) as connection:
        await connection.execute(update(jobs).values(phone=unknown))
        past = [NewHistoryRow(1, unknown, 1, "marketing", (), counts=True)]
        await add_to_history(connection, "meta/shop", later(2), past)
    status = {"id": "m1", "status": "delivered", "timestamp": STAMP, "recipient_user_id": "GB.7"}
    await tell(every, "meta", meta(statuses=[status], contacts=[{"user_id": "GB.7"}]))
    reply = {"from_user_id": "GB.7", "context": {"id": "m1"}, "text": {"body": "STOP"}}
    await tell(every, "meta", meta_message(**reply))

    async def named() -> tuple[set[str], ...]:
        async with reading(every.engine) as connection:
            return tuple(
                [set(await connection.scalars(select(t.c.phone))) for t in (windows, inbound, touches)]
            )

    assert [row.state for row in await job_rows(every.engine)] == ["delivered"]
    assert await named() == ({unknown}, {unknown}, {unknown})
    assert await opted_out(every.engine, unknown) == {unknown: {"marketing"}}
    number = person("GB")
    async with writing(every.engine) as connection:
        await learn_numbers(connection, "meta", {"GB.7": number}, later(9))
    assert await named() == ({number}, {number}, {number})
    assert await opted_out(every.engine, number) == {number: {"marketing"}}
