"""Bird beyond its table: polling, lists, windows, a message in doubt, and the webhook signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from pydantic import ValidationError

from campaigns.errors import AccountError, Unavailable, UsageError
from campaigns.message.content import Content, MessageType, Template
from campaigns.states import JobState
from providers.adapter import Absent, Doubt, Found, Lookup, Unseen
from providers.bird.adapter import Bird
from providers.bird.settings import BirdAccount
from providers.events import Report, WebhookRequest
from providers.http.client import Http
from tests.providers.cases.bird import TABLE, WORKSPACE
from tests.providers.cases.bird_webhooks import CHANNEL, INBOUND, OUTBOUND, TO
from tests.providers.contract import SECRET, SECRET_PLACE, http_for

ADAPTER = TABLE.adapter()
ACCOUNT = TABLE.settings()
[SENDER] = ACCOUNT.senders
NOON = datetime(2024, 4, 24, 12, tzinfo=UTC)
MESSAGES = f"/workspaces/{WORKSPACE}/channels/{CHANNEL}/messages"
CONTACT = f"/workspaces/{WORKSPACE}/channels/{CHANNEL}/contacts/c-1"
HELLO = Content(MessageType.TEXT, "Hello")

Handler = Callable[[httpx.Request], httpx.Response]


def message(message_id: str = "m-1", **changes: Any) -> dict[str, Any]:
    contact = {"id": "c-1", "identifierKey": "phonenumber", "identifierValue": TO}
    body = {"body": {"type": "text", "text": {"text": "Hello"}}, "receiver": {"contacts": [contact]}}
    return OUTBOUND | body | {"id": message_id, "status": "sent"} | changes


class Provider:
    """Answers by path, records what it was asked, and serves its list in pages of two."""

    def __init__(self, *messages: dict[str, Any], window: Any = None) -> None:
        self.messages = list(messages)
        self.window = window
        self.asked: list[httpx.Request] = []

    def http(self) -> Http:
        return http_for(ADAPTER, ACCOUNT, self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path == MESSAGES:
            return self.page(int(request.url.params.get("pageToken", "0")))
        if path == CONTACT and self.window is not None:
            return httpx.Response(200, json=self.window)
        for each in self.messages:
            if path == f"{MESSAGES}/{each['id']}":
                return httpx.Response(200, json=each)
        return httpx.Response(404, json={"code": "NotFound", "message": "The resource does not exist"})

    def page(self, start: int) -> httpx.Response:
        more = {"nextPageToken": str(start + 2)} if start + 2 < len(self.messages) else {}
        return httpx.Response(200, json={"results": self.messages[start : start + 2], **more})


def saying(status: int, body: Any) -> Http:
    return http_for(ADAPTER, ACCOUNT, lambda _: httpx.Response(status, json=body))


async def polled(http: Http, *ids: str) -> list[Report]:
    pages = ADAPTER.poll(http, SENDER, ids, NOON, NOON)
    return [report async for page in pages for report in page]


async def looked_up(provider: Provider, reference: str | None = "run.7", **more: Any) -> Lookup:
    doubt = Doubt(TO, more.pop("content", HELLO), NOON, reference=reference, **more)
    return await ADAPTER.look_up(provider.http(), SENDER, doubt)


async def test_each_message_is_asked_for_and_an_unknown_one_left_out():
    provider = Provider(message("m-1"), message("a/b", status="delivered"))
    reports = await polled(provider.http(), "m-1", "gone", "a/b")
    assert [(each.message_id, each.state) for each in reports] == [
        ("m-1", JobState.SENT),
        ("a/b", JobState.DELIVERED),
    ]
    assert provider.asked[-1].url.raw_path.endswith(b"/messages/a%2Fb")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(200, [], Unavailable), (200, {"id": 7}, Unavailable), (500, {}, Unavailable), (401, {}, AccountError)],
)
async def test_an_unanswered_poll_is_reported(status: int, body: Any, error: type[Exception]):
    with pytest.raises(error):
        await polled(saying(status, body), "m-1")


async def test_a_doubt_is_settled_by_our_reference_wherever_it_is_in_the_list():
    others = [message(f"o-{number}", reference=f"run.{number}") for number in (1, 2, 3)]
    provider = Provider(*others, message("m-1"))
    found = await looked_up(provider)
    assert isinstance(found, Found)
    assert (found.report.message_id, found.report.reference) == ("m-1", "run.7")
    assert [dict(request.url.params) for request in provider.asked] == [
        {"limit": "50", "phonenumber": TO},
        {"limit": "50", "phonenumber": TO, "pageToken": "2"},
    ]


async def test_absent_needs_the_whole_list():
    assert await looked_up(Provider(message("o", reference="run.1"))) == Absent()
    endless = http_for(
        ADAPTER,
        ACCOUNT,
        lambda request: httpx.Response(
            200, json={"results": [], "nextPageToken": request.url.params.get("pageToken", "") + "x"}
        ),
    )
    repeating = saying(200, {"results": [], "nextPageToken": "same"})
    for http in (endless, repeating, saying(200, {"results": None}), saying(200, []), saying(500, {})):
        with pytest.raises(Unavailable):
            await ADAPTER.look_up(http, SENDER, Doubt(TO, HELLO, NOON, reference="run.7"))


async def test_without_our_reference_nothing_is_claimed():
    provider = Provider(message())
    with pytest.raises(Unavailable, match="reference"):
        await looked_up(provider, None)
    assert provider.asked == []


async def test_the_same_job_s_other_form_and_another_job_s_message_are_not_it():
    template = message("t", body=None, template={"projectId": "p"}, createdAt="2024-04-24T15:00:00Z")
    older = message("old", createdAt="2024-04-24T11:00:00Z")
    provider = Provider(template, older, message("new"))
    found = await looked_up(provider)
    assert isinstance(found, Found)
    assert found.report.message_id == "new"
    form = Content(MessageType.TEMPLATE, template=Template("spring", "en", project_id="p"))
    found = await looked_up(provider, content=form)
    assert isinstance(found, Found)
    assert found.report.message_id == "t"
    assert await looked_up(provider, known_ids=frozenset({"old", "new"})) == Unseen()


@pytest.mark.parametrize(
    ("changes", "lookup"),
    [
        ({"reference": None}, Unseen()),
        ({"reference": None, "createdAt": None}, Unseen()),
        ({"id": None}, Unseen()),
        ({"body": None, "template": {"projectId": "p"}}, Unseen()),
        ({"reference": None, "createdAt": "2024-04-24T11:00:00Z"}, Absent()),
        ({"reference": None, "direction": "incoming"}, Absent()),
        ({"reference": "run.8"}, Absent()),
    ],
)
async def test_a_message_that_may_be_ours_is_never_absent(changes: dict[str, Any], lookup: Lookup):
    assert (
        await looked_up(Provider(message("m-1", **{"createdAt": "2024-04-24T12:00:30Z", **changes})))
        == lookup
    )


async def test_the_window_is_asked_by_the_contact_that_the_messages_name():
    until = "2024-04-24T14:45:09.682Z"
    stranger = message("s", receiver={"contacts": [{"id": "c-9", "identifierValue": "+33639980009"}]})
    provider = Provider(
        stranger, message(), window={"serviceWindowExpireAt": until, "isPermanentSession": False}
    )
    assert await ADAPTER.window(provider.http(), SENDER, TO) == datetime.fromisoformat(until)
    assert provider.asked[-1].url.path == CONTACT
    assert provider.asked[-1].url.params["contactIdentifierValue"] == TO


async def test_the_window_of_a_person_who_wrote_first():
    inbound = INBOUND | {"sender": {"contact": {"id": "c-1", "identifierValue": TO}}}
    provider = Provider(inbound, window={"serviceWindowExpireAt": "2024-04-25T00:00:00+02:00"})
    window = await ADAPTER.window(provider.http(), SENDER, TO)
    assert window == datetime(2024, 4, 24, 22, tzinfo=UTC)


async def test_a_closed_an_unknown_and_an_endless_window():
    assert await ADAPTER.window(Provider().http(), SENDER, TO) is None
    assert await ADAPTER.window(Provider(message()).http(), SENDER, TO) is None
    closed = Provider(message(), window={"serviceWindowExpireAt": None})
    assert await ADAPTER.window(closed.http(), SENDER, TO) is None
    permanent = Provider(message(), window={"serviceWindowExpireAt": None, "isPermanentSession": True})
    window = await ADAPTER.window(permanent.http(), SENDER, TO)
    assert window is not None
    assert window - datetime.now(UTC) > timedelta(hours=23)
    for unclear in ({}, {"results": []}, [1]):
        with pytest.raises(Unavailable):
            await ADAPTER.window(Provider(message(), window=unclear).http(), SENDER, TO)


async def test_a_channel_that_bird_does_not_know():
    lost = saying(404, {"code": "NotFound", "message": "channel not found"})
    problem = await ADAPTER.sender_problem(lost, SENDER)
    assert problem is not None
    assert "shop" in problem
    assert "0 of 1 channels" in await ADAPTER.check(lost)
    assert await ADAPTER.sender_problem(Provider().http(), SENDER) is None
    assert "1 of 1 channels" in await ADAPTER.check(Provider().http())


async def test_an_account_without_senders_cannot_be_checked():
    account = BirdAccount.model_validate(
        {"adapter": "bird", "api_key": SECRET_PLACE, "workspace_id": WORKSPACE}
    )
    with pytest.raises(UsageError, match="senders"):
        await Bird(account).check(Provider().http())


@pytest.mark.parametrize("changed", [{"workspace_id": "../x"}, {"workspace_id": "a b"}, {"cap_frequency": 1}])
def test_its_settings_are_checked(changed: dict[str, Any]):
    with pytest.raises(ValidationError):
        BirdAccount.model_validate({"adapter": "bird", "api_key": "env:KEY", **TABLE.account, **changed})


@pytest.mark.parametrize(
    ("switch", "category", "there"),
    [(True, "marketing", True), (True, "utility", False), (False, "marketing", False)],
)
def test_frequency_capping_is_asked_for_marketing_only_and_where_wanted(
    switch: bool, category: str, there: bool
):
    keys = {"adapter": "bird", "api_key": SECRET_PLACE, "cap_frequency": switch, **TABLE.account}
    account = BirdAccount.model_validate(keys)
    body = orjson.loads(Bird(account).build(TABLE.call((TO,), HELLO, category=category)).content)
    assert body.get("capFrequency") is (True if there else None)
    assert body["meta"] == {"extraInformation": {"useCase": category}}


def test_the_signature_s_vector(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SECRET_PLACE.removeprefix("env:"), "secureSigningKey")
    headers = {
        "messagebird-signature": "tP7z316dilHKXvUfmR77X6HRJomwqnDjurFIq+Co4yM=",
        "messagebird-request-timestamp": "1719823259",
    }
    body = b'{"service":"channels","event":"whatsapp.outbound"}'
    request = WebhookRequest("https://example.com/webhook/bird", headers, body, NOON)
    assert ADAPTER.verify(request)
    for changed in (
        WebhookRequest("https://example.com/webhook/bird/", headers, body, NOON),
        WebhookRequest(request.url, headers | {"messagebird-request-timestamp": "1719823260"}, body, NOON),
        WebhookRequest(request.url, headers, body.replace(b"out", b"in"), NOON),
    ):
        assert not ADAPTER.verify(changed)


def test_without_a_webhook_secret_nothing_is_believed():
    keys = {key: value for key, value in TABLE.account.items() if key != "webhook_secret"}
    account = BirdAccount.model_validate({"adapter": "bird", "api_key": SECRET_PLACE, **keys})
    row = TABLE.webhooks[0]
    assert ADAPTER.verify(row.request())
    with pytest.raises(UsageError, match="webhook_secret is not set"):
        Bird(account).verify(row.request())
    assert SECRET not in repr(Bird(account)) + repr(account)


@pytest.mark.parametrize(
    "value", ["", "yesterday", 5, None, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", []]
)
def test_a_time_that_makes_no_sense_is_left_out(value: Any):
    payload = OUTBOUND | {"status": "sent", "lastStatusAt": value, "updatedAt": value}
    body = orjson.dumps({"event": "whatsapp.outbound", "payload": payload})
    [report] = ADAPTER.parse_webhook(WebhookRequest("", {}, body, NOON))
    assert isinstance(report, Report)
    assert (report.at, report.state) == (None, JobState.SENT)
