"""Kapso's current API kept to the same contract as every adapter: Meta's requests and answers, Kapso's address."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.message.content import (
    Button,
    Contact,
    ContactPhone,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Reaction,
    Row,
    Section,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from tests.providers import test_contract as contract
from tests.providers.cases.kapso import ONE, WEBHOOKS
from tests.providers.cases.meta_answers import DOCUMENTED, WAITS, error
from tests.providers.contract import SECRET, SECRET_PLACE, Reads, Sends, Table, WebhookCase
from tests.support.cases import each

URL = "https://api.kapso.ai/meta/whatsapp/v24.0/123456789012345/messages"
HEADERS = {"x-api-key": SECRET, "content-type": "application/json", "accept": "application/json"}
WAMID = "wamid.HBgNMTU1NTE0OTU5Nzg1FQIAERgSMDhGRjdBMDEyOTcxQzFFQkFBAA=="


def _sends(why: str, content: Content, body: dict[str, Any], **more: Any) -> Sends:
    whole = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": ONE, **body}
    return Sends(why, (ONE,), content, "POST", URL, HEADERS, whole, more=more)


SENDS = [
    _sends(
        "Send a message: the page's text, with our reference",
        Content(MessageType.TEXT, "Hello! Your order #12345 has been shipped."),
        {
            "type": "text",
            "text": {"preview_url": False, "body": "Hello! Your order #12345 has been shipped."},
            "biz_opaque_callback_data": "job-7",
        },
        references=("job-7",),
    ),
    _sends(
        "a document that answers a message",
        Content(
            MessageType.DOCUMENT,
            "Prices",
            (Media("https://example.com/a.pdf", filename="a.pdf"),),
            reply_to="wamid.1",
        ),
        {
            "type": "document",
            "document": {"link": "https://example.com/a.pdf", "filename": "a.pdf", "caption": "Prices"},
            "context": {"message_id": "wamid.1"},
        },
    ),
    _sends(
        "a sticker",
        Content(MessageType.STICKER, None, (Media("https://example.com/a.webp"),)),
        {"type": "sticker", "sticker": {"link": "https://example.com/a.webp"}},
    ),
    _sends(
        "a location",
        Content(MessageType.LOCATION, location=Location(52.34, 4.9, "Shop", "1 High St")),
        {
            "type": "location",
            "location": {"latitude": 52.34, "longitude": 4.9, "name": "Shop", "address": "1 High St"},
        },
    ),
    _sends(
        "a reaction",
        Content(MessageType.REACTION, reaction=Reaction("wamid.1", "👍")),
        {"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}},
    ),
    _sends(
        "contacts",
        Content(
            MessageType.CONTACTS,
            contacts=(Contact("Ada Stone", "Ada", phones=(ContactPhone("+12025550124", "WORK"),)),),
        ),
        {
            "type": "contacts",
            "contacts": [
                {
                    "name": {"formatted_name": "Ada Stone", "first_name": "Ada"},
                    "phones": [{"phone": "+12025550124", "type": "WORK"}],
                }
            ],
        },
    ),
    _sends(
        "a link button below an image",
        Content(
            MessageType.IMAGE,
            "Look",
            (Media("https://example.com/a.jpg"),),
            (Button("link", "Shop", url="https://example.com"),),
        ),
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "header": {"type": "image", "image": {"link": "https://example.com/a.jpg"}},
                "body": {"text": "Look"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Shop", "url": "https://example.com"},
                },
            },
        },
    ),
    _sends(
        "a list",
        Content(MessageType.LIST, "Choose", menu=Menu("Open", (Section((Row("a", "A", "First"),)),), "Menu")),
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "header": {"type": "text", "text": "Menu"},
                "body": {"text": "Choose"},
                "action": {
                    "button": "Open",
                    "sections": [{"rows": [{"id": "a", "title": "A", "description": "First"}]}],
                },
            },
        },
    ),
    _sends(
        "Simple text: the page's template with named parameters",
        Content(
            MessageType.TEMPLATE,
            template=Template(
                "order_confirmation",
                "en_US",
                (Parameter("Jessica", "customer_name"), Parameter("SKBUP2-4CPIG9", "order_number")),
            ),
        ),
        {
            "type": "template",
            "template": {
                "name": "order_confirmation",
                "language": {"code": "en_US"},
                "components": [
                    {
                        "type": "body",
                        "parameters": [
                            {"type": "text", "parameter_name": "customer_name", "text": "Jessica"},
                            {"type": "text", "parameter_name": "order_number", "text": "SKBUP2-4CPIG9"},
                        ],
                    }
                ],
            },
        },
    ),
    _sends(
        "a template with a header and a button",
        Content(
            MessageType.TEMPLATE,
            template=Template(
                "sale",
                "en",
                (Parameter("Ada"),),
                TemplateHeader(image=Media("https://example.com/a.jpg")),
                (TemplateButton(0, "url", "spring"),),
            ),
        ),
        {
            "type": "template",
            "template": {
                "name": "sale",
                "language": {"code": "en"},
                "components": [
                    {
                        "type": "header",
                        "parameters": [{"type": "image", "image": {"link": "https://example.com/a.jpg"}}],
                    },
                    {"type": "body", "parameters": [{"type": "text", "text": "Ada"}]},
                    {
                        "type": "button",
                        "sub_type": "url",
                        "index": "0",
                        "parameters": [{"type": "text", "text": "spring"}],
                    },
                ],
            },
        },
    ),
]


def _answer(**message: Any) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "15551234567", "wa_id": "15551234567"}],
        "messages": [{"id": WAMID, **message}],
    }


def _meta_error(code: int, status: int, kind: FailureKind) -> Reads:
    body = {
        "error": {
            "message": f"(#{code}) Title",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": "What went wrong."},
            "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
        }
    }
    return Reads(
        f"Meta's {code}",
        status,
        body,
        [Refused(kind, str(code), f"(#{code}) Title: What went wrong.")],
        (ONE,),
    )


K = FailureKind
READS = [
    Reads("the page's 200", 200, _answer(), [Accepted(WAMID)], (ONE,)),
    Reads("a template", 200, _answer(message_status="accepted"), [Accepted(WAMID)], (ONE,)),
    Reads(
        "a template kept back",
        200,
        _answer(message_status="held_for_quality_assessment"),
        [Accepted(WAMID, JobState.HELD)],
        (ONE,),
    ),
    Reads(
        "a success without a message",
        200,
        _answer() | {"messages": []},
        [Refused(K.UNKNOWN, "unreadable", "The answer has no message id.")],
        (ONE,),
    ),
    _meta_error(131047, 400, K.USE_TEMPLATE),
    _meta_error(131026, 400, K.RECIPIENT),
    _meta_error(131049, 400, K.LATER),
    _meta_error(131050, 400, K.OPTED_OUT),
    _meta_error(131056, 403, K.PAIR),
    _meta_error(130429, 400, K.THROTTLED),
    _meta_error(131016, 503, K.THROTTLED),
    _meta_error(131000, 500, K.UNKNOWN),
    _meta_error(190, 401, K.CAMPAIGN),
    _meta_error(132001, 404, K.CAMPAIGN),
    _meta_error(33, 400, K.LANE),
    _meta_error(999_999, 400, K.MESSAGE),
    *(
        Reads(
            f"Meta's documented {code}",
            400,
            error(code),
            [Refused(kind, str(code), f"(#{code}) Something: What it was", WAITS.get(code))],
            (ONE,),
        )
        for kind, codes in DOCUMENTED.items()
        for code in codes
    ),
    Reads(
        "an unknown code with a 5xx is doubt",
        500,
        {"error": {"code": 999_999, "message": "Hm"}},
        [Refused(K.UNKNOWN, "500", "Hm")],
        (ONE,),
    ),
    Reads(
        "Rate limits: Kapso's own 429",
        429,
        {"error": "Rate limit exceeded", "message": "Please wait"},
        [Refused(K.THROTTLED, "429", "Please wait", 60.0)],
        (ONE,),
        {"Retry-After": "60"},
    ),
    Reads(
        "Kapso's own 404: the number is not of this project",
        404,
        {"error": "Phone number not found"},
        [Refused(K.LANE, "404", "Phone number not found")],
        (ONE,),
    ),
    Reads(
        "Kapso's own 400",
        400,
        {"error": "Phone number is required"},
        [Refused(K.MESSAGE, "400", "Phone number is required")],
        (ONE,),
    ),
]

TABLE = Table(
    name="kapso",
    account={
        "api": "current",
        "webhook_secret": SECRET_PLACE,
        "senders": [{"name": "shop", "phone_number_id": "123456789012345"}],
    },
    sends=SENDS,
    reads=READS,
    statuses={},
    unsendable=[
        Content(MessageType.TEXT, ""),
        Content(MessageType.TEXT, "x" * 4097),
        Content(MessageType.FILES, None, (Media("https://example.com/a.pdf"),)),
        Content(MessageType.TEXT, "x", buttons=tuple(Button("reply", str(n)) for n in range(4))),
    ],
    webhooks=WEBHOOKS,
    to=ONE,
)


@each("row", SENDS, ids=lambda row: row.why)
async def test_a_call_becomes_meta_s_request_at_kapso_s_address(row: Sends):
    await contract.test_a_call_becomes_the_documented_request(TABLE, row)


@each("row", READS, ids=lambda row: row.why)
async def test_an_answer_means_this(row: Reads):
    await contract.test_an_answer_means_this_for_each_recipient(TABLE, row)


@each("row", WEBHOOKS, ids=lambda row: row.why)
def test_a_webhook_is_verified_and_understood(row: WebhookCase):
    contract.test_a_webhook_is_verified_on_its_raw_body_and_understood(TABLE, row)


def test_unsendable_content_is_reported():
    contract.test_its_declared_capabilities_hold(TABLE)


async def test_the_secret_stays_in_the_request(caplog: pytest.LogCaptureFixture):
    await contract.test_the_secret_is_nowhere_but_in_the_request(TABLE, caplog)


async def test_a_check_distinguishes_a_wrong_key_from_silence():
    await contract.test_a_check_distinguishes_a_wrong_key_from_a_silent_provider(TABLE)
