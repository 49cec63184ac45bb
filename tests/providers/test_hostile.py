"""Every door of every adapter, on both databases: documented bodies in which each value in turn is one that no database
takes, or that no clock or purse can hold. Nothing breaks, and all of it can be stored."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import orjson
import pytest
from sqlalchemy import insert

from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Result, acknowledge
from campaigns.untrusted import LONGEST_TEXT, clean
from providers.adapter import Balance
from providers.events import WebhookRequest
from providers.http.client import Answer
from providers.registry import ADAPTERS, adapter_class
from scheduler.receipts.inbox import process_inbox
from scheduler.sending.lanes import open_account
from storage.database.engine import Engine, writing
from storage.receipts.notices import keep_balance
from storage.sending.intents import DueJob, Intent
from storage.sending.outcomes import Outcome, store_outcomes
from storage.tables.receipts import webhooks
from tests.providers.contract import Table, answer, table_of
from tests.support.campaigns import EPOCH, later
from tests.support.sent import sending

EVERY = pytest.mark.parametrize("name", ADAPTERS)
HOOKED = [name for name in ADAPTERS if adapter_class(name).capabilities.webhooks]
HERE = "@@HERE@@"
HOSTILE = [
    b'"a \\u0000 nul"',
    b'"half of a character \\ud83d"',
    b'"not UTF-8: \xff"',
    b'"a control \x01"',
    b"1e30",
    b"1e300",
    b"-1e400",
    b"NaN",
    b"Infinity",
    b"18446744073709551615",
    b"9" * 5_000,
    b'"' + b"9" * 5_000 + b'"',
    b'"1e30"',
    b'"9999-12-31T23:59:59Z"',
    b'"0001-01-01T00:00:00+14:00"',
    b"253402300800",
    b'{"a": [[]]}',
]
LONG = b'"' + "é".encode() * 1_000_000 + b'"'
MOST = 300
"""Bodies of one adapter through one door."""


def spoiled(document: Any) -> Iterator[bytes]:
    """The document with each of its values in turn replaced by each hostile one, and one of them by a very long one."""
    whole = {"": deepcopy(document)}
    places = list(_leaves(whole))
    for number, (parent, key) in enumerate(places):
        kept, parent[key] = parent[key], HERE
        with_place = orjson.dumps(whole[""])
        parent[key] = kept
        for value in (*HOSTILE, *([LONG] if number == 0 else [])):
            yield with_place.replace(b'"' + HERE.encode() + b'"', value)


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in list(children):
        if not isinstance(child, dict | list):
            yield value, key
        yield from _leaves(child)


def some(bodies: Iterator[Any]) -> list[Any]:
    """At most MOST of them, spread over all."""
    found = list(bodies)
    return found[:: len(found) // MOST + 1]


def answers(table: Table) -> Iterator[tuple[Answer, tuple[str, ...]]]:
    for row in table.reads:
        if isinstance(row.body, dict | list):
            for body in spoiled(row.body):
                yield answer(row.status, body, row.headers), row.to


@EVERY
async def test_every_answer_to_a_send_can_be_stored(engine: Engine, name: str) -> None:
    table = table_of(name)
    adapter = table.adapter()
    await sending(engine, 1, account=name)
    outcomes, balances = [], []
    for reply, to in some(answers(table)):
        results = adapter.read(reply, table.call(to, Content(MessageType.TEXT, "Hello")))
        assert_clean(results)
        outcomes += [outcome(result) for result in results]
        balances += [balance] if (balance := adapter.balance_in(reply)) else []
    assert len(outcomes) > 100
    async with writing(engine) as connection:
        await store_outcomes(connection, outcomes, later(3))
        for balance in balances:
            assert isinstance(balance, Balance)
            await keep_balance(connection, name, balance.amount, balance.remaining_messages, EPOCH)


def assert_clean(parts: Iterable[Any]) -> None:
    """What an adapter hands over needs no cleaning by whoever stores it."""
    for part in parts:
        texts = (text for text in vars(part).values() if isinstance(text, str))
        assert all(text == clean(text, LONGEST_TEXT) for text in texts), part


def outcome(result: Result) -> Outcome:
    job = DueJob(1, 1, "+447700900000", 0, None, "{}", "GB", None, None, None)
    ack = acknowledge(result, 1, later(3), random.Random(1))
    intent = Intent(job, "c1", "text", "{}", 1, None, later(3))
    return Outcome(intent, result, ack, later(3), 200, None, 5)


@pytest.mark.parametrize("name", HOOKED)
async def test_every_webhook_is_processed_and_none_is_lost_to_its_values(
    engine: Engine, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    documents = [orjson.loads(row.body) for row in table_of(name).webhooks if row.body[:1] in (b"{", b"[")]
    bodies = some(body for document in documents for body in spoiled(document))
    await sending(engine, 1, account=name)
    account = open_account(name, table_of(name).settings())
    rows = [
        {"account": name, "received_at": later(5), "url": "https://x/", "headers": "{}", "body": body}
        for body in bodies
    ]
    for body in bodies:
        assert_clean(account.adapter.parse_webhook(WebhookRequest("https://x/", {}, body, later(5))))
    async with writing(engine) as connection:
        await connection.execute(insert(webhooks), rows)
    with caplog.at_level(logging.WARNING):
        assert await process_inbox(engine, {name: account}, now=lambda: later(9)) == len(bodies)
    assert caplog.text == ""  # none was set aside, and none was refused
    await account.http.aclose()
