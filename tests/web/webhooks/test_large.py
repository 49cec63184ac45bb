"""A large webhook is applied in parts: the others have their turn between two of them, and what counts once counts once
whatever happens between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from scheduler.receipts import inbox
from scheduler.receipts.webhook_events import ParsedEvents
from scheduler.sending.lanes import Account
from storage.database.engine import Engine, reading, writing
from storage.receipts.inbox import next_large_webhook, take_webhooks
from storage.sending.optouts import PreferenceChange
from storage.tables.contacts import inbound, optouts
from storage.tables.receipts import notices, webhooks
from tests.support.campaigns import job_rows, later, phone
from tests.support.sent import answered, sending
from tests.web.conftest import Hooks, hooks_on
from tests.web.signing import body_of, signing_account

PEOPLE = range(1, 8)
GONE = OperationalError("UPDATE", {}, Exception("the server closed the connection"), None, True)


@pytest.fixture(autouse=True)
def little_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "LARGE", 200)
    monkeypatch.setattr(inbox, "PART", 3)


@pytest.fixture
async def hooks(engine: Engine, accounts: dict[str, Account]) -> AsyncIterator[Hooks]:
    """With a second account."""
    other = signing_account("other")
    async with hooks_on(engine, {**accounts, other.name: other}) as made:
        yield made
    await other.http.aclose()


def everything() -> list[dict[str, Any]]:
    """Events of every kind; one message has no id of its own."""
    statuses = [{"id": f"m{number}", "status": "read", "at": 5} for number in PEOPLE]
    stops = [{"stop": phone(number), "at": 6} for number in PEOPLE]
    texts = [{"from": phone(number), "id": f"in{number}", "text": "Hello", "at": 7} for number in PEOPLE]
    return [*statuses, *stops, *texts, {"from": phone(1), "text": "no id", "at": 7}, {"notice": "PAUSED"}]


async def opted_out(engine: Engine) -> list[str]:
    """In the order in which it was stored."""
    async with reading(engine) as connection:
        return list(await connection.scalars(select(optouts.c.phone).order_by(optouts.c.id)))


async def assert_all_counted_once(hooks: Hooks) -> None:
    assert [row.state for row in await job_rows(hooks.engine)] == ["read"] * len(PEOPLE)
    assert sorted(await opted_out(hooks.engine)) == [phone(number) for number in PEOPLE]
    assert await hooks.count(inbound) == len(PEOPLE) + 1
    assert await hooks.count(notices) == 1
    assert [(row.processed_at is None, row.problem) for row in await hooks.stored()] == [(False, None)]


async def sent_to_all(hooks: Hooks) -> None:
    await sending(hooks.engine, len(PEOPLE))
    await answered(hooks.engine, list(PEOPLE))


async def test_another_accounts_stop_waits_for_no_large_body(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hooks.tell(*({"stop": phone(number), "at": 5} for number in range(20)))
    assert (await hooks.post(body_of({"stop": phone(30), "at": 5}), "other")).status_code == 200
    apply_one_part = inbox._apply_one_part

    async def one_more_arrives(*given: Any) -> Any:
        done = await apply_one_part(*given)
        if len(await opted_out(hooks.engine)) == 4:
            await hooks.post(body_of({"stop": phone(31), "at": 5}), "other")
        return done

    monkeypatch.setattr(inbox, "_apply_one_part", one_more_arrives)
    assert await hooks.process() == 3
    order = await opted_out(hooks.engine)
    assert (order.index(phone(30)), order.index(phone(31))) == (0, 4)
    assert len(order) == 22


async def test_all_of_a_large_body_is_applied(hooks: Hooks) -> None:
    await sent_to_all(hooks)
    await hooks.tell(*everything())
    assert await hooks.process() == 1
    await assert_all_counted_once(hooks)
    assert await hooks.process() == 0


@pytest.mark.parametrize("parts", [1, 3, 7])
async def test_after_an_outage_between_two_parts_all_of_it_counts_once(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    await sent_to_all(hooks)
    await hooks.tell(*everything())
    applied: list[int] = []
    apply_one_part = inbox._apply_one_part

    async def gone(*given: Any) -> Any:
        if len(applied) == parts:
            raise GONE
        applied.append(1)
        return await apply_one_part(*given)

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_apply_one_part", gone)
        with pytest.raises(OperationalError):
            await hooks.process()
    assert (await hooks.stored())[0].processed_at is None
    assert await hooks.process() == 1
    await assert_all_counted_once(hooks)


async def test_two_processes_count_a_large_body_once(hooks: Hooks) -> None:
    await sent_to_all(hooks)
    await hooks.tell(*everything())
    await asyncio.gather(*(hooks.process() for _ in range(3)))
    await assert_all_counted_once(hooks)


async def test_what_the_database_refuses_of_a_large_body_is_named_and_the_rest_counts(hooks: Hooks) -> None:
    adapter: Any = hooks.accounts["hooked"].adapter
    read = adapter.parse_webhook

    def odd(request: Any) -> list[Any]:
        found = read(request)
        return [replace(found[0], scope=None), *found[1:]]

    await hooks.tell(*({"stop": phone(number), "at": 5} for number in range(20)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "parse_webhook", odd)
        assert await hooks.process() == 1
    assert await opted_out(hooks.engine) == [phone(number) for number in range(1, 20)]
    async with reading(hooks.engine) as connection:
        assert "scope" in str(await connection.scalar(select(webhooks.c.problem)))


async def test_what_another_process_has_closed_is_not_applied_again(hooks: Hooks) -> None:
    await hooks.tell(*({"stop": phone(number), "at": 5} for number in range(20)))
    account = hooks.accounts["hooked"]
    async with reading(hooks.engine) as connection:
        webhook = await next_large_webhook(connection, ["hooked"], 200)
    assert webhook is not None
    async with writing(hooks.engine) as connection:
        await take_webhooks(connection, [webhook.id], later(2))
    part = [ParsedEvents(preferences=[PreferenceChange(phone(1), "out", "marketing", later(5), "STOP")])]
    assert await inbox._apply_one_part(hooks.engine, account, webhook, part, later(9)) == []
    assert await opted_out(hooks.engine) == []
