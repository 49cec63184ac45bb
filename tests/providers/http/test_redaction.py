"""A key that a provider repeats in whatever it answers is stored and shown nowhere."""

from __future__ import annotations

import httpx
import pytest

from providers.http.client import Answer, Http
from providers.http.redaction import SecretScrubber
from tests.support.cases import each

KEY = "sk/live+Hq7=never"


def http(handler, credentials) -> Http:
    return Http("https://provider.test", credentials, transport=httpx.MockTransport(handler))


def hold(key: str):
    return lambda: {"Authorization": f"Bearer {key}"}


@each(
    "written",
    [KEY, KEY.replace("/", "\\/"), KEY.replace("+", "\\u002b"), KEY.replace("+", "\\u002B"), f"Bearer {KEY}"],
)
@each("status", [200, 201, 401, 422, 500])
async def test_a_key_in_the_body_is_hidden_however_json_writes_it(written: str, status: int) -> None:
    body = f'{{"success": false, "id": "m1", "message": "No balance for {written}!"}}'.encode()
    client = http(lambda _: httpx.Response(status, content=body), hold(KEY))
    reply = await client.exchange(client.request("POST", "/messages", body={}))
    assert isinstance(reply, Answer)
    assert reply.json()["id"] == "m1"
    assert reply.json()["message"].replace("Bearer ", "") == "No balance for [secret]!"


@pytest.mark.parametrize("name", ["X-Request-Id", "Request-Id", "MessageBird-Request-Id", "X-FB-Trace-Id"])
async def test_a_key_in_the_request_id_is_hidden_and_a_long_id_is_cut(name: str) -> None:
    client = http(
        lambda _: httpx.Response(201, headers={name: f"r-{KEY}-" + "9" * 5_000}, json={}), hold(KEY)
    )
    reply = await client.exchange(client.request("POST", "/messages", body={}))
    assert isinstance(reply, Answer)
    assert reply.request_id is not None
    assert reply.request_id.startswith("r-[secret]-9")
    assert len(reply.request_id) == 500


async def test_the_key_that_was_refused_is_hidden_though_a_new_one_is_there() -> None:
    keys = iter(["old-key-of-last-week", "new-key-of-today"])
    client = http(lambda _: httpx.Response(401, text="bad: old-key-of-last-week"), lambda: hold(next(keys))())
    reply = await client.exchange(client.request("POST", "/messages", body={}))
    assert isinstance(reply, Answer)
    assert reply.text == "bad: [secret]"


def test_a_short_key_does_not_spoil_the_ids_of_a_success() -> None:
    echoes = SecretScrubber()
    echoes.know(["id"])
    assert echoes.hide(b'{"id": "m1"}', in_success=True) == b'{"id": "m1"}'
    assert echoes.hide(b"wrong key: id") == b"wrong key: [secret]"
