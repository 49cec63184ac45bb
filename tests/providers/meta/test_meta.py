"""Cloud API beyond the contract: the published signature vector, the proof of a webhook's address, and large bodies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from campaigns.errors import AccountError, Unavailable, UsageError
from campaigns.message.content import Button, Content, Media, MessageType
from campaigns.outcomes import FailureKind
from campaigns.states import JobState
from providers.adapter import Call
from providers.events import Effect, Inbound, Notice, Report, WebhookRequest
from providers.meta.adapter import Meta
from providers.meta.codes import CODES, kind_of, note_of
from providers.meta.message_body import envelope
from providers.meta.pricing import NOTHING
from providers.meta.settings import MetaAccount
from tests.providers.cases.meta_answers import DOCUMENTED
from tests.providers.contract import Table, http_for, table_of

PUBLISHED_SECRET = "It's a Secret to Everybody"
PUBLISHED = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> Meta:
    monkeypatch.setenv("META_SECRET", PUBLISHED_SECRET)
    keys = dict.fromkeys(("api_key", "app_secret", "verify_token"), "env:META_SECRET")
    return Meta(MetaAccount.model_validate({"adapter": "meta", **keys}))


@pytest.fixture
def table() -> Table:
    return table_of("meta")


def test_the_published_vector(meta: Meta) -> None:
    request = WebhookRequest("https://x/", {"x-hub-signature-256": PUBLISHED}, b"Hello, World!", NOON)
    assert meta.verify(request)


def test_without_an_app_secret_no_webhook_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_SECRET", PUBLISHED_SECRET)
    bare = Meta(MetaAccount.model_validate({"adapter": "meta", "api_key": "env:META_SECRET"}))
    request = WebhookRequest("https://x/", {"x-hub-signature-256": PUBLISHED}, b"Hello, World!", NOON)
    with pytest.raises(UsageError, match="app_secret is not set"):
        bare.verify(request)
    with pytest.raises(UsageError, match="verify_token is not set"):
        bare.handshake({"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"})


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (
            {"hub.mode": "subscribe", "hub.verify_token": PUBLISHED_SECRET, "hub.challenge": "1158201444"},
            "1158201444",
        ),
        ({"hub.mode": "subscribe", "hub.verify_token": "guess", "hub.challenge": "1"}, None),
        ({"hub.mode": "subscribe", "hub.verify_token": "é", "hub.challenge": "1"}, None),
        ({"hub.mode": "other", "hub.verify_token": PUBLISHED_SECRET, "hub.challenge": "1"}, None),
        ({}, None),
    ],
)
def test_the_webhook_address_is_proved_by_the_token(
    meta: Meta, query: dict[str, str], answer: str | None
) -> None:
    assert meta.handshake(query) == answer


# Codes


def test_every_code_has_a_kind_that_the_documents_give_it_and_a_note() -> None:
    told = {code: kind for kind, codes in DOCUMENTED.items() for code in codes}
    permissions = set(range(200, 300))
    assert set(CODES) == set(told) | permissions
    assert {code: kind_of(code) for code in told} == told
    assert {kind_of(code) for code in permissions} == {FailureKind.CAMPAIGN}
    assert all(note_of(code).endswith(".") for code in CODES)


def test_an_unknown_code_has_neither() -> None:
    assert (kind_of(999_999), note_of(999_999), kind_of(None), note_of(None)) == (None, "", None, "")


# Webhooks


def body(*entries: Any) -> bytes:
    return orjson.dumps({"object": "whatsapp_business_account", "entry": list(entries)})


def entry(**value: Any) -> dict[str, Any]:
    return {"id": "1", "changes": [{"field": "messages", "value": value}]}


def parsed(table: Table, raw: bytes) -> list[Any]:
    return table.adapter().parse_webhook(WebhookRequest("https://x/", {}, raw, NOON))


def test_a_thousand_updates_in_one_body_keep_their_order(table: Table) -> None:
    stamp = int(NOON.timestamp())
    statuses = [{"id": f"wamid.{n}", "status": "sent", "timestamp": str(stamp + n)} for n in range(500)]
    wrote = [{"from": f"4477009{n:05}", "id": f"in.{n}", "timestamp": str(stamp + n)} for n in range(500)]
    events = parsed(table, body(entry(statuses=statuses), *(entry(messages=[one]) for one in wrote)))
    assert [event.message_id for event in events] == [each["id"] for each in statuses + wrote]
    assert [type(event) for event in events] == [Report] * 500 + [Inbound] * 500
    assert events[499].at == NOON + timedelta(seconds=499)


def test_one_odd_update_does_not_cost_the_others(table: Table) -> None:
    good = {"id": "wamid.1", "status": "read", "timestamp": str(int(NOON.timestamp()))}
    odd: list[Any] = [None, 7, {"id": 5, "status": "read"}, {"id": "x"}, {"id": "x", "status": []}, "text"]
    strange = {"id": "wamid.2", "status": "failed", "timestamp": {}, "errors": [{"code": True}, 3]}
    events = parsed(table, body(7, {"changes": 3}, entry(statuses=[*odd, good, strange, good])))
    assert events == [
        Report("wamid.1", "read", JobState.READ, NOON),
        Report("wamid.2", "failed", JobState.FAILED, cost=NOTHING),
        Report("wamid.1", "read", JobState.READ, NOON),
    ]


def test_a_notice_is_no_longer_than_it_need_be(table: Table) -> None:
    value = {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "A" * 5000}}
    [notice] = parsed(table, body({"id": "1", "changes": [{"field": "account_update", "value": value}]}))
    assert isinstance(notice, Notice)
    assert (notice.at, len(notice.text)) == (None, 500)


def effect_of(table: Table, field: str, value: dict[str, Any]) -> Any:
    [notice] = parsed(table, body({"id": "1", "changes": [{"field": field, "value": value}]}))
    return notice.effect


@pytest.mark.parametrize(
    ("event", "effect"),
    [
        *(
            (event, Effect.TEMPLATE_STOPPED)
            for event in ("REJECTED", "PAUSED", "DISABLED", "ARCHIVED", "DELETED", "LOCKED")
        ),
        *((event, Effect.TEMPLATE_BACK) for event in ("APPROVED", "UNARCHIVED", "REINSTATED")),
        *((event, None) for event in ("FLAGGED", "IN_APPEAL", "PENDING", "a new one")),
    ],
)
def test_what_an_event_of_a_template_means(table: Table, event: str, effect: Effect | None) -> None:
    value = {"event": event, "message_template_name": "order", "message_template_language": "en-US"}
    assert effect_of(table, "message_template_status_update", value) is effect


@pytest.mark.parametrize(
    ("value", "effect"),
    [
        ({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}, Effect.ACCOUNT_STOPPED),
        ({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}, None),
        ({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, Effect.ACCOUNT_BACK),
        ({"event": "DISABLED_UPDATE"}, Effect.ACCOUNT_STOPPED),
        ({"event": "ACCOUNT_OFFBOARDED"}, Effect.ACCOUNT_STOPPED),
        ({"event": "ACCOUNT_RECONNECTED"}, Effect.ACCOUNT_BACK),
        ({"event": "PARTNER_REMOVED"}, Effect.ACCOUNT_STOPPED),
        ({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "7"}}, Effect.ACCOUNT_STOPPED),
        ({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "8"}}, None),
        ({"event": "PARTNER_APP_UNINSTALLED"}, Effect.ACCOUNT_STOPPED),
        ({"event": "PARTNER_ADDED"}, Effect.ACCOUNT_BACK),
        ({"event": "PARTNER_APP_INSTALLED"}, Effect.ACCOUNT_BACK),
        ({"event": "ACCOUNT_VIOLATION"}, None),
        ({"event": "ACCOUNT_RESTRICTION"}, Effect.ACCOUNT_STOPPED),
    ],
)
def test_what_an_event_of_the_account_means(
    table: Table, value: dict[str, Any], effect: Effect | None
) -> None:
    ours = replace(table, account={**table.account, "business_account_id": "7"})
    assert effect_of(ours, "account_update", value) is effect


@pytest.mark.parametrize(
    ("event", "undoes"),
    [
        ("ACCOUNT_RECONNECTED", "ACCOUNT_OFFBOARDED"),
        ("PARTNER_ADDED", "PARTNER_REMOVED"),
        ("PARTNER_APP_INSTALLED", "PARTNER_APP_UNINSTALLED"),
        ("DISABLED_UPDATE", None),
    ],
)
def test_an_event_of_the_account_ends_what_another_one_began(
    table: Table, event: str, undoes: str | None
) -> None:
    value = {"event": event, "ban_info": {"waba_ban_state": "REINSTATE"}}
    [notice] = parsed(table, body({"id": "1", "changes": [{"field": "account_update", "value": value}]}))
    assert (notice.effect, notice.undoes) == (Effect.ACCOUNT_BACK, undoes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message_template_status_update", {"event": "PAUSED"}),
        ("message_template_status_update", {"event": "APPROVED"}),
        ("template_category_update", {"previous_category": "UTILITY", "new_category": "MARKETING"}),
    ],
)
@pytest.mark.parametrize(("about", "ours"), [("7", True), ("8", False), (None, True)])
def test_a_template_of_another_business_account_is_not_ours(
    table: Table, field: str, value: dict[str, Any], about: str | None, ours: bool
) -> None:
    known = replace(table, account={**table.account, "business_account_id": "7"})
    change = {"field": field, "value": {"message_template_name": "welcome", **value}}
    [notice] = parsed(known, body({"id": about, "changes": [change]}))
    assert (notice.effect is not None) is ours


def test_a_message_that_fails_after_it_was_sent_is_not_charged(table: Table) -> None:
    """Meta charges what is delivered, and names no price with a failure."""
    stamp = {"id": "wamid.1", "timestamp": str(int(NOON.timestamp()))}
    [failed] = parsed(table, body(entry(statuses=[{**stamp, "status": "failed"}])))
    assert failed.cost == NOTHING


@pytest.mark.parametrize("place", ["value", "entry"])
def test_the_field_of_an_update_is_found_where_metas_examples_have_it(table: Table, place: str) -> None:
    value = {"event": "PARTNER_APP_UNINSTALLED", "waba_info": {"waba_id": "7"}}
    named = {"field": "account_update"}
    change = {"value": {**value, **(named if place == "value" else {})}}
    entry = {"id": "1", "changes": [change], **(named if place == "entry" else {})}
    [notice] = parsed(table, body(entry))
    assert (notice.kind, notice.subject) == ("account_update", "PARTNER_APP_UNINSTALLED")


WARNING = {
    "new_category": "UTILITY",
    "correct_category": "MARKETING",
    "category_update_timestamp": 1746169200,
}
CHANGE = {"previous_category": "UTILITY", "new_category": "MARKETING"}


@pytest.mark.parametrize(
    ("value", "effect", "category"),
    [(WARNING, None, None), (CHANGE, Effect.CATEGORY_CHANGED, "marketing"), ({}, None, None)],
)
def test_a_category_changes_when_it_has_changed_and_not_a_day_before(
    table: Table, value: dict[str, Any], effect: Effect | None, category: str | None
) -> None:
    value = {"message_template_name": "welcome", "message_template_language": "en-US", **value}
    [notice] = parsed(
        table, body({"id": "1", "changes": [{"field": "template_category_update", "value": value}]})
    )
    found = (notice.subject, notice.effect, notice.language, notice.value)
    assert found == ("welcome", effect, "en-US", category)
    assert ("2025-05-02 07:00 UTC" in notice.text) is (value.get("correct_category") is not None)


@pytest.mark.parametrize(
    ("types", "effect"),
    [
        (["RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN"], None),
        (["RESTRICTED_ADD_PHONE_NUMBER_ACTION"], None),
        (["RESTRICTED_BIZ_INITIATED_MESSAGING"], Effect.TEMPLATES_RESTRICTED),
        (["RESTRICTED_CUSTOMER_INITIATED_MESSAGING", "a new one"], Effect.FREE_FORM_RESTRICTED),
        (
            ["RESTRICTED_CUSTOMER_INITIATED_MESSAGING", "RESTRICTED_BIZ_INITIATED_MESSAGING"],
            Effect.ACCOUNT_STOPPED,
        ),
    ],
)
def test_a_restriction_stops_only_its_subject_and_has_an_end(
    table: Table, types: list[str], effect: Effect | None
) -> None:
    told = [{"restriction_type": each, "expiration": 1641330498} for each in types]
    value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": told}
    [notice] = parsed(table, body({"id": "1", "changes": [{"field": "account_update", "value": value}]}))
    assert notice.effect is effect
    assert f"{types[0]} until 2022-01-04 21:08 UTC" in notice.text


# Sending


def test_our_reference_is_never_longer_than_meta_takes(table: Table) -> None:
    call = table.call(("+16505551234",), Content(MessageType.TEXT, "Hi"), references=("r" * 600,))
    assert isinstance(call, Call)
    assert envelope(call)["biz_opaque_callback_data"] == "r" * 512


def test_a_link_below_a_document_keeps_its_name(table: Table) -> None:
    content = Content(
        MessageType.DOCUMENT,
        "Read",
        (Media("https://example.com/a.pdf", filename="a.pdf"),),
        (Button("link", "Shop", url="https://example.com"),),
    )
    assert table.adapter().unsendable(content) is None
    built = json.loads(table.adapter().build(table.call(("+16505551234",), content)).content)
    header = {"type": "document", "document": {"link": "https://example.com/a.pdf", "filename": "a.pdf"}}
    assert built["interactive"]["header"] == header


# The number


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"status": "CONNECTED", "id": "1"}, None),
        ({"status": "FLAGGED", "id": "1"}, None),
        ({"status": "A_NEW_ONE"}, None),
        ({"status": 7}, None),
        ([], None),
        ({"status": "BANNED"}, "The number 106540352242922 is banned."),
        ({"status": "PENDING"}, "The number 106540352242922 is not registered yet."),
    ],
)
async def test_a_number_that_cannot_send_is_known_by_its_status(
    table: Table, answer: Any, problem: str | None
) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=answer)

    settings, adapter = table.settings(), table.adapter()
    http = http_for(adapter, settings, handler)
    assert await adapter.sender_problem(http, settings.senders[0]) == problem
    assert asked == ["https://graph.facebook.com/v24.0/106540352242922?fields=status"]


@pytest.mark.parametrize(("status", "error"), [(401, AccountError), (503, Unavailable)])
async def test_who_cannot_be_asked_has_no_verdict(table: Table, status: int, error: type[Exception]) -> None:
    settings, adapter = table.settings(), table.adapter()
    http = http_for(adapter, settings, lambda _: httpx.Response(status, json={}))
    with pytest.raises(error):
        await adapter.sender_problem(http, settings.senders[0])
