"""Our Voice: the requests and answers of its WhatsApp document, and of its error page as far as it goes.

The numbers of the document end in XXXX; here they are numbers that cannot belong to anybody.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from campaigns.message.content import Content, Media, MessageType
from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from tests.providers.contract import SECRET, Example, Reads, Sends, Table

SESSION = "a3f1b2c4-1234-4abc-9def-000011112222"
ONE, TWO, THREE = "+22996000001", "+22961000002", "+33639980003"
URL = "https://api.getourvoice.com/v1/whatsapp/messages"
HEADERS = {
    "authorization": f"Bearer {SECRET}",
    "content-type": "application/json",
    "accept": "application/json",
}
HELLO = Content(MessageType.TEXT, "Hello from Our Voice!")

MESSAGE: dict[str, Any] = {
    "id": "7f9e1234-abcd-4ef0-8765-aabbccddeeff",
    "whatsapp_session_id": SESSION,
    "campaign_id": "1498e4ff-3d09-4dba-bb7c-62851729f7ea",
    "from_number": "22997000000",
    "to_number": "22996000001",
    "type": "text",
    "content": "Hello from Our Voice!",
    "media_url": None,
    "status": "queued",
    "direction": "outgoing",
    "cost": 10,
    "sent_at": None,
    "delivered_at": None,
    "read_at": None,
    "created_at": "2024-01-15T10:45:00.000000Z",
    "updated_at": "2024-01-15T10:45:00.000000Z",
}


def message(**changes: Any) -> dict[str, Any]:
    return MESSAGE | changes


def taken(*messages: dict[str, Any]) -> dict[str, Any]:
    """The document's 201."""
    total = sum(item.get("cost") or 0 for item in messages)
    return {
        "success": True,
        "message": "Message queued for sending",
        "data": {
            "messages": list(messages),
            "count": len(messages),
            "total_cost": total,
            "new_balance": 4990,
            "remaining_messages": 499,
        },
    }


def cost(amount: str) -> Money:
    return Money(Decimal(amount), "XXX")


def refused(kind: FailureKind, status: int, text: str, retry_after: float | None = None) -> Refused:
    return Refused(kind, str(status), text, retry_after)


FIRST = Accepted("7f9e1234-abcd-4ef0-8765-aabbccddeeff", JobState.ACCEPTED, cost("10"))
UNMENTIONED = refused(FailureKind.UNKNOWN, 201, "The answer does not mention this recipient.")
NO_MESSAGE = refused(FailureKind.UNKNOWN, 201, "The answer lists no message.")


def _media(kind: MessageType, name: str, caption: str | None) -> Sends:
    body = {
        "whatsapp_session_id": SESSION,
        "to_number": ["22996000001"],
        "type": kind.value,
        "media_url": f"https://example.com/{name}",
    }
    if caption is not None:
        body["content"] = caption
    content = Content(kind, caption, (Media(f"https://example.com/{name}"),))
    return Sends(f"{kind}, caption {caption!r}", (ONE,), content, "POST", URL, HEADERS, body)


SENDS = [
    Sends(
        "the document's text",
        (ONE,),
        HELLO,
        "POST",
        URL,
        HEADERS,
        {
            "whatsapp_session_id": SESSION,
            "to_number": ["22996000001"],
            "type": "text",
            "content": "Hello from Our Voice!",
        },
    ),
    Sends(
        "the document's image to two, with delay_between",
        (ONE, TWO),
        Content(MessageType.IMAGE, "Check out this photo!", (Media("https://example.com/image.jpg"),)),
        "POST",
        URL,
        HEADERS,
        {
            "whatsapp_session_id": SESSION,
            "to_number": ["22996000001", "22961000002"],
            "type": "image",
            "media_url": "https://example.com/image.jpg",
            "content": "Check out this photo!",
            "delay_between": 1000,
        },
        gap_ms=1000,
    ),
    _media(MessageType.IMAGE, "a.png", None),
    _media(MessageType.VIDEO, "a.mp4", "See how"),
    _media(MessageType.AUDIO, "a.ogg", None),
    _media(MessageType.DOCUMENT, "prix-été.pdf", "Prix d’été 🌞"),
]


def _refusals(kind: FailureKind, status: int, *texts: str) -> list[Reads]:
    return [
        Reads(
            f"{status}: {text}",
            status,
            {"success": False, "message": text},
            [refused(kind, status, text)],
            (ONE,),
        )
        for text in texts
    ]


READS = [
    Reads("the document's 201", 201, taken(MESSAGE), [FIRST], (ONE,)),
    Reads(
        "each recipient gets its own message, whatever the order",
        201,
        taken(message(id="b", to_number="22961000002", cost=12.5), MESSAGE),
        [FIRST, Accepted("b", JobState.ACCEPTED, cost("12.5"))],
        (ONE, TWO),
    ),
    Reads("a recipient that is missing is in doubt", 201, taken(MESSAGE), [FIRST, UNMENTIONED], (ONE, TWO)),
    Reads(
        "a stranger and a repetition are nobody's",
        201,
        taken(message(id="x", to_number="447700900123"), MESSAGE, MESSAGE),
        [FIRST, UNMENTIONED],
        (ONE, TWO),
    ),
    Reads(
        "to_number as the property table has it: a list",
        201,
        taken(message(to_number=["22996000001"])),
        [FIRST],
        (ONE,),
    ),
    Reads(
        "to_number with a plus and blanks", 201, taken(message(to_number="+229 96 00 00 01")), [FIRST], (ONE,)
    ),
    Reads(
        "to_number rewritten to the new numbering",
        201,
        taken(message(to_number="2290196000001")),
        [FIRST],
        (ONE,),
    ),
    Reads(
        "sent at once",
        201,
        taken(message(status="sent")),
        [Accepted(FIRST.message_id, JobState.SENT, cost("10"))],
        (ONE,),
    ),
    Reads("scheduled", 201, taken(message(status="scheduled")), [FIRST], (ONE,)),
    Reads(
        "failed at once: taken, the poll brings the reason",
        201,
        taken(message(status="failed")),
        [FIRST],
        (ONE,),
    ),
    Reads("a word we do not know: taken", 201, taken(message(status="pondering")), [FIRST], (ONE,)),
    Reads(
        "no cost is unpriced, not free", 201, taken(message(cost=None)), [Accepted(FIRST.message_id)], (ONE,)
    ),
    Reads(
        "a cost of nothing is a price",
        201,
        taken(message(cost=0)),
        [Accepted(FIRST.message_id, JobState.ACCEPTED, cost("0"))],
        (ONE,),
    ),
    Reads("a message without an id", 201, taken(message(id=None)), [NO_MESSAGE], (ONE,)),
    Reads("an empty list", 201, taken(), [NO_MESSAGE, NO_MESSAGE], (ONE, TWO)),
    Reads("not JSON", 201, b"<html>queued</html>", [NO_MESSAGE], (ONE,)),
    Reads("half of a JSON", 201, b'{"success": true, "data": {"mess', [NO_MESSAGE], (ONE,)),
    Reads("an empty body", 201, b"", [NO_MESSAGE], (ONE,)),
    Reads(
        "a partial success under an error status",
        422,
        taken(MESSAGE),
        [FIRST, refused(FailureKind.UNKNOWN, 422, "The answer does not mention this recipient.")],
        (ONE, TWO),
    ),
    Reads(
        "an error with an id of its own is no message",
        422,
        {"id": "err_1", "message": "The to_number.0 field is invalid."},
        [refused(FailureKind.MESSAGE, 422, "The to_number.0 field is invalid.")],
        (ONE,),
    ),
    *_refusals(FailureKind.MESSAGE, 422, "The to_number.0 field is not a valid number."),
    *_refusals(FailureKind.MESSAGE, 400, "Bad request."),
    *_refusals(
        FailureKind.LANE,
        422,
        "The WhatsApp session is not connected.",
        "The selected whatsapp_session_id is invalid.",
    ),
    *_refusals(FailureKind.LANE, 404, "WhatsApp session not found.", "Not found."),
    *_refusals(FailureKind.CAMPAIGN, 422, "Insufficient balance."),
    *_refusals(FailureKind.CAMPAIGN, 400, "Your balance is too low, please top up."),
    *_refusals(FailureKind.CAMPAIGN, 402, "Payment required."),
    *_refusals(FailureKind.CAMPAIGN, 401, "Unauthenticated."),
    *_refusals(FailureKind.CAMPAIGN, 403, "This action is unauthorized."),
    *_refusals(FailureKind.CAMPAIGN, 405, "Method not allowed."),
    *_refusals(FailureKind.UNKNOWN, 500, "Server Error", "The WhatsApp session is not connected."),
    *_refusals(FailureKind.UNKNOWN, 503, "Service Unavailable"),
    Reads(
        "a batch refused as a whole is split",
        422,
        {"message": "Invalid.", "errors": {"to_number.1": ["The to_number.1 field is invalid."]}},
        [refused(FailureKind.SPLIT, 422, "Invalid.; to_number.1: The to_number.1 field is invalid.")] * 3,
        (ONE, TWO, THREE),
    ),
    Reads(
        "a batch refused for its session is not",
        422,
        {"message": "The WhatsApp session is not connected."},
        [refused(FailureKind.LANE, 422, "The WhatsApp session is not connected.")] * 2,
        (ONE, TWO),
    ),
    Reads(
        "throttled, in seconds",
        429,
        {"message": "Too Many Attempts."},
        [refused(FailureKind.THROTTLED, 429, "Too Many Attempts.", 7.0)],
        (ONE,),
        {"Retry-After": "7"},
    ),
    Reads(
        "throttled, until a date",
        429,
        {"message": "Too Many Attempts."},
        [refused(FailureKind.THROTTLED, 429, "Too Many Attempts.", 90.0)],
        (ONE,),
        {"Retry-After": "Mon, 15 Jan 2024 10:46:30 GMT", "Date": "Mon, 15 Jan 2024 10:45:00 GMT"},
    ),
    Reads(
        "throttled, without a time",
        429,
        b"",
        [refused(FailureKind.THROTTLED, 429, "")],
        (ONE,),
    ),
    Reads(
        "a no in a 2xx is believed where it says why",
        200,
        {"success": False, "message": "The WhatsApp session is not connected."},
        [refused(FailureKind.LANE, 200, "The WhatsApp session is not connected.")],
        (ONE,),
    ),
    Reads(
        "and is doubt where it does not",
        200,
        {"success": False, "message": "Something happened."},
        [refused(FailureKind.UNKNOWN, 200, "Something happened.")],
        (ONE,),
    ),
    Reads(
        "a redirect means a wrong base_url",
        301,
        b"",
        [refused(FailureKind.CAMPAIGN, 301, "The provider answers with a redirect: check base_url.")],
        (ONE,),
    ),
]

EXAMPLES = [
    Example(
        "Our Voice: WhatsApp",
        "Send a new message: Request",
        'text = "Hello from Our Voice!"',
        {
            "whatsapp_session_id": SESSION,
            "to_number": ["22996000001"],
            "type": "text",
            "content": "Hello from Our Voice!",
        },
    ),
    Example(
        "Our Voice: WhatsApp",
        "Send a new message: Example, send an image",
        'images = [{ url = "https://example.com/image.jpg" }]\ntext = "Check out this photo!"',
        {
            "whatsapp_session_id": SESSION,
            "to_number": ["22996000001", "22961000002"],
            "type": "image",
            "media_url": "https://example.com/image.jpg",
            "content": "Check out this photo!",
            "delay_between": 1000,
        },
        to=(ONE, TWO),
        pace="delay_between = 1000",
    ),
]

TABLE = Table(
    name="ourvoice",
    account={"senders": [{"name": "shop", "session_id": SESSION}]},
    sends=SENDS,
    reads=READS,
    statuses={
        "queued": JobState.ACCEPTED,
        "scheduled": JobState.ACCEPTED,
        "sent": JobState.SENT,
        "delivered": JobState.DELIVERED,
        "read": JobState.READ,
        "failed": JobState.FAILED,
    },
    unsendable=[
        Content(MessageType.TEXT, ""),
        Content(MessageType.IMAGE, "a caption and nothing else"),
        Content(MessageType.IMAGE, "uploaded", (Media(id="1"),)),
        Content(MessageType.AUDIO, "a caption", (Media("https://example.com/a.ogg"),)),
    ],
    examples=EXAMPLES,
    to=ONE,
)
