"""The contract that every registered adapter keeps, run over its table of cases."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaigns.errors import AccountError, Unavailable
from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Accepted, FailureKind, Refused
from providers.events import WebhookRequest
from providers.http.client import Answer, NotSent, Unknown
from providers.registry import ADAPTERS, account_settings, adapter_class, providers_that_send
from tests.providers.contract import SECRET, Reads, Sends, Table, WebhookCase, answer, http_for, table_of
from tests.support.cases import each


def orjson_or_empty(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return b""


TABLES = {name: table_of(name) for name in ADAPTERS}
EVERY = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def rows(kind: str) -> list[object]:
    return [
        pytest.param(table, row, id=f"{table.name}: {row.why}")
        for table in TABLES.values()
        for row in getattr(table, kind)
    ]


def body_of(row: Reads) -> bytes:
    return row.body if isinstance(row.body, bytes) else orjson.dumps(row.body)


@each(("table", "row"), rows("sends"))
async def test_a_call_becomes_the_documented_request(table: Table, row: Sends):
    seen: list[httpx.Request] = []
    adapter = table.adapter()
    http = http_for(adapter, table.settings(), lambda request: seen.append(request) or httpx.Response(500))
    call = table.call(row.to, row.content, gap=timedelta(milliseconds=row.gap_ms), **row.more)
    await http.exchange(adapter.build(call))
    [request] = seen
    assert (request.method, str(request.url)) == (row.method, row.url)
    assert row.headers.items() <= dict(request.headers).items()
    assert json.loads(request.content) == row.json
    assert adapter.unsendable(row.content) is None


@each(("table", "row"), rows("reads"))
async def test_an_answer_means_this_for_each_recipient(table: Table, row: Reads):
    adapter = table.adapter()
    http = http_for(
        adapter,
        table.settings(),
        lambda _: httpx.Response(row.status, headers=row.headers, content=body_of(row)),
    )
    call = table.call(row.to, Content(MessageType.TEXT, "Hello"))
    reply = await http.exchange(adapter.build(call))
    assert adapter.read(reply, call) == row.results


@EVERY
@each(
    ("reply", "kind"),
    [
        (NotSent("no_dns", "no such host"), FailureKind.NOT_SENT),
        (Unknown("late", "no answer"), FailureKind.UNKNOWN),
        *[(answer(status, b""), FailureKind.UNKNOWN) for status in (200, 201, 202, 408, 500, 502, 503, 504)],
        (answer(429, b"", {"retry-after": "3"}), FailureKind.THROTTLED),
        (answer(401, b""), FailureKind.CAMPAIGN),
    ],
)
def test_what_http_settles_means_the_same_everywhere(table: Table, reply, kind):
    adapter = table.adapter()
    to = ("+22996000001", "+22996000002")[: adapter.capabilities.batch]
    results = adapter.read(reply, table.call(to, Content(MessageType.TEXT, "Hello")))
    assert [result.kind for result in results] == [kind] * len(to)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "messages",
                    "message",
                    "id",
                    "to_number",
                    "status",
                    "errors",
                    "error",
                    "cost",
                    "success",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@EVERY
@given(status=st.sampled_from([200, 201, 202, 204, 400, 404, 422, 429, 500]), body=JSON)
def test_no_answer_breaks_it_and_a_success_is_never_a_permanent_refusal(table: Table, status, body):
    adapter = table.adapter()
    to = ("+22996000001", "+22996000002")[: adapter.capabilities.batch]
    results = adapter.read(
        answer(status, orjson.dumps(body)), table.call(to, Content(MessageType.TEXT, "Hello"))
    )
    assert len(results) == len(to)
    for result in results:
        assert isinstance(result, Accepted | Refused)
        if isinstance(result, Refused) and 200 <= status < 300:
            assert result.kind not in (
                FailureKind.RECIPIENT,
                FailureKind.MESSAGE,
                FailureKind.SPLIT,
                FailureKind.NOT_SENT,
            )


@EVERY
async def test_the_secret_is_nowhere_but_in_the_request(table: Table, caplog):
    caplog.set_level(logging.DEBUG)
    adapter, account = table.adapter(), table.settings()
    call = table.call(("+22996000001",), Content(MessageType.TEXT, "Hello"))
    echo = http_for(
        adapter, account, lambda request: httpx.Response(422, json={"message": str(dict(request.headers))})
    )
    reply = await echo.exchange(adapter.build(call))
    assert isinstance(reply, Answer)
    built = adapter.build(call)
    shown = [adapter, account, call, echo, built, built.headers, reply, reply.text, reply.body]
    shown += adapter.read(reply, call)
    for status in (401, 500):
        http = http_for(
            adapter, account, lambda _, status=status: httpx.Response(status, text=f"bad key {SECRET}")
        )
        with pytest.raises((AccountError, Unavailable)) as caught:
            await adapter.check(http)
        shown += [caught.value, caught.value.hint, "".join(traceback.format_exception(caught.value))]
    texts = [f"{thing} {thing!r}" for thing in shown] + [caplog.text]
    assert not [text for text in texts if SECRET in text]


@EVERY
async def test_a_check_distinguishes_a_wrong_key_from_a_silent_provider(table: Table):
    adapter, account = table.adapter(), table.settings()

    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(AccountError):
        await adapter.check(http_for(adapter, account, lambda _: httpx.Response(401)))
    with pytest.raises(Unavailable):
        await adapter.check(http_for(adapter, account, nobody))


@EVERY
def test_its_declared_capabilities_hold(table: Table):
    adapter = table.adapter()
    can = adapter.capabilities
    assert adapter.name == table.name
    assert adapter_class(table.name).name == table.name
    assert account_settings(table.name) is adapter_class(table.name).account_settings
    assert can.types
    assert can.batch >= 1
    assert can.sessions == (adapter.sessions is not None)
    assert all(table.name in providers_that_send(kind) for kind in (*can.types, *can.additions))
    assert all(adapter.unsendable(content) for content in table.unsendable)


@EVERY
def test_its_settings_refuse_an_unknown_key_and_a_key_written_out(table: Table):
    keys = {"adapter": table.name, "api_key": "env:KEY", **table.account}
    model = adapter_class(table.name).account_settings
    assert model.model_validate(keys)
    with pytest.raises(ValidationError, match="colour"):
        model.model_validate(keys | {"colour": "red"})
    with pytest.raises(ValidationError, match="env:NAME") as caught:
        model.model_validate(keys | {"api_key": SECRET})
    assert SECRET not in str(caught.value)


@each(("table", "row"), rows("webhooks"))
def test_a_webhook_is_verified_on_its_raw_body_and_understood(table: Table, row: WebhookCase):
    adapter = table.adapter()
    assert adapter.verify(row.request())
    assert adapter.parse_webhook(row.request()) == row.events


@each(("table", "row"), rows("webhooks"))
def test_a_changed_webhook_is_refused(table: Table, row: WebhookCase):
    adapter = table.adapter()
    assert not adapter.verify(row.request(body=row.body + b" "))
    assert not adapter.verify(row.request(headers={}))
    for name, value in row.headers.items():
        if "signature" in name:
            wrong = value[:-4] + ("AAAA" if value[-4:] != "AAAA" else "BBBB")
            assert not adapter.verify(row.request(headers={**row.headers, name: wrong}))
            assert not adapter.verify(row.request(headers={**row.headers, name: "\u00e9"}))


@EVERY
@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    ).map(orjson_or_empty)
)
def test_no_body_breaks_the_reading_of_a_webhook(table: Table, body: bytes):
    request = WebhookRequest("https://shop.example/", {}, body, datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(table.adapter().parse_webhook(request), list)
