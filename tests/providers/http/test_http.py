"""`Http` above its transport: what is an error for whom, whose words are shown, when a key is read again."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from campaigns.errors import AccountError, NotFound, Unavailable, UsageError
from providers.http.client import Answer, Http, NotSent, Unknown
from providers.settings import Secret
from tests.support.cases import each


def http(handler, **more) -> Http:
    return Http("https://provider.test/base/", transport=httpx.MockTransport(handler), **more)


def answers(*responses: httpx.Response):
    rest = list(responses)
    return lambda request: rest.pop(0)


def raises(error: Exception):
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), NotSent),
        (httpx.ConnectTimeout("slow"), NotSent),
        (httpx.ReadTimeout("slow"), Unknown),
        (httpx.WriteError("broken pipe"), Unknown),
        (httpx.RemoteProtocolError("garbage"), Unknown),
        (ConnectionResetError("reset"), Unknown),
        (RuntimeError("a fault of the transport itself"), Unknown),
    ],
)
async def test_only_a_failure_to_connect_is_not_sent(error, expected):
    client = http(raises(error))
    reply = await client.exchange(client.request("POST", "/messages", body={}))
    assert isinstance(reply, expected)


async def test_an_answer_carries_what_an_attempt_records():
    client = http(answers(httpx.Response(201, headers={"X-Request-Id": "req-7"}, json={"id": 1})))
    reply = await client.exchange(client.request("POST", "/messages", body={}))
    assert isinstance(reply, Answer)
    assert (reply.status, reply.request_id, reply.json()) == (201, "req-7", {"id": 1})
    assert reply.latency_ms >= 0
    assert reply.at is not None


async def test_get_sends_its_parameters_below_the_base_url():
    seen: list[str] = []
    client = http(lambda request: seen.append(str(request.url)) or httpx.Response(200, json=[]))
    await client.get("/messages", [("filter[to_number][]", "1"), ("filter[to_number][]", "2")])
    [url] = seen
    assert httpx.URL(url).path == "/base/messages"
    assert httpx.URL(url).params.get_list("filter[to_number][]") == ["1", "2"]


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, AccountError, "no such key"),
        (403, AccountError, "no such key"),
        (404, NotFound, "no such key"),
        (422, Unavailable, "no such key"),
        (500, Unavailable, "no such key"),
        (302, Unavailable, "302"),
    ],
)
async def test_a_poller_gets_the_providers_error_message(status, error, words):
    client = http(answers(httpx.Response(status, json={"message": "no such\n key"})))
    with pytest.raises(error, match=words):
        await client.get("/messages")


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadError("reset")])
async def test_a_poller_gets_unavailable_for_what_breaks(error):
    with pytest.raises(Unavailable):
        await http(raises(error)).get("/messages")


async def test_a_get_waits_out_a_short_429_and_gives_up_after_three():
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    slow = httpx.Response(429, headers={"Retry-After": "2"})
    client = http(answers(slow, slow, httpx.Response(200, json=[])), sleep=nap)
    assert (await client.get("/messages")).ok
    assert naps == [2.0, 2.0]
    with pytest.raises(Unavailable, match="429"):
        await http(answers(slow, slow, slow), sleep=nap).get("/messages")


async def test_a_get_does_not_sit_out_a_long_429():
    client = http(answers(httpx.Response(429, headers={"Retry-After": "3600"})), sleep=None)
    with pytest.raises(Unavailable, match="429"):
        await client.get("/messages")


async def test_an_administrative_call_is_made_once_for_any_answer():
    seen: list[str] = []

    def throttle(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return httpx.Response(429, headers={"Retry-After": "1"})

    with pytest.raises(Unavailable):
        await http(throttle).call("POST", "/sessions")
    assert seen == ["POST"]


async def test_reads_and_calls_ask_for_leave_first_and_a_send_does_not():
    asked: list[str] = []

    async def leave() -> None:
        asked.append("please")

    client = http(lambda request: httpx.Response(200, json={}), before_request=leave)
    await client.exchange(client.request("POST", "/messages", body={}))
    assert asked == []
    await client.get("/messages")
    await client.call("PATCH", "/sessions/1/disconnect")
    assert asked == ["please", "please"]


async def test_a_renewed_key_is_read_after_a_refusal(tmp_path):
    place = tmp_path / "key"
    place.write_text("old\n")
    secret = Secret(f"file:{place}")
    seen: list[str] = []

    def only_new(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200 if seen[-1] == "Bearer new" else 401, json={})

    client = http(only_new, credentials=lambda: {"Authorization": f"Bearer {secret.reveal()}"})
    place.write_text("new\n")
    with pytest.raises(AccountError):
        await client.get("/messages")
    await client.get("/messages")
    place.unlink()
    await client.get("/messages")
    assert seen == ["Bearer old", "Bearer new", "Bearer new"]


async def test_a_refusal_is_shown_if_the_key_is_missing_afterwards(tmp_path):
    place = tmp_path / "key"
    place.write_text("old")
    secret = Secret(f"file:{place}")
    client = http(
        answers(httpx.Response(401, json={"message": "expired"})),
        credentials=lambda: {"Authorization": f"Bearer {secret.reveal()}"},
    )
    place.unlink()
    with pytest.raises(AccountError, match="expired"):
        await client.get("/messages")


def test_a_missing_key_is_an_error_before_anything_is_sent(tmp_path):
    secret = Secret(f"file:{tmp_path / 'none'}")
    with pytest.raises(UsageError, match="missing"):
        http(answers(), credentials=lambda: {"X-API-Key": secret.reveal()})


AT = datetime(2024, 1, 15, 10, 45, tzinfo=UTC)


@each(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-4"}, 0),
        ({"retry-after": "99999999999"}, 86_400),
        ({"retry-after": "inf"}, 86_400),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Mon, 15 Jan 2024 10:46:00 GMT"}, 60),
        ({"retry-after": "Mon, 15 Jan 2024 10:46:00 GMT", "date": "Mon, 15 Jan 2024 10:45:50 GMT"}, 10),
        ({"retry-after": "Mon, 15 Jan 2024 10:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 99 Jan 2024 10:00:00 GMT"}, None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(headers, seconds):
    assert Answer(429, httpx.Headers(headers), at=AT).retry_after == seconds


@each(
    ("body", "text"),
    [
        (b'{"message": "No."}', "No."),
        (b'{"error": "No."}', "No."),
        (b'{"error": {"message": "No.", "code": 7}}', "No."),
        (b'{"message": "No.", "errors": {"to": ["a", "b"], "type": "c"}}', "No.; to: a; type: c"),
        (b'{"message": "No.", "errors": {"to": ["No."]}}', "to: No."),
        (b'{"errors": {"to": []}}', "to: []"),
        (b'{"error": {}}', '{"error": {}}'),
        (b"[1]", "[1]"),
        (b"<h1>Bad\n  gateway</h1>", "<h1>Bad gateway</h1>"),
        (b"\xff\xfe", "��"),
        (b"", ""),
    ],
)
def test_the_message_of_an_error(body, text):
    assert Answer(422, body=body).text == text


def test_a_body_that_is_not_json_is_none():
    assert Answer(200, body=b"<html>").json() is None


def test_the_body_and_the_headers_stay_out_of_repr():
    shown = repr(Answer(200, httpx.Headers({"X-Api-Key": "sk-1"}), b"sk-1"))
    assert "sk-1" not in shown
