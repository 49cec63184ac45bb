"""Messages with an action of their own and templates with more than texts: Meta and Kapso's current API send them, both
emulators take exactly them, and elsewhere they are refused at load. The Marketing Messages API."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from campaigns.message.content import Addition, Content, MessageType
from campaigns.phones.user_ids import name_of
from emulators.cloud_api import parse_envelope, parse_marketing
from emulators.cloud_values import MetaRefusal
from providers.adapter import Call
from providers.kapso.adapter import Kapso
from providers.kapso.settings import KapsoAccount
from providers.meta.adapter import Meta
from providers.meta.message_body import unsendable
from providers.meta.settings import MetaAccount
from providers.registry import ADAPTERS, adapter_class, providers_that_send
from tests.providers.cases.meta_messages import NEW, REFUSED
from tests.support.cases import each

TO = ("+16505551234",)
NAMES = [why for why, _, _ in NEW]
ENVELOPE = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": TO[0]}
NEW_KINDS = (
    *(MessageType.LOCATION_REQUEST, MessageType.FLOW, MessageType.PRODUCT, MessageType.PRODUCTS),
    *(MessageType.CATALOG, Addition.TEMPLATE_BUTTON, Addition.CAROUSEL, Addition.OFFER),
    Addition.TEMPLATE_PRODUCT,
)


def meta(**keys: Any) -> Meta:
    senders = [{"name": "shop", "phone_number_id": "106540352242922"}]
    return Meta(
        MetaAccount.model_validate({"adapter": "meta", "api_key": "env:NONE", "senders": senders} | keys)
    )


def kapso(api: str) -> Kapso:
    senders = [{"name": "shop", "phone_number_id": "106540352242922", "whatsapp_config_id": "c"}]
    account = {"adapter": "kapso", "api_key": "env:NONE", "api": api, "senders": senders}
    return Kapso(KapsoAccount.model_validate(account))


def call(adapter: Any, content: Content, category: str = "marketing") -> Call:
    return Call(adapter._account.senders[0], TO, content, category=category)


@each(("content", "message"), [row[1:] for row in NEW], ids=NAMES)
def test_kapsos_current_api_sends_what_meta_does_and_the_legacy_one_refuses_it(
    content: Content, message: dict[str, Any]
) -> None:
    adapter = kapso("current")
    assert adapter.unsendable(content) is None
    assert orjson.loads(adapter.build(call(adapter, content)).content) == ENVELOPE | message
    assert 'use api = "current"' in str(kapso("legacy").unsendable(content))


@each("message", [row[2] for row in NEW], ids=NAMES)
def test_the_emulators_take_it_and_nothing_with_another_field(message: dict[str, Any]) -> None:
    parse_envelope(ENVELOPE | message)
    for path in _objects(message):
        spoiled = deepcopy(message)
        inner: Any = spoiled
        for step in path:
            inner = inner[step]
        inner["unheard_of"] = "x"
        if "flow_action_data" in path or path[-1:] == ("data",):
            continue
        with pytest.raises(MetaRefusal):
            parse_envelope(ENVELOPE | spoiled)


def _objects(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of the objects in a message."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [path] if isinstance(value, dict) else []
    return own + [place for key, each in inner for place in _objects(each, (*path, key))]


@each(("content", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_what_meta_would_refuse_is_named_by_its_key(content: Content, sentence: str) -> None:
    assert sentence in str(unsendable(content))


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_only_meta_and_kapso_send_it(kind: MessageType | Addition) -> None:
    assert set(providers_that_send(kind)) == {"kapso", "meta"} < set(ADAPTERS)


TEMPLATE = next(content for why, content, _ in NEW if why == "a coupon's code")


@pytest.mark.parametrize(
    ("keys", "added"),
    [
        ({"marketing_messages": "fallback"}, {"product_policy": "CLOUD_API_FALLBACK"}),
        (
            {"marketing_messages": "strict", "share_activity": False},
            {"product_policy": "STRICT", "message_activity_sharing": False},
        ),
    ],
)
def test_templates_of_marketing_campaigns_go_through_the_marketing_messages_api(
    keys: dict[str, Any], added: dict[str, Any]
) -> None:
    adapter = meta(**keys)
    request = adapter.build(call(adapter, TEMPLATE))
    assert str(request.url).endswith("/106540352242922/marketing_messages")
    body = orjson.loads(request.content)
    assert {name: body[name] for name in added} == added
    assert parse_marketing(body).template
    with pytest.raises(MetaRefusal):
        parse_envelope(body)


@pytest.mark.parametrize(
    ("keys", "campaign", "added"),
    [
        ({}, {"marketing_policy": "strict"}, {"product_policy": "STRICT"}),
        (
            {"marketing_messages": "strict", "share_activity": True},
            {"marketing_policy": "fallback", "share_activity": False},
            {"product_policy": "CLOUD_API_FALLBACK", "message_activity_sharing": False},
        ),
        (
            {"marketing_messages": "strict", "share_activity": True},
            {"marketing_policy": "strict"},
            {"product_policy": "STRICT", "message_activity_sharing": True},
        ),
        ({"marketing_messages": "strict", "share_activity": True}, {"marketing_policy": "off"}, {}),
    ],
)
def test_a_campaigns_choice_holds_over_the_accounts(
    keys: dict[str, Any], campaign: dict[str, Any], added: dict[str, Any]
) -> None:
    adapter = meta(**keys)
    request = adapter.build(replace(call(adapter, TEMPLATE), **campaign))
    endpoint = "marketing_messages" if added else "messages"
    assert str(request.url).endswith(f"/106540352242922/{endpoint}")
    body = orjson.loads(request.content)
    names = ("product_policy", "message_activity_sharing")
    assert {name: body[name] for name in names if name in body} == added


@pytest.mark.parametrize(
    ("keys", "content", "category"),
    [
        ({}, TEMPLATE, "marketing"),
        ({"marketing_messages": "strict"}, TEMPLATE, "utility"),
        ({"marketing_messages": "strict"}, Content(MessageType.TEXT, "Hello"), "marketing"),
    ],
)
def test_everything_else_goes_through_cloud_api(
    keys: dict[str, Any], content: Content, category: str
) -> None:
    adapter = meta(**keys)
    request = adapter.build(call(adapter, content, category))
    assert str(request.url).endswith("/106540352242922/messages")
    assert "product_policy" not in orjson.loads(request.content)


def test_the_marketing_messages_api_takes_templates_only() -> None:
    with pytest.raises(MetaRefusal) as caught:
        parse_marketing(ENVELOPE | {"type": "text", "text": {"body": "Hi"}})
    assert caught.value.code == 134100


def test_sharing_activity_needs_the_marketing_messages_api() -> None:
    with pytest.raises(ValidationError, match="share_activity needs marketing_messages"):
        meta(share_activity=True)


@pytest.mark.parametrize("adapter", [meta(), kapso("current")], ids=["meta", "kapso"])
def test_a_user_id_is_the_recipient_in_place_of_to(adapter: Any) -> None:
    to = name_of("shop", "GB.13491208655302741918")
    sent = Call(adapter._account.senders[0], (to,), Content(MessageType.TEXT, text="Hi"))
    body = orjson.loads(adapter.build(sent).content)
    assert (body["recipient"], "to" in body) == ("GB.13491208655302741918", False)
    assert parse_envelope(body).contact() == {"input": body["recipient"], "user_id": body["recipient"]}
    assert parse_envelope(body | {"to": TO[0]}).to == TO[0][1:]
    for wrong in ({"recipient": "13491208655302741918"}, {"recipient": None}):
        with pytest.raises(MetaRefusal):
            parse_envelope(body | wrong)


def test_only_an_adapter_that_can_sends_to_user_ids() -> None:
    able = {name for name in ADAPTERS if adapter_class(name).capabilities.user_ids}
    assert (able, kapso("legacy").capabilities.user_ids) == ({"meta", "kapso"}, False)
