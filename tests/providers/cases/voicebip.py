"""Voicebip: the requests and webhooks of its WhatsApp page, and the error codes of its error page.

The page's phone numbers could belong to somebody; here they are numbers kept free for fiction. Its one webhook example
is `message.received`; the others have the same envelope and the event names that its pages list. The shape of
`interactive` is nowhere on its pages: it is expected to be Meta's, whose network stands behind it.
"""

from __future__ import annotations

from typing import Any

from campaigns.message.content import (
    Button,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Row,
    Section,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from tests.providers.cases.voicebip_webhooks import FROM, TO, WEBHOOKS
from tests.providers.contract import SECRET, SECRET_PLACE, Example, Reads, Sends, Table

AGENT = "agt_PAEZ_njcfm2kycpjs"
URL = "https://api.voicebip.com/v1/messages"
HEADERS = {
    "authorization": f"Bearer {SECRET}",
    "content-type": "application/json",
    "accept": "application/json",
}

TEXT_EXAMPLE = {
    "channel": "whatsapp",
    "agent_id": AGENT,
    "from_number": FROM,
    "to_number": TO,
    "message_type": "text",
    "body": "Your order has been confirmed.",
}
TEMPLATE_EXAMPLE = {
    "agent_id": AGENT,
    "from_number": FROM,
    "to_number": TO,
    "template_name": "order_confirmation",
    "language_code": "en",
    "parameters": ["ORDER-9182"],
}
ORDER = Template("order_confirmation", "en", (Parameter("ORDER-9182"),))


def message(kind: str, **fields: Any) -> dict[str, Any]:
    address = {"channel": "whatsapp", "agent_id": AGENT, "from_number": FROM, "to_number": TO}
    return {**address, "message_type": kind, **fields}


def media(kind: MessageType, name: str, caption: str | None = None) -> Content:
    return Content(kind, caption, (Media(f"https://example.com/{name}"),))


def sends(why: str, content: Content, body: dict[str, Any], url: str = URL) -> Sends:
    return Sends(why, (TO,), content, "POST", url, HEADERS, body)


SENDS = [
    sends("Send a Message", Content(MessageType.TEXT, "Your order has been confirmed."), TEXT_EXAMPLE),
    sends(
        "Send a Template Message",
        Content(MessageType.TEMPLATE, template=ORDER),
        TEMPLATE_EXAMPLE,
        f"{URL}/template",
    ),
    sends(
        "a template without parameters",
        Content(MessageType.TEMPLATE, template=Template("welcome", "pt_BR")),
        TEMPLATE_EXAMPLE | {"template_name": "welcome", "language_code": "pt_BR", "parameters": []},
        f"{URL}/template",
    ),
    sends("the longest text", Content(MessageType.TEXT, "é" * 4096), message("text", body="é" * 4096)),
    sends(
        "an image with its caption",
        media(MessageType.IMAGE, "a.png", "Look"),
        message("image", media_url="https://example.com/a.png", media_caption="Look"),
    ),
    sends(
        "an image alone",
        media(MessageType.IMAGE, "a.png"),
        message("image", media_url="https://example.com/a.png"),
    ),
    sends(
        "audio", media(MessageType.AUDIO, "a.ogg"), message("audio", media_url="https://example.com/a.ogg")
    ),
    sends(
        "a document with its caption",
        media(MessageType.DOCUMENT, "a.pdf", "Prix d’été 🌞"),
        message("document", media_url="https://example.com/a.pdf", media_caption="Prix d’été 🌞"),
    ),
    sends(
        "video", media(MessageType.VIDEO, "a.mp4"), message("video", media_url="https://example.com/a.mp4")
    ),
    sends(
        "quick reply buttons",
        Content(
            MessageType.TEXT,
            "Are you coming?",
            buttons=(Button("reply", "Yes", id="yes"), Button("reply", "No", id="no")),
        ),
        message(
            "interactive",
            interactive={
                "type": "button",
                "body": {"text": "Are you coming?"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
                        {"type": "reply", "reply": {"id": "no", "title": "No"}},
                    ]
                },
            },
        ),
    ),
    sends(
        "a button between a header and a footer",
        Content(
            MessageType.TEXT,
            "Are you coming?",
            buttons=(Button("reply", "Yes", id="yes"),),
            header="Party",
            footer="Reply STOP to opt out",
        ),
        message(
            "interactive",
            interactive={
                "type": "button",
                "header": {"type": "text", "text": "Party"},
                "body": {"text": "Are you coming?"},
                "footer": {"text": "Reply STOP to opt out"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]},
            },
        ),
    ),
    sends(
        "a list",
        Content(
            MessageType.LIST,
            "Which size?",
            menu=Menu(
                "View options",
                (Section((Row("s", "Small", "For one"), Row("l", "Large")), "Sizes"),),
                "Your order",
            ),
        ),
        message(
            "interactive",
            interactive={
                "type": "list",
                "header": {"type": "text", "text": "Your order"},
                "body": {"text": "Which size?"},
                "action": {
                    "button": "View options",
                    "sections": [
                        {
                            "title": "Sizes",
                            "rows": [
                                {"id": "s", "title": "Small", "description": "For one"},
                                {"id": "l", "title": "Large"},
                            ],
                        }
                    ],
                },
            },
        ),
    ),
]

TAKEN = {
    "message_id": "msg_1",
    "channel": "whatsapp",
    "status": "queued",
    "from_number": FROM,
    "to_number": TO,
    "created_at": "2026-04-09T12:05:00Z",
}
"""The answer to an SMS, as the SMS page shows it, without its `segments`."""


def error(code: str, text: str = "No.") -> dict[str, Any]:
    return {
        "error_code": code,
        "message": text,
        "request_id": "req_1",
        "documentation_url": "https://docs.example.com/errors",
    }


def reads(why: str, status: int, body: Any, result: Result, **headers: str) -> Reads:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reads(why, status, body, [result], (TO,), named)


def refused(
    status: int, code: str, kind: FailureKind, text: str = "No.", after: float | None = None, **headers: str
) -> Reads:
    return reads(
        f"{status} {code}: {text}", status, error(code, text), Refused(kind, code, text, after), **headers
    )


NO_ID = Refused(FailureKind.UNKNOWN, "200", "The answer has no message id.")

READS = [
    reads("queued", 200, TAKEN, Accepted("msg_1")),
    reads("queued, created", 201, TAKEN, Accepted("msg_1")),
    reads("queued, accepted", 202, TAKEN, Accepted("msg_1")),
    reads("sent at once", 200, TAKEN | {"status": "sent"}, Accepted("msg_1", JobState.SENT)),
    reads("failed at once: the webhook says why", 200, TAKEN | {"status": "failed"}, Accepted("msg_1")),
    reads("a word that we do not know", 200, TAKEN | {"status": "pondering"}, Accepted("msg_1")),
    reads("no word at all", 200, {"message_id": "msg_1"}, Accepted("msg_1")),
    reads("under data", 200, {"data": TAKEN}, Accepted("msg_1")),
    reads("no id", 200, TAKEN | {"message_id": None}, NO_ID),
    reads("an empty id", 200, TAKEN | {"message_id": ""}, NO_ID),
    reads("not JSON", 200, b"<html>", NO_ID),
    refused(401, "UNAUTHENTICATED", FailureKind.CAMPAIGN),
    refused(403, "PERMISSION_DENIED", FailureKind.CAMPAIGN),
    refused(429, "RATE_LIMITED", FailureKind.THROTTLED, after=12.0, Retry_After="12"),
    refused(402, "QUOTA_EXCEEDED", FailureKind.CAMPAIGN),
    refused(402, "WORKSPACE_BLOCKED", FailureKind.CAMPAIGN),
    refused(402, "INSUFFICIENT_BALANCE", FailureKind.CAMPAIGN),
    refused(402, "A_NEW_CODE", FailureKind.CAMPAIGN),
    refused(400, "INVALID_ARGUMENT", FailureKind.MESSAGE, "to_number is not E.164."),
    refused(400, "INVALID_ARGUMENT", FailureKind.LANE, "from_number is not active."),
    refused(400, "INVALID_ARGUMENT", FailureKind.CAMPAIGN, "The template has 2 parameters."),
    refused(404, "NOT_FOUND", FailureKind.LANE, "No such agent."),
    refused(404, "NOT_FOUND", FailureKind.CAMPAIGN, "No such template."),
    refused(404, "NOT_FOUND", FailureKind.LANE),
    refused(409, "ALREADY_EXISTS", FailureKind.UNKNOWN),
    refused(422, "CALL_WINDOW_RESTRICTED", FailureKind.RECIPIENT),
    refused(422, "RECIPIENT_OPTED_OUT", FailureKind.OPTED_OUT),
    refused(422, "UNPROCESSABLE", FailureKind.OPTED_OUT, "The recipient has opted out."),
    refused(422, "CONVERSATION_WINDOW_EXPIRED", FailureKind.USE_TEMPLATE),
    refused(400, "INVALID_ARGUMENT", FailureKind.USE_TEMPLATE, "Outside the 24-hour window; use a template."),
    refused(422, "A_NEW_CODE", FailureKind.MESSAGE),
    refused(405, "A_NEW_CODE", FailureKind.CAMPAIGN),
    refused(500, "INTERNAL", FailureKind.UNKNOWN),
    refused(503, "UNAVAILABLE", FailureKind.UNKNOWN),
    reads("a refusal that is not JSON", 422, b"no", Refused(FailureKind.MESSAGE, "422", "no")),
    reads(
        "a code of the wrong type",
        422,
        {"error_code": 7, "message": "No."},
        Refused(FailureKind.MESSAGE, "422", "No."),
    ),
]

EXAMPLES = [
    Example(
        "Voicebip: WhatsApp",
        "Send a Message",
        'text = "Your order has been confirmed."',
        TEXT_EXAMPLE,
    ),
    Example(
        "Voicebip: WhatsApp",
        "Send a Template Message",
        'template = { name = "order_confirmation", language = "en", parameters = ["{{ order }}"] }',
        TEMPLATE_EXAMPLE,
        vars={"order": "ORDER-9182"},
        template=True,
    ),
]


def _text(**changes: Any) -> Content:
    return Content(**{"type": MessageType.TEXT, "text": "Hello", **changes})


def _template(**changes: Any) -> Content:
    return Content(MessageType.TEMPLATE, template=Template("order_confirmation", "en", **changes))


UNSENDABLE = [
    _text(text=""),
    _text(text="x" * 4097),
    _text(reply_to="msg_1"),
    _text(preview_url=True),
    _text(buttons=tuple(Button("reply", f"Button {n}", id=str(n)) for n in range(4))),
    _text(buttons=(Button("reply", "x" * 21, id="1"),)),
    _text(buttons=(Button("link", "Shop", url="https://example.com"),)),
    _text(text="x" * 1025, buttons=(Button("reply", "Yes", id="1"),)),
    Content(
        MessageType.IMAGE, "Look", (Media("https://example.com/a.png"),), (Button("reply", "Yes", id="1"),)
    ),
    Content(MessageType.IMAGE, "No image"),
    Content(MessageType.IMAGE, "Uploaded", (Media(id="1"),)),
    _text(buttons=(Button("reply", "Yes", id="1"),), footer="x" * 61),
    Content(
        MessageType.IMAGE, None, (Media("https://example.com/a.png"), Media("https://example.com/b.png"))
    ),
    Content(MessageType.IMAGE, "x" * 1025, (Media("https://example.com/a.png"),)),
    Content(MessageType.DOCUMENT, None, (Media("https://example.com/a.pdf", filename="bill.pdf"),)),
    media(MessageType.VIDEO, "a.mp4", "A caption"),
    media(MessageType.AUDIO, "a.ogg", "A caption"),
    media(MessageType.STICKER, "a.webp"),
    Content(MessageType.LOCATION, location=Location(52.34, 4.9)),
    Content(MessageType.LIST, "Which?", menu=Menu("x" * 21, (Section((Row("a", "A"),)),))),
    Content(MessageType.LIST, "Which?", menu=Menu("Open", (Section((Row("a", "x" * 25),)),))),
    Content(
        MessageType.LIST,
        "Which?",
        menu=Menu("Open", (Section(tuple(Row(str(n), f"Row {n}") for n in range(11))),)),
    ),
    Content(MessageType.TEMPLATE),
    _template(parameters=(Parameter("1", "order"),)),
    _template(header=TemplateHeader(text="Hi")),
    _template(buttons=(TemplateButton(0, "url", "1"),)),
    _template(project_id="p", version="v"),
]

TABLE = Table(
    name="voicebip",
    account={
        "webhook_secret": SECRET_PLACE,
        "senders": [{"name": "shop", "agent_id": AGENT, "number": FROM}],
    },
    sends=SENDS,
    reads=READS,
    statuses={
        "sent": JobState.SENT,
        "delivered": JobState.DELIVERED,
        "read": JobState.READ,
        "failed": JobState.FAILED,
        "send_failed": JobState.FAILED,
    },
    unsendable=UNSENDABLE,
    webhooks=WEBHOOKS,
    examples=EXAMPLES,
    to=TO,
)
