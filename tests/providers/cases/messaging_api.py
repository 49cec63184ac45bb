"""The Messaging API: the requests and answers of its one page.

The page's phone number could belong to somebody; here it is one kept free for fiction. Its ids end in dots, as there.
Error bodies are not on the page: `{"message": …}` is the reading taken.
"""

from __future__ import annotations

from typing import Any

from campaigns.message.content import (
    Button,
    Content,
    Media,
    MessageType,
    Parameter,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from tests.providers.contract import SECRET, Example, Reads, Sends, Table

BASE = "https://inbox.example/api"
NUMBER_ID, CONVERSATION = "wn1a2b3c-...", "cv1a2b3c-..."
TO = "+447700900123"
TEXT_URL = f"{BASE}/v1/messaging/conversations/{CONVERSATION}/messages"
TEMPLATE_URL = f"{BASE}/v1/messaging/messages/template"
HEADERS = {
    "authorization": f"Bearer {SECRET}",
    "content-type": "application/json",
    "accept": "application/json",
}
SHIPPED = "Your order #1234 shipped today and arrives Friday."
TEXT_EXAMPLE = {"text": SHIPPED}
TEMPLATE_EXAMPLE = {
    "business_whatsapp_number_id": NUMBER_ID,
    "phone": TO,
    "template_key": "order_shipped",
    "customer_name": "Ada Lovelace",
    "variables": {"order_id": "1234", "eta": "Friday"},
}
ORDER = Template(
    "order_shipped",
    "en",
    (Parameter("1234", "order_id"), Parameter("Friday", "eta")),
    customer_name="Ada Lovelace",
)
KEY = {"references": ("run7.41",)}
KEYED = {**HEADERS, "idempotency-key": "run7.41"}


def template(**changes: Any) -> Content:
    return Content(MessageType.TEMPLATE, template=Template("order_shipped", "en", **changes))


SENDS = [
    Sends(
        "Send a text message",
        (TO,),
        Content(MessageType.TEXT, SHIPPED),
        "POST",
        TEXT_URL,
        KEYED,
        TEXT_EXAMPLE,
        more=KEY,
    ),
    Sends(
        "Send a template",
        (TO,),
        Content(MessageType.TEMPLATE, template=ORDER),
        "POST",
        TEMPLATE_URL,
        {**HEADERS, "idempotency-key": "run7.41.template"},
        TEMPLATE_EXAMPLE,
        more=KEY,
    ),
    Sends(
        "only what is required",
        (TO,),
        template(),
        "POST",
        TEMPLATE_URL,
        HEADERS,
        {"business_whatsapp_number_id": NUMBER_ID, "phone": TO, "template_key": "order_shipped"},
    ),
    Sends(
        "a conversation's id with a slash stays one step of the path",
        (TO,),
        Content(MessageType.TEXT, "é" * 4096),
        "POST",
        f"{BASE}/v1/messaging/conversations/cv%2F1%3F/messages",
        HEADERS,
        {"text": "é" * 4096},
        more={"conversations": ("cv/1?",)},
    ),
]

MESSAGE = {
    "id": "m2a2b3c4-...",
    "conversationId": CONVERSATION,
    "direction": "outbound",
    "messageType": "text",
    "text": SHIPPED,
    "deliveryStatus": "sent",
    "createdAt": "2026-01-15T10:01:00.000Z",
}


def sent(**changes: Any) -> dict[str, Any]:
    return {"message": "Message sent", "data": MESSAGE | changes}


def reads(why: str, status: int, body: Any, result: Result, **headers: str) -> Reads:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reads(why, status, body, [result], (TO,), named)


def refused(status: int, text: str, kind: FailureKind, after: float | None = None, **headers: str) -> Reads:
    result = Refused(kind, str(status), text, after)
    return reads(f"{status}: {text}", status, {"message": text}, result, **headers)


TAKEN = Accepted("m2a2b3c4-...", JobState.SENT)
NO_ID = Refused(FailureKind.UNKNOWN, "201", "The answer has no message id.")

READS = [
    reads("the page's 201", 201, sent(), TAKEN),
    reads("the created template message", 201, sent(messageType="template", text=None), TAKEN),
    reads("a 200 says the same", 200, sent(), TAKEN),
    reads(
        "delivered at once",
        201,
        sent(deliveryStatus="delivered"),
        Accepted(TAKEN.message_id, JobState.DELIVERED),
    ),
    reads("failed at once: the poll tells", 201, sent(deliveryStatus="failed"), Accepted(TAKEN.message_id)),
    reads("a word that we do not know", 201, sent(deliveryStatus="pondering"), Accepted(TAKEN.message_id)),
    reads("no id", 201, sent(id=None), NO_ID),
    reads("no data", 201, {"message": "Message sent"}, NO_ID),
    reads("not JSON", 201, b"<html>", NO_ID),
    reads("a key that was used, with its message", 409, sent(), TAKEN),
    refused(409, "This Idempotency-Key was used.", FailureKind.UNKNOWN),
    refused(400, "text must be 1 to 4096 characters", FailureKind.MESSAGE),
    refused(400, "Outside the 24-hour customer service window; send a template.", FailureKind.USE_TEMPLATE),
    refused(422, "The customer service window is closed.", FailureKind.USE_TEMPLATE),
    refused(404, "Conversation not found", FailureKind.USE_TEMPLATE),
    refused(422, "The customer has opted out.", FailureKind.OPTED_OUT),
    refused(422, "This WhatsApp number is not connected.", FailureKind.LANE),
    refused(402, "Payment required", FailureKind.CAMPAIGN),
    refused(402, "No.", FailureKind.CAMPAIGN),
    refused(401, "Unauthorized", FailureKind.CAMPAIGN),
    refused(403, "Missing scope messaging:messages:send", FailureKind.CAMPAIGN),
    refused(405, "Method not allowed", FailureKind.CAMPAIGN),
    refused(413, "Too large", FailureKind.MESSAGE),
    refused(422, "No.", FailureKind.MESSAGE),
    refused(429, "Slow down", FailureKind.THROTTLED, 5.0, Retry_After="5"),
    refused(500, "Server error", FailureKind.UNKNOWN),
]

EXAMPLES = [
    Example("Messaging API: Messaging", "Send a text message", f'text = "{SHIPPED}"', TEXT_EXAMPLE),
    Example(
        "Messaging API: Messaging",
        "Send a template",
        """
        [template]
        key = "order_shipped"
        customer_name = "{{ name }}"
        parameters = { order_id = "{{ order }}", eta = "Friday" }
        """,
        TEMPLATE_EXAMPLE,
        vars={"name": "Ada Lovelace", "order": "1234"},
        template=True,
    ),
]

UNSENDABLE = [
    Content(MessageType.TEXT, ""),
    Content(MessageType.TEXT, "x" * 4097),
    Content(MessageType.TEXT, "Hello", buttons=(Button("reply", "Yes", id="1"),)),
    Content(MessageType.TEXT, "Hello", preview_url=True),
    Content(MessageType.TEXT, "Hello", reply_to="m1"),
    Content(MessageType.IMAGE, None, (Media("https://example.com/a.png"),)),
    Content(MessageType.LOCATION),
    Content(MessageType.TEMPLATE),
    template(parameters=(Parameter("1234"),)),
    template(header=TemplateHeader(text="Hi")),
    template(buttons=(TemplateButton(0, "url", "1"),)),
    template(project_id="p", version="v"),
]

TABLE = Table(
    name="messaging_api",
    account={
        "base_url": BASE,
        "senders": [{"name": "shop", "business_whatsapp_number_id": NUMBER_ID}],
    },
    sends=SENDS,
    reads=READS,
    statuses={"sent": JobState.SENT, "delivered": JobState.DELIVERED},
    unsendable=UNSENDABLE,
    examples=EXAMPLES,
    to=TO,
    prepared={"conversations": (CONVERSATION,)},
)
