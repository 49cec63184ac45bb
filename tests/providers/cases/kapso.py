"""Kapso's legacy API: its page "Send a new WhatsApp message", the pages beside it, and its webhook pages.

How the page's one request example is read is said in `examples`. The phone numbers of the pages may belong to
somebody; here are numbers that cannot.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from campaigns.message.content import (
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
from providers.events import Billed, Inbound, InboundKind, Notice, NotUnderstood, Report, UserId, WindowUntil
from providers.meta.pricing import NOTHING
from tests.providers.cases.meta_answers import DOCUMENTED, WAITS
from tests.providers.cases.meta_inbound import INBOUND as META_INBOUND
from tests.providers.cases.meta_webhooks import WEBHOOKS as META_WEBHOOKS
from tests.providers.contract import SECRET, SECRET_PLACE, Example, Reads, Sends, Table, WebhookCase

ONE = "+12025550123"
CONVERSATION = "conversation-202mno"
CONFIG = "config-123abc"
BASE = "https://app.kapso.ai/api/v1"
INTO = f"{BASE}/whatsapp_conversations/{CONVERSATION}/whatsapp_messages"
ALONE = f"{BASE}/whatsapp_messages?whatsapp_config_id={CONFIG}"
HEADERS = {"x-api-key": SECRET, "content-type": "application/json", "accept": "application/json"}
PAGE = "Kapso: Send a new WhatsApp message"
IN_CONVERSATION = {"conversations": (CONVERSATION,)}

HELLO = Content(MessageType.TEXT, "Hello, how can I help you today?")
HELLO_JSON = {"message_type": "text", "content": "Hello, how can I help you today?"}


def _sends(why: str, content: Content, message: dict[str, Any]) -> Sends:
    return Sends(why, (ONE,), content, "POST", INTO, HEADERS, {"message": message}, more=IN_CONVERSATION)


def _starts(why: str, content: Content, message: dict[str, Any]) -> Sends:
    body = {"message": {"phone_number": ONE, **message}}
    return Sends(why, (ONE,), content, "POST", ALONE, HEADERS, body)


SENDS = [
    _sends("the page's text, into the conversation", HELLO, HELLO_JSON),
    _starts("Send a WhatsApp message (standalone): no conversation is known", HELLO, HELLO_JSON),
    _sends(
        "an image with a caption",
        Content(MessageType.IMAGE, "Look", (Media("https://example.com/a.jpg"),)),
        {"message_type": "image", "media_url": "https://example.com/a.jpg", "caption": "Look"},
    ),
    _sends(
        "an image uploaded beforehand",
        Content(MessageType.IMAGE, "Look", (Media(id="1037543291543636"),)),
        {"message_type": "image", "media_id": "1037543291543636", "caption": "Look"},
    ),
    _sends(
        "a video",
        Content(MessageType.VIDEO, None, (Media("https://example.com/a.mp4"),)),
        {"message_type": "video", "media_url": "https://example.com/a.mp4"},
    ),
    _sends(
        "an audio",
        Content(MessageType.AUDIO, None, (Media("https://example.com/a.ogg"),)),
        {"message_type": "audio", "media_url": "https://example.com/a.ogg"},
    ),
    _sends(
        "a document with its name",
        Content(MessageType.DOCUMENT, "Prices", (Media("https://example.com/a.pdf", filename="été.pdf"),)),
        {
            "message_type": "document",
            "media_url": "https://example.com/a.pdf",
            "caption": "Prices",
            "filename": "été.pdf",
        },
    ),
    _sends(
        "a location",
        Content(MessageType.LOCATION, location=Location(52.34, 4.9, "The shop")),
        {"message_type": "location", "latitude": 52.34, "longitude": 4.9, "location_name": "The shop"},
    ),
    _sends(
        "buttons; a postback is a reply with its payload as id",
        Content(
            MessageType.TEXT,
            "Well?",
            buttons=(
                Button("reply", "Yes", id="yes"),
                Button("postback", "More", payload="more"),
                Button("reply", "No"),
            ),
        ),
        {
            "message_type": "interactive",
            "interactive_type": "button",
            "body_text": "Well?",
            "buttons": [
                {"id": "yes", "title": "Yes"},
                {"id": "more", "title": "More"},
                {"id": "No", "title": "No"},
            ],
        },
    ),
    _sends(
        "a button between a header and a footer",
        Content(
            MessageType.TEXT,
            "Well?",
            buttons=(Button("reply", "Yes", id="yes"),),
            header="Spring",
            footer="STOP ends it",
        ),
        {
            "message_type": "interactive",
            "interactive_type": "button",
            "header_type": "text",
            "header_text": "Spring",
            "body_text": "Well?",
            "footer_text": "STOP ends it",
            "buttons": [{"id": "yes", "title": "Yes"}],
        },
    ),
    _sends(
        "a list with a heading and a footer",
        Content(
            MessageType.LIST,
            "Choose",
            menu=Menu("View Options", (Section((Row("a", "A", "The first"), Row("b", "B")), "All"),), "Menu"),
            footer="STOP ends it",
        ),
        {
            "message_type": "interactive",
            "interactive_type": "list",
            "header_type": "text",
            "header_text": "Menu",
            "body_text": "Choose",
            "footer_text": "STOP ends it",
            "list_button_text": "View Options",
            "sections": [
                {
                    "title": "All",
                    "rows": [
                        {"id": "a", "title": "A", "description": "The first"},
                        {"id": "b", "title": "B"},
                    ],
                }
            ],
        },
    ),
    _sends(
        "a reaction",
        Content(MessageType.REACTION, reaction=Reaction("wamid.HBgLM", "👍")),
        {"message_type": "reaction", "reaction_emoji": "👍", "reacted_to_message_id": "wamid.HBgLM"},
    ),
    _sends(
        "contacts",
        Content(
            MessageType.CONTACTS,
            contacts=(
                Contact(
                    "Ada Stone",
                    "Ada",
                    None,
                    (ContactPhone("+12025550124", "WORK"),),
                    (ContactEmail("ada@example.com"),),
                ),
            ),
        ),
        {
            "message_type": "contacts",
            "contacts": [
                {
                    "formatted_name": "Ada Stone",
                    "first_name": "Ada",
                    "phones": [{"phone": "+12025550124", "type": "WORK"}],
                    "emails": [{"email": "ada@example.com"}],
                }
            ],
        },
    ),
    _starts(
        "a template starts the conversation; a document as header",
        Content(
            MessageType.TEMPLATE,
            template=Template(
                "spring_sale",
                "en_US",
                (Parameter("Ada"), Parameter("SPRING")),
                TemplateHeader(document=Media("https://example.com/a.pdf", filename="a.pdf")),
            ),
        ),
        {
            "message_type": "template",
            "template_name": "spring_sale",
            "template_language": "en_US",
            "template_params": ["Ada", "SPRING"],
            "header_type": "document",
            "header_params": "https://example.com/a.pdf",
            "header_filename": "a.pdf",
        },
    ),
    _starts(
        "a template without anything to fill",
        Content(MessageType.TEMPLATE, template=Template("hello_world", "en_US")),
        {"message_type": "template", "template_name": "hello_world", "template_language": "en_US"},
    ),
]


def _example(what: str, content: str, message: dict[str, Any], *, template: bool = False) -> Example:
    return Example(
        PAGE,
        "Request",
        content,
        message,
        at="message",
        part=what,
        template=template,
        more=IN_CONVERSATION,
    )


EXAMPLES = [
    _example("text", 'text = "Hello, how can I help you today?"', HELLO_JSON),
    _example(
        "media: media_url, caption, filename",
        'document = { url = "https://example.com/a.pdf", caption = "<string>", filename = "<string>" }',
        {
            "message_type": "document",
            "media_url": "https://example.com/a.pdf",
            "caption": "<string>",
            "filename": "<string>",
        },
    ),
    _example(
        "media: media_id",
        'images = [{ id = "<string>" }]\ntext = "<string>"',
        {"message_type": "image", "media_id": "<string>", "caption": "<string>"},
    ),
    _example(
        "location",
        'location = { latitude = 12.3, longitude = 123, name = "<string>", address = "<string>" }',
        {
            "message_type": "location",
            "latitude": 12.3,
            "longitude": 123,
            "location_name": "<string>",
            "location_address": "<string>",
        },
    ),
    _example(
        "interactive, button",
        'header = "<string>"\ntext = "<string>"\nfooter = "<string>"\n'
        'buttons = [{ type = "reply", id = "<string>", text = "<string>" }]',
        {
            "message_type": "interactive",
            "interactive_type": "button",
            "body_text": "<string>",
            "header_type": "text",
            "header_text": "<string>",
            "footer_text": "<string>",
            "buttons": [{"id": "<string>", "title": "<string>"}],
        },
    ),
    _example(
        "interactive, list",
        'text = "<string>"\nfooter = "<string>"\n'
        'list = { title = "<string>", button = "View Options", sections = [{ title = "<string>", '
        'rows = [{ id = "<string>", title = "<string>", description = "<string>" }] }] }',
        {
            "message_type": "interactive",
            "interactive_type": "list",
            "body_text": "<string>",
            "header_type": "text",
            "header_text": "<string>",
            "footer_text": "<string>",
            "sections": [
                {
                    "title": "<string>",
                    "rows": [{"id": "<string>", "title": "<string>", "description": "<string>"}],
                }
            ],
            "list_button_text": "View Options",
        },
    ),
    _example(
        "template",
        'template = { name = "<string>", language = "<string>", '
        'parameters = ["John Smith", "Tomorrow at 2 PM"], header = { text = "<string>" } }',
        {
            "message_type": "template",
            "template_name": "<string>",
            "template_language": "<string>",
            "template_params": ["John Smith", "Tomorrow at 2 PM"],
            "header_type": "text",
            "header_params": "<string>",
        },
        template=True,
    ),
    _example(
        "template: header_filename",
        'template = { name = "<string>", language = "<string>", '
        'header = { document = { url = "https://example.com/a.pdf", filename = "<string>" } } }',
        {
            "message_type": "template",
            "template_name": "<string>",
            "template_language": "<string>",
            "header_type": "document",
            "header_params": "https://example.com/a.pdf",
            "header_filename": "<string>",
        },
        template=True,
    ),
    _example(
        "reaction",
        'reaction = { emoji = "👍", message_id = "<string>" }',
        {"message_type": "reaction", "reaction_emoji": "👍", "reacted_to_message_id": "<string>"},
    ),
    _example(
        "contacts",
        'contacts = [{ formatted_name = "<string>", first_name = "<string>", last_name = "<string>", '
        'phones = [{ phone = "<string>", type = "<string>" }], '
        'emails = [{ email = "<string>", type = "<string>" }] }]',
        {
            "message_type": "contacts",
            "contacts": [
                {
                    "formatted_name": "<string>",
                    "first_name": "<string>",
                    "last_name": "<string>",
                    "phones": [{"phone": "<string>", "type": "<string>"}],
                    "emails": [{"email": "<string>", "type": "<string>"}],
                }
            ],
        },
    ),
]

FIELDS = """
    content message_type media_url media_id caption filename latitude longitude location_name location_address
    interactive_type body_text header_text footer_text buttons sections list_button_text
    template_name template_language template_params header_type header_params header_filename
    reaction_emoji reacted_to_message_id contacts
    """
"""Of the page's request example, which shows those of every type at once."""

SEED_ANSWER = {
    "data": {
        "id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "phone_number": "<string>",
        "message_type": "text",
        "content": "<string>",
        "direction": "inbound",
        "status": "<string>",
        "processing_status": "pending",
        "whatsapp_message_id": "<string>",
        "metadata": {},
        "media_url": "<string>",
        "message_type_data": {"text": "<string>"},
        "created_at": "2023-11-07T05:31:56Z",
        "updated_at": "2023-11-07T05:31:56Z",
    }
}
ALONE_ANSWER = {
    "data": {
        "id": "msg-123abc",
        "phone_number": ONE,
        "message_type": "text",
        "content": "Hello, how can I help you today?",
        "direction": "outbound",
        "status": "sent",
        "whatsapp_message_id": "wamid.HBgLMTIzNDU2Nzg5MAUCAw==",
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
    }
}
WAMID = "wamid.HBgLMTIzNDU2Nzg5MAUCAw=="


def _alone_answer(**changes: Any) -> dict[str, Any]:
    return {"data": ALONE_ANSWER["data"] | changes}


def _accepts(why: str, body: Any, message_id: str, state: JobState = JobState.ACCEPTED) -> Reads:
    return Reads(why, 201, body, [Accepted(message_id, state)], (ONE,))


def _refuses(why: str, status: int, body: Any, kind: FailureKind, code: str, text: str) -> Reads:
    return Reads(why, status, body, [Refused(kind, code, text)], (ONE,))


NO_NAME = "The answer has no message id."

READS = [
    _accepts("the page's 201, an unknown status", SEED_ANSWER, "<string>"),
    _accepts("the standalone page's 201", ALONE_ANSWER, WAMID, JobState.SENT),
    _accepts("pending", _alone_answer(status="pending"), WAMID),
    _accepts("failed at once: the webhook brings the reason", _alone_answer(status="failed"), WAMID),
    _accepts(
        "not yet at WhatsApp: Kapso's own id",
        _alone_answer(whatsapp_message_id=None),
        "msg-123abc",
        JobState.SENT,
    ),
    _refuses("a success without a message", 201, {"data": {}}, FailureKind.UNKNOWN, "201", NO_NAME),
    _refuses("a success that is no JSON", 200, b"<html>", FailureKind.UNKNOWN, "200", NO_NAME),
    _refuses(
        "the introduction's 400",
        400,
        {"error": "Invalid parameters", "message": "Parameter X is required"},
        FailureKind.MESSAGE,
        "400",
        "Parameter X is required",
    ),
    _refuses(
        "the introduction's 401",
        401,
        {"error": "Invalid or missing API key"},
        FailureKind.CAMPAIGN,
        "401",
        "Invalid or missing API key",
    ),
    _refuses(
        "the sender is gone", 404, {"error": "Config not found"}, FailureKind.LANE, "404", "Config not found"
    ),
    _refuses(
        "the window, in words",
        422,
        {"error": "The 24-hour customer service window is closed"},
        FailureKind.USE_TEMPLATE,
        "422",
        "The 24-hour customer service window is closed",
    ),
    _refuses(
        "the template, in words",
        422,
        {"error": "Template not found"},
        FailureKind.CAMPAIGN,
        "422",
        "Template not found",
    ),
    _refuses("any other 4xx", 405, {"error": "No"}, FailureKind.CAMPAIGN, "405", "No"),
    Reads(
        "the introduction's 429",
        429,
        {"error": "Rate limit exceeded", "message": "Please retry after X seconds"},
        [Refused(FailureKind.THROTTLED, "429", "Please retry after X seconds", 60.0)],
        (ONE,),
        {"Retry-After": "60", "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0"},
    ),
    _refuses(
        "the introduction's 500",
        500,
        {"error": "An unexpected error occurred", "message": "Details about the error"},
        FailureKind.UNKNOWN,
        "500",
        "Details about the error",
    ),
]

READS += [
    _refuses(
        f"Meta's {code} in the text, as it passes through",
        422,
        {"error": "Message could not be sent", "message": f"(#{code}) Because"},
        kind,
        str(code),
        f"(#{code}) Because",
    )
    for code, kind in (
        *((code, kind) for kind, codes in DOCUMENTED.items() for code in codes if code not in WAITS),
        (999_999, FailureKind.MESSAGE),
    )
]
READS += [
    _refuses(
        "Meta's own error object, as it passes through",
        400,
        {"error": {"message": "(#131050) Title", "code": 131050, "error_data": {"details": "Stopped."}}},
        FailureKind.OPTED_OUT,
        "131050",
        "(#131050) Title: Stopped.",
    ),
]

# --- webhooks: the page "Message events" and the page "Advanced" ---

SENDER = "123456789012345"


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def webhook_case(why: str, event: str, payload: Any, events: list[Any], **headers: str) -> WebhookCase:
    """Signed as the page says: hex HMAC-SHA256 over the body as sent."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, indent=1).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    signed = {"x-webhook-event": event, "x-webhook-signature": signature, "x-webhook-payload-version": "v2"}
    return WebhookCase(why, signed | headers, body, events)


def _conversation(kapso: dict[str, Any] | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": "conv_123",
        "phone_number": ONE,
        "status": "active",
        "last_active_at": "2025-10-28T14:31:28Z",
        "created_at": "2025-10-28T13:40:00Z",
        "updated_at": "2025-10-28T14:31:28Z",
        "metadata": {},
        "phone_number_id": SENDER,
    }
    return shown if kapso is None else shown | {"kapso": kapso}


def _payload(
    message: dict[str, Any], conversation: dict[str, Any] | None = None, *, new: bool = False
) -> dict[str, Any]:
    return {
        "message": message,
        "conversation": conversation or _conversation(),
        "is_new_conversation": new,
        "phone_number_id": SENDER,
    }


def _outbound(
    message_id: str, status: str, seconds: int, text: str, *statuses: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": message_id,
        "timestamp": str(seconds),
        "type": "text",
        "text": {"body": text},
        "kapso": {
            "direction": "outbound",
            "status": status,
            "processing_status": "completed",
            "origin": "cloud_api",
            "has_media": False,
            "statuses": list(statuses),
        },
    }


def _status(message_id: str, status: str, seconds: int, **more: Any) -> dict[str, Any]:
    return {
        "id": message_id,
        "status": status,
        "timestamp": str(seconds),
        "recipient_id": ONE[1:],
        **more,
    }


def _inbound(message_id: str, seconds: int, text: str) -> dict[str, Any]:
    return {
        "id": message_id,
        "timestamp": str(seconds),
        "type": "text",
        "text": {"body": text},
        "kapso": {
            "direction": "inbound",
            "status": "received",
            "processing_status": "pending",
            "origin": "cloud_api",
            "has_media": False,
            "content": text,
        },
    }


LAST_INBOUND = {
    "contact_name": "John Doe",
    "messages_count": 2,
    "last_message_id": "wamid.456",
    "last_inbound_at": "2025-10-28T14:25:01Z",
    "last_outbound_at": "2025-10-28T14:31:00Z",
}
WINDOW = WindowUntil(ONE, datetime(2025, 10, 29, 14, 25, 1, tzinfo=UTC), SENDER)
SENT_456 = _status("wamid.456", "sent", 1730092860)

WEBHOOKS = [
    webhook_case(
        "whatsapp.message.received",
        "whatsapp.message.received",
        _payload(_inbound("wamid.123", 1730092800, "Hello"), _conversation(LAST_INBOUND), new=True),
        [Inbound(ONE, at(1730092800), SENDER, "wamid.123", "Hello")],
    ),
    webhook_case(
        "whatsapp.message.sent: it also tells the window",
        "whatsapp.message.sent",
        _payload(
            _outbound("wamid.456", "sent", 1730092860, "On my way", SENT_456), _conversation(LAST_INBOUND)
        ),
        [
            Report(
                "wamid.456",
                "sent",
                JobState.SENT,
                at(1730092860),
                times=((JobState.SENT, at(1730092860)),),
            ),
            WINDOW,
        ],
    ),
    webhook_case(
        "whatsapp.message.delivered",
        "whatsapp.message.delivered",
        _payload(
            _outbound(
                "wamid.456",
                "delivered",
                1730092888,
                "On my way",
                SENT_456,
                _status("wamid.456", "delivered", 1730092888),
            )
        ),
        [
            Report(
                "wamid.456",
                "delivered",
                JobState.DELIVERED,
                at(1730092888),
                times=((JobState.SENT, at(1730092860)), (JobState.DELIVERED, at(1730092888))),
            )
        ],
    ),
    webhook_case(
        "whatsapp.message.failed",
        "whatsapp.message.failed",
        _payload(
            _outbound(
                "wamid.789",
                "failed",
                1730093200,
                "This message failed",
                _status("wamid.789", "sent", 1730093100),
                _status(
                    "wamid.789",
                    "failed",
                    1730093200,
                    errors=[
                        {
                            "code": 131047,
                            "title": "Re-engagement message",
                            "message": "More than 24 hours have passed since the recipient last replied",
                        }
                    ],
                ),
            )
        ),
        [
            Report(
                "wamid.789",
                "failed",
                JobState.FAILED,
                at(1730093200),
                "More than 24 hours have passed since the recipient last replied",
                times=((JobState.SENT, at(1730093100)),),
                code="131047",
                cost=NOTHING,
            )
        ],
    ),
    webhook_case(
        "whatsapp.message.read with our reference and Meta's pricing",
        "whatsapp.message.read",
        _payload(
            _outbound(
                "wamid.456",
                "read",
                1730092900,
                "On my way",
                _status(
                    "wamid.456",
                    "read",
                    1730092900,
                    biz_opaque_callback_data="job-7",
                    pricing={"billable": True, "pricing_model": "PMP", "category": "marketing"},
                ),
            )
        ),
        [
            Report(
                "wamid.456",
                "read",
                JobState.READ,
                at(1730092900),
                times=((JobState.READ, at(1730092900)),),
                reference="job-7",
                billed=Billed("marketing", "+12025550123"),
            )
        ],
    ),
    webhook_case(
        "whatsapp.message.read that Meta did not bill",
        "whatsapp.message.read",
        _payload(
            _outbound(
                "wamid.456",
                "read",
                1730092900,
                "On my way",
                _status(
                    "wamid.456",
                    "read",
                    1730092900,
                    biz_opaque_callback_data="job-7",
                    pricing={"billable": False, "pricing_model": "PMP", "category": "service"},
                ),
            )
        ),
        [
            Report(
                "wamid.456",
                "read",
                JobState.READ,
                at(1730092900),
                times=((JobState.READ, at(1730092900)),),
                cost=NOTHING,
                reference="job-7",
            )
        ],
    ),
    webhook_case(
        "Advanced: a batch",
        "whatsapp.message.received",
        {
            "type": "whatsapp.message.received",
            "batch": True,
            "data": [
                _payload(_inbound("wamid.111", 1730092801, "First in batch")),
                _payload(_inbound("wamid.112", 1730092802, "Second in batch")),
            ],
            "batch_info": {"size": 2, "window_ms": 5000},
        },
        [
            Inbound(ONE, at(1730092801), SENDER, "wamid.111", "First in batch"),
            Inbound(ONE, at(1730092802), SENDER, "wamid.112", "Second in batch"),
        ],
        **{"x-webhook-batch": "true", "x-batch-size": "2"},
    ),
    webhook_case(
        "whatsapp.conversation.created: nobody wrote yet",
        "whatsapp.conversation.created",
        {"conversation": _conversation({"last_inbound_at": None}), "phone_number_id": SENDER},
        [],
    ),
    webhook_case(
        "whatsapp.conversation.ended",
        "whatsapp.conversation.ended",
        {"conversation": _conversation(LAST_INBOUND), "phone_number_id": SENDER},
        [WINDOW],
    ),
    webhook_case(
        "whatsapp.phone_number.created",
        "whatsapp.phone_number.created",
        {"phone_number_id": SENDER, "project": {"id": "p"}, "customer": {"id": "c"}},
        [Notice("whatsapp.phone_number.created", SENDER, "created")],
    ),
    webhook_case(
        "version 1: the message's fields stand at its top",
        "whatsapp.message.delivered",
        {
            "message": {
                "id": "msg-123abc",
                "whatsapp_message_id": WAMID,
                "message_type": "text",
                "content": "Hi",
                "direction": "outbound",
                "status": "delivered",
                "updated_at": "2024-01-15T10:30:07Z",
            },
            "conversation": {"id": "conv_123", "phone_number": ONE, "whatsapp_config_id": CONFIG},
        },
        [Report(WAMID, "delivered", JobState.DELIVERED, datetime(2024, 1, 15, 10, 30, 7, tzinfo=UTC))],
        **{"x-webhook-payload-version": "v1"},
    ),
    webhook_case(
        "version 1: inbound",
        "whatsapp.message.received",
        {
            "message": {
                "id": "msg-1",
                "message_type": "text",
                "content": "Hi",
                "direction": "inbound",
                "created_at": "2024-01-15T10:30:07Z",
            },
            "conversation": {"id": "conv_123", "phone_number": ONE[1:], "whatsapp_config_id": CONFIG},
        },
        [Inbound(ONE, datetime(2024, 1, 15, 10, 30, 7, tzinfo=UTC), CONFIG, "msg-1", "Hi")],
        **{"x-webhook-payload-version": "v1"},
    ),
    webhook_case(
        "an unknown word is kept",
        "whatsapp.message.pondered",
        _payload(_outbound("wamid.456", "pondered", 1730092860, "x")),
        [Report("wamid.456", "pondered", None, at(1730092860))],
    ),
    webhook_case(
        "a person without a number",
        "whatsapp.message.received",
        {"message": _inbound("wamid.1", 1730092800, "Hi") | {"from_user_id": "US.1"}, "conversation": {}},
        [Inbound(None, at(1730092800), None, "wamid.1", "Hi", user_id="US.1")],
    ),
    webhook_case(
        "a person with a number and a user id",
        "whatsapp.message.received",
        _payload(_inbound("wamid.1", 1730092800, "Hi") | {"from_user_id": "US.1"}),
        [UserId("US.1", ONE), Inbound(ONE, at(1730092800), SENDER, "wamid.1", "Hi", user_id="US.1")],
    ),
    webhook_case(
        "a status with number and user id",
        "whatsapp.message.sent",
        _payload(
            _outbound(
                "wamid.456",
                "sent",
                1730092860,
                "On my way",
                SENT_456 | {"recipient_user_id": "US.1"},
            )
        ),
        [
            UserId("US.1", ONE),
            Report(
                "wamid.456",
                "sent",
                JobState.SENT,
                at(1730092860),
                times=((JobState.SENT, at(1730092860)),),
            ),
        ],
    ),
    webhook_case(
        "a template's button: its label and payload are the message's, whatever Kapso writes beside them",
        "whatsapp.message.received",
        _payload(
            _inbound("wamid.1", 1730092800, "STOP Image attached (image/jpeg)")
            | {
                "type": "button",
                "text": None,
                "button": {"text": "No more offers", "payload": "STOP"},
                "context": {"from": "15550783881", "id": "wamid.456"},
            }
        ),
        [Inbound(ONE, at(1730092800), SENDER, "wamid.1", "No more offers", "STOP", answers="wamid.456")],
    ),
    webhook_case(
        "a caption, where Kapso writes what is attached beside it",
        "whatsapp.message.received",
        _payload(
            _inbound("wamid.1", 1730092800, "STOP Image attached (image/jpeg)")
            | {"type": "image", "text": None, "image": {"id": "7", "caption": "STOP"}}
        ),
        [Inbound(ONE, at(1730092800), SENDER, "wamid.1", "STOP")],
    ),
    webhook_case(
        "an image without a caption: Kapso's text is not the person's",
        "whatsapp.message.received",
        _payload(
            _inbound("wamid.1", 1730092800, "Image attached (image/jpeg)")
            | {"type": "image", "text": None, "image": {"id": "7"}}
        ),
        [Inbound(ONE, at(1730092800), SENDER, "wamid.1")],
    ),
    webhook_case(
        "version 1: a button, without a time",
        "whatsapp.message.received",
        {
            "message": {
                "id": "msg-1",
                "whatsapp_message_id": "wamid.1",
                "message_type": "button",
                "content": "No more offers",
                "direction": "inbound",
                "message_type_data": {"text": "No more offers", "payload": "STOP"},
            },
            "conversation": {"phone_number": ONE},
            "whatsapp_config": {"id": CONFIG, "phone_number_id": SENDER},
        },
        [Inbound(ONE, None, SENDER, "wamid.1", "No more offers", "STOP")],
        **{"x-webhook-payload-version": "v1"},
    ),
    webhook_case(
        "version 1: a reply and a caption",
        "whatsapp.message.received",
        [
            {
                "message": {
                    "id": "wamid.1",
                    "message_type": "interactive",
                    "content": "Enough",
                    "direction": "inbound",
                    "message_type_data": {
                        "type": "list_reply",
                        "list_reply": {"id": "opt_out", "title": "Enough"},
                    },
                },
                "conversation": {"phone_number": ONE},
            },
            {
                "message": {
                    "id": "wamid.2",
                    "message_type": "image",
                    "content": "STOP Image attached (image/jpeg)",
                    "caption": "STOP",
                    "direction": "inbound",
                },
                "conversation": {"phone_number": ONE},
            },
        ],
        [
            Inbound(ONE, None, None, "wamid.1", "Enough", "opt_out"),
            Inbound(ONE, None, None, "wamid.2", "STOP"),
        ],
        **{"x-webhook-payload-version": "v1"},
    ),
    webhook_case(
        "a conversation names both the number and the user id",
        "whatsapp.message.received",
        _payload(
            _inbound("wamid.1", 1730092800, "Hi"), _conversation() | {"business_scoped_user_id": "US.1"}
        ),
        [
            UserId("US.1", ONE),
            UserId("US.1", ONE),
            Inbound(ONE, at(1730092800), SENDER, "wamid.1", "Hi", user_id="US.1"),
        ],
    ),
    webhook_case(
        "a deleted message",
        "whatsapp.message.received",
        _payload(
            _inbound("wamid.2", 1730092800, "")
            | {"type": "revoke", "revoke": {"original_message_id": "wamid.1"}}
        ),
        [Inbound(ONE, at(1730092800), SENDER, "wamid.1", kind=InboundKind.DELETION)],
    ),
    webhook_case(
        "an event that is not known",
        "whatsapp.coffee.brewed",
        {"phone_number_id": SENDER},
        [NotUnderstood("event whatsapp.coffee.brewed")],
    ),
    *(
        webhook_case(f"kind meta: {row.why}", "", json.loads(row.body), row.events)
        for row in (*META_WEBHOOKS, *META_INBOUND)
    ),
]

TEXT = MessageType.TEXT
UNSENDABLE = [
    Content(MessageType.AUDIO, None, (Media("https://example.com/a.ogg", voice=True),)),
    Content(MessageType.TEXT, "a", buttons=(Button("reply", "Yes"),), header="x" * 61),
    Content(MessageType.TEXT, "a", buttons=(Button("reply", "Yes"),), footer="x" * 61),
    Content(
        MessageType.TEMPLATE,
        template=Template("a", "en", header=TemplateHeader(image=Media(id="1037543291543636"))),
    ),
    Content(MessageType.TEMPLATE, template=Template("a", "en", header=TemplateHeader("Ada", "who"))),
    Content(TEXT, ""),
    Content(TEXT, "x" * 4097),
    Content(TEXT, "x", reply_to="wamid.1"),
    Content(TEXT, "https://example.com", preview_url=True),
    Content(TEXT, "x", buttons=(Button("link", "Shop", url="https://example.com"),)),
    Content(TEXT, "x", buttons=tuple(Button("reply", str(n), id=str(n)) for n in range(4))),
    Content(MessageType.IMAGE, "x", (Media("https://example.com/a.jpg"),), (Button("reply", "Yes", id="y"),)),
    Content(
        MessageType.IMAGE, None, (Media("https://example.com/a.jpg"), Media("https://example.com/b.jpg"))
    ),
    Content(MessageType.STICKER, None, (Media("https://example.com/a.webp"),)),
    Content(MessageType.FILES, None, (Media("https://example.com/a.pdf"),)),
    Content(MessageType.TEMPLATE, template=Template("sale", "en", (Parameter("Ada", name="first_name"),))),
    Content(MessageType.TEMPLATE, template=Template("sale", "en", buttons=(TemplateButton(0, "url", "x"),))),
    Content(
        MessageType.TEMPLATE,
        template=Template("sale", "en", header=TemplateHeader(location=Location(52.3, 4.9))),
    ),
]

TABLE = Table(
    name="kapso",
    account={
        "api": "legacy",
        "webhook_secret": SECRET_PLACE,
        "senders": [{"name": "shop", "whatsapp_config_id": CONFIG}],
    },
    sends=SENDS,
    reads=READS,
    statuses={
        "sent": JobState.SENT,
        "delivered": JobState.DELIVERED,
        "read": JobState.READ,
        "failed": JobState.FAILED,
    },
    unsendable=UNSENDABLE,
    webhooks=WEBHOOKS,
    examples=EXAMPLES,
    to=ONE,
)
