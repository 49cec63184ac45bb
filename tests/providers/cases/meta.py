"""Cloud API's cases, from Meta's message, webhook and error reference. Signatures are made here, by the published rule."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from campaigns.content import (
    Button,
    Contact,
    ContactEmail,
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
from providers.base import Inbound, Notice, Preference, Report
from tests.providers.contract import SECRET, SECRET_PLACE, Example, Hears, Reads, Sends, Table

K, T = FailureKind, MessageType
TO = ("+16505551234",)
URL = "https://graph.facebook.com/v24.0/106540352242922/messages"
HEADERS = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
WAMID = "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"
PICTURE = "https://www.example.com/a.png"


def sends(why: str, content: Content, message: dict[str, Any], **more: Any) -> Sends:
    envelope = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": TO[0], **message}
    return Sends(why, TO, content, "POST", URL, HEADERS, envelope, more=more)


def of(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, kind: value}


def pressed(kind: str, **value: Any) -> dict[str, Any]:
    return of("interactive", {"type": kind, **value})


CARD = Contact(
    "Ada Lovelace",
    "Ada",
    "Lovelace",
    (ContactPhone("+16505551234", "WORK"),),
    (ContactEmail("ada@example.com", "WORK"),),
)
MENU = Menu(
    "Options", (Section((Row("a", "First", "The first one"), Row("b", "Second")), "Section"),), "Title"
)
TEMPLATE = Template(
    "spring_sale",
    "en_US",
    (Parameter("Ada"), Parameter("SPRING")),
    TemplateHeader(image=Media(PICTURE)),
    (TemplateButton(0, "url", "promo"), TemplateButton(1, "quick_reply", "STOP")),
)

SENDS = [
    sends("text", Content(T.TEXT, "Hello"), of("text", {"preview_url": False, "body": "Hello"})),
    sends(
        "text with a preview",
        Content(T.TEXT, "See https://example.com", preview_url=True),
        of("text", {"preview_url": True, "body": "See https://example.com"}),
    ),
    sends(
        "a reply",
        Content(T.TEXT, "Yes", reply_to=WAMID),
        {**of("text", {"preview_url": False, "body": "Yes"}), "context": {"message_id": WAMID}},
    ),
    sends(
        "our reference",
        Content(T.TEXT, "Hello"),
        {**of("text", {"preview_url": False, "body": "Hello"}), "biz_opaque_callback_data": "run.7"},
        references=("run.7",),
    ),
    sends(
        "image",
        Content(T.IMAGE, "Look", (Media(PICTURE),)),
        of("image", {"link": PICTURE, "caption": "Look"}),
    ),
    sends("video", Content(T.VIDEO, None, (Media(PICTURE),)), of("video", {"link": PICTURE})),
    sends("audio", Content(T.AUDIO, None, (Media(PICTURE),)), of("audio", {"link": PICTURE})),
    sends("sticker", Content(T.STICKER, None, (Media(PICTURE),)), of("sticker", {"link": PICTURE})),
    sends(
        "document",
        Content(T.DOCUMENT, "Read", (Media(PICTURE, filename="a.pdf"),)),
        of("document", {"link": PICTURE, "caption": "Read", "filename": "a.pdf"}),
    ),
    sends(
        "location",
        Content(T.LOCATION, location=Location(52.3435942, 4.9091077, "Office", "Trompenburgstraat 2C")),
        of(
            "location",
            {
                "latitude": 52.3435942,
                "longitude": 4.9091077,
                "name": "Office",
                "address": "Trompenburgstraat 2C",
            },
        ),
    ),
    sends(
        "reaction",
        Content(T.REACTION, reaction=Reaction(WAMID, "😀")),
        of("reaction", {"message_id": WAMID, "emoji": "😀"}),
    ),
    sends(
        "contacts",
        Content(T.CONTACTS, contacts=(CARD,)),
        of(
            "contacts",
            [
                {
                    "name": {"formatted_name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace"},
                    "phones": [{"phone": "+16505551234", "type": "WORK"}],
                    "emails": [{"email": "ada@example.com", "type": "WORK"}],
                }
            ],
        ),
    ),
    sends(
        "reply and postback buttons",
        Content(
            T.TEXT,
            "Choose",
            buttons=(Button("reply", "Yes", id="yes"), Button("postback", "More", payload="more")),
        ),
        pressed(
            "button",
            body={"text": "Choose"},
            action={
                "buttons": [
                    {"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
                    {"type": "reply", "reply": {"id": "more", "title": "More"}},
                ]
            },
        ),
    ),
    sends(
        "buttons below an image",
        Content(T.IMAGE, "Choose", (Media(PICTURE),), (Button("reply", "Yes"),)),
        pressed(
            "button",
            header={"type": "image", "image": {"link": PICTURE}},
            body={"text": "Choose"},
            action={"buttons": [{"type": "reply", "reply": {"id": "Yes", "title": "Yes"}}]},
        ),
    ),
    sends(
        "one link",
        Content(T.TEXT, "Shop", buttons=(Button("link", "Open", url="https://example.com"),)),
        pressed(
            "cta_url",
            body={"text": "Shop"},
            action={
                "name": "cta_url",
                "parameters": {"display_text": "Open", "url": "https://example.com"},
            },
        ),
    ),
    sends(
        "list",
        Content(T.LIST, "Pick one", menu=MENU),
        pressed(
            "list",
            header={"type": "text", "text": "Title"},
            body={"text": "Pick one"},
            action={
                "button": "Options",
                "sections": [
                    {
                        "title": "Section",
                        "rows": [
                            {"id": "a", "title": "First", "description": "The first one"},
                            {"id": "b", "title": "Second"},
                        ],
                    }
                ],
            },
        ),
    ),
    sends(
        "template with header, parameters by place and buttons",
        Content(T.TEMPLATE, template=TEMPLATE),
        of(
            "template",
            {
                "name": "spring_sale",
                "language": {"code": "en_US"},
                "components": [
                    {"type": "header", "parameters": [{"type": "image", "image": {"link": PICTURE}}]},
                    {
                        "type": "body",
                        "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "SPRING"}],
                    },
                    {
                        "type": "button",
                        "sub_type": "url",
                        "index": "0",
                        "parameters": [{"type": "text", "text": "promo"}],
                    },
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": "1",
                        "parameters": [{"type": "payload", "payload": "STOP"}],
                    },
                ],
            },
        ),
    ),
    sends(
        "template with named parameters",
        Content(T.TEMPLATE, template=Template("hi", "en", (Parameter("Ada", "first_name"),))),
        of(
            "template",
            {
                "name": "hi",
                "language": {"code": "en"},
                "components": [
                    {
                        "type": "body",
                        "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ada"}],
                    }
                ],
            },
        ),
    ),
]

DOCUMENTED = {
    K.CAMPAIGN: [
        0,
        190,
        3,
        10,
        200,
        299,
        131005,
        368,
        131031,
        131042,
        131048,
        132000,
        132001,
        132007,
        132015,
        132016,
    ],
    K.LANE: [33, 133010, 131037, 131045, 133016],
    K.THROTTLED: [4, 80007, 130429, 2, 131016, 131057],
    K.PAIR: [131056],
    K.UNKNOWN: [1, 131000],
    K.LATER: [131049],
    K.OPTED_OUT: [131050],
    K.USE_TEMPLATE: [131047, 470],
    K.RECIPIENT: [
        100,
        131008,
        131009,
        131021,
        131026,
        130472,
        130497,
        131051,
        132005,
        132012,
        1013,
        1026,
        472,
    ],
}


def error(code: int) -> dict[str, Any]:
    return {
        "error": {
            "message": f"(#{code}) Something",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": "What it was"},
            "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
        }
    }


def took(**message: str) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+16505551234", "wa_id": "16505551234"}],
        "messages": [{"id": WAMID, **message}],
    }


READS = [
    Reads("accepted", 200, took(), [Accepted(WAMID)], TO),
    Reads("accepted template", 200, took(message_status="accepted"), [Accepted(WAMID)], TO),
    Reads(
        "held for quality assessment",
        200,
        took(message_status="held_for_quality_assessment"),
        [Accepted(WAMID, JobState.HELD)],
        TO,
    ),
    Reads(
        "no id", 200, {"messages": []}, [Refused(K.UNKNOWN, "unreadable", "The answer names no message.")], TO
    ),
    *(
        Reads(
            f"error {code}",
            400,
            error(code),
            [Refused(kind, str(code), f"(#{code}) Something: What it was")],
            TO,
        )
        for kind, codes in DOCUMENTED.items()
        for code in codes
    ),
    Reads(
        "a code that nobody knows",
        400,
        error(999999),
        [Refused(K.RECIPIENT, "999999", "(#999999) Something: What it was")],
        TO,
    ),
]

AT = datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))


def signed(body: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def hears(why: str, field: str, value: dict[str, Any], events: list[Any]) -> Hears:
    entry = {"id": "102290129340398", "changes": [{"field": field, "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    return Hears(why, signed(body), body, events)


METADATA = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
STATUS = {"id": WAMID, "timestamp": STAMP, "recipient_id": "16505551234"}
PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
FAILED = {
    "code": 131049,
    "title": "Not delivered",
    "message": "Not delivered",
    "error_data": {"details": "To keep the ecosystem healthy"},
}

HEARS = [
    hears(
        "sent with pricing and our reference",
        "messages",
        {
            "messaging_product": "whatsapp",
            "metadata": METADATA,
            "statuses": [
                {**STATUS, "status": "sent", "pricing": PRICING, "biz_opaque_callback_data": "run.7"}
            ],
        },
        [Report(WAMID, "sent", JobState.SENT, AT, reference="run.7")],
    ),
    hears(
        "three statuses in one body, one of them unknown",
        "messages",
        {
            "metadata": METADATA,
            "statuses": [{**STATUS, "status": word} for word in ("delivered", "read", "deleted")],
        },
        [
            Report(WAMID, "delivered", JobState.DELIVERED, AT),
            Report(WAMID, "read", JobState.READ, AT),
            Report(WAMID, "deleted", None, AT),
        ],
    ),
    hears(
        "failed with its code",
        "messages",
        {"metadata": METADATA, "statuses": [{**STATUS, "status": "failed", "errors": [FAILED]}]},
        [
            Report(
                WAMID,
                "failed",
                JobState.FAILED,
                AT,
                reason="Not delivered: To keep the ecosystem healthy",
                code="131049",
            )
        ],
    ),
    hears(
        "a person wrote",
        "messages",
        {
            "metadata": METADATA,
            "contacts": [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}],
            "messages": [
                {
                    "from": "16505551234",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "text",
                    "text": {"body": "Hi"},
                }
            ],
        },
        [Inbound("+16505551234", AT, "106540352242922", "wamid.in", "Hi")],
    ),
    hears(
        "a person pressed a button",
        "messages",
        {
            "metadata": METADATA,
            "messages": [
                {
                    "from": "16505551234",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "interactive",
                    "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}},
                }
            ],
        },
        [Inbound("+16505551234", AT, "106540352242922", "wamid.in", "Yes")],
    ),
    hears(
        "a person without a number",
        "messages",
        {"metadata": METADATA, "messages": [{"id": "wamid.in", "timestamp": STAMP, "user_id": "US.1234"}]},
        [],
    ),
    hears(
        "a person stopped marketing",
        "user_preferences",
        {
            "metadata": METADATA,
            "user_preferences": [
                {
                    "wa_id": "16505551234",
                    "category": "marketing_messages",
                    "value": "stop",
                    "timestamp": int(STAMP),
                }
            ],
        },
        [
            Preference(
                "+16505551234", "out", "marketing", AT, "Meta user_preferences: marketing_messages stop"
            )
        ],
    ),
    hears(
        "a template was paused",
        "message_template_status_update",
        {"event": "PAUSED", "message_template_name": "spring_sale", "message_template_language": "en_US"},
        [
            Notice(
                "message_template_status_update",
                "spring_sale",
                "event: PAUSED, message_template_language: en_US",
                Hears("", {}, b"", []).received_at,
            )
        ],
    ),
    hears("something new", "flows", {"event": "FLOW_STATUS_CHANGE"}, []),
]

TABLE = Table(
    name="meta",
    account={
        "app_secret": SECRET_PLACE,
        "verify_token": SECRET_PLACE,
        "senders": [{"name": "shop", "phone_number_id": "106540352242922"}],
    },
    sends=SENDS,
    reads=READS,
    statuses={
        "sent": JobState.SENT,
        "delivered": JobState.DELIVERED,
        "read": JobState.READ,
        "failed": JobState.FAILED,
    },
    unsendable=[
        Content(T.TEXT, ""),
        Content(T.TEXT, "a" * 4097),
        Content(T.IMAGE, "a" * 1025, (Media(PICTURE),)),
        Content(T.IMAGE, None, (Media(PICTURE), Media(PICTURE))),
        Content(T.AUDIO, "caption", (Media(PICTURE),)),
        Content(T.FILES, "two", (Media(PICTURE), Media(PICTURE))),
        Content(T.TEXT, "a", buttons=tuple(Button("reply", str(n)) for n in range(4))),
        Content(T.TEXT, "a", buttons=(Button("reply", "a" * 21),)),
        Content(T.TEXT, "a", buttons=(Button("reply", "a"), Button("reply", "a"))),
        Content(T.TEXT, "a", buttons=(Button("link", "a", url="https://x"), Button("reply", "b"))),
        Content(T.LIST, "a", menu=Menu("b", (Section(tuple(Row(str(n), "r") for n in range(11))),))),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r" * 25),)),))),
        Content(T.LIST, "a", menu=Menu("b" * 21, (Section((Row("a", "r"),)),))),
        Content(T.REACTION, reaction=Reaction("m", "x"), reply_to="m"),
    ],
    hears=HEARS,
    examples=[
        Example(
            "Cloud API, templates: body parameters by place",
            'template = { name = "order_confirmation", language = "en", parameters = ["{{ order }}"] }',
            {
                "name": "order_confirmation",
                "language": {"code": "en"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "ORDER-9182"}]}],
            },
            at="template",
            vars={"order": "ORDER-9182"},
            template=True,
        )
    ],
)
