"""The answer examples of the documents, whole, and what each is read as."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from campaigns.message.content import Content, MessageType
from campaigns.money.costs import Money
from campaigns.outcomes import Accepted
from campaigns.states import JobState
from providers.adapter import Session
from providers.http.client import Http
from providers.messaging_api.conversations import Conversation, list_conversations, messages_of
from tests.providers.cases.bird import ACCEPTED as BIRD_MESSAGE
from tests.providers.cases.bird_webhooks import INBOUND, TO
from tests.providers.cases.kapso import SEED_ANSWER
from tests.providers.cases.messaging_api import MESSAGE, sent
from tests.providers.cases.messaging_api import TO as CUSTOMER
from tests.providers.cases.ourvoice import MESSAGE as QUEUED
from tests.providers.cases.ourvoice import SESSION, taken
from tests.providers.contract import Table

Ask = Callable[[Table, Http], Awaitable[Any]]


@dataclass(frozen=True)
class Answered:
    """An answer example, the question that it answers and what is understood."""

    document: str
    heading: str
    provider: str
    status: int
    json: Any
    ask: Ask
    means: Any
    first: Mapping[str, Any] = field(default_factory=dict)
    """What other calls of the same question are answered, by the end of their path."""


async def send(table: Table, http: Http) -> Any:
    """The results of a text to the table's recipient."""
    adapter, call = table.adapter(), table.call((table.to,), Content(MessageType.TEXT, "Hello"))
    return adapter.read(await http.exchange(adapter.build(call)), call)


async def window(table: Table, http: Http) -> Any:
    return await table.adapter().window(http, table.settings().senders[0], table.to)


async def create_session(table: Table, http: Http) -> Any:
    sessions = table.adapter().sessions
    assert sessions is not None
    return await sessions.create(http)


async def qr_code(table: Table, http: Http) -> Any:
    sessions = table.adapter().sessions
    assert sessions is not None
    return await sessions.qr_code(http, SESSION)


async def conversations(_: Table, http: Http) -> Any:
    return await list_conversations(http)


async def our_messages(_: Table, http: Http) -> Any:
    return await messages_of(http, "cv1a2b3c-...")


BIRD, KAPSO = "Bird: Sending messages", "Kapso: Send a new WhatsApp message"
OURVOICE, MESSAGING = "Our Voice: WhatsApp", "Messaging API: Messaging"
QR: Final = "data:image/png;base64,iVBORw0KGgoAAAANS..."
CREATED_SESSION: Final = {
    "id": SESSION,
    "account_id": "43c98bbc-2f78-466b-9b94-b154a1b380ec",
    "session_id": f"session_{SESSION}",
    "phone_number": None,
    "display_name": f"session_{SESSION}",
    "status": "pending",
    "last_seen_at": "2024-01-15T10:30:00.000000Z",
    "created_at": "2024-01-15T10:30:00.000000Z",
    "updated_at": "2024-01-15T10:30:00.000000Z",
}
LISTED: Final = {
    "id": "cv1a2b3c-...",
    "businessId": "b1a2c3d4-...",
    "customerPhone": CUSTOMER,
    "customerName": "Ada Lovelace",
    "status": "open",
    "mode": "ai",
    "unreadCount": 1,
    "lastInboundAt": "2026-01-15T09:58:00.000Z",
    "lastOutboundAt": "2026-01-15T09:59:00.000Z",
}
RECEIVED: Final = {
    "id": "m1a2b3c4-...",
    "direction": "inbound",
    "messageType": "text",
    "text": "Is my order shipped?",
    "deliveryStatus": "delivered",
    "createdAt": "2026-01-15T09:58:00.000Z",
}
WHOLE: Final = {
    "id": "cv1a2b3c-...",
    "customerPhone": CUSTOMER,
    "customerName": "Ada Lovelace",
    "status": "open",
    "messages": [RECEIVED],
}
FROM_US: Final = {"sender": {"contact": {"id": "c-1", "identifierKey": "phonenumber", "identifierValue": TO}}}

ANSWERS: Final = (
    Answered(
        BIRD, "Send a message: Response", "bird", 202, BIRD_MESSAGE, send, [Accepted(BIRD_MESSAGE["id"])]
    ),
    Answered(
        BIRD,
        "Get channel details for a contact: Response",
        "bird",
        200,
        {"serviceWindowExpireAt": "2024-04-24T14:45:09.682Z", "isPermanentSession": False},
        window,
        datetime(2024, 4, 24, 14, 45, 9, 682000, tzinfo=UTC),
        first={"/messages": {"results": [INBOUND | FROM_US]}},
    ),
    Answered(KAPSO, "Response", "kapso", 201, SEED_ANSWER, send, [Accepted("<string>")]),
    Answered(
        OURVOICE,
        "Create a new session: Response (201)",
        "ourvoice",
        201,
        {"success": True, "session": CREATED_SESSION, "qr_code": QR},
        create_session,
        Session(
            SESSION,
            "pending",
            display_name=f"session_{SESSION}",
            last_seen_at=datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
            qr_code=QR,
        ),
    ),
    Answered(
        OURVOICE,
        "Get the QR code of a session: Response (200)",
        "ourvoice",
        200,
        {"success": True, "qr_code": QR},
        qr_code,
        QR,
    ),
    Answered(
        OURVOICE,
        "Send a new message: Response (201), text",
        "ourvoice",
        201,
        taken(QUEUED),
        send,
        [Accepted(QUEUED["id"], JobState.ACCEPTED, Money(Decimal(10), "XXX"))],
    ),
    Answered(
        MESSAGING,
        "List conversations",
        "messaging_api",
        200,
        {"message": "Conversations retrieved", "data": [LISTED]},
        conversations,
        [
            Conversation(
                "cv1a2b3c-...",
                CUSTOMER,
                datetime(2026, 1, 15, 9, 58, tzinfo=UTC),
                datetime(2026, 1, 15, 9, 59, tzinfo=UTC),
            )
        ],
    ),
    Answered(
        MESSAGING,
        "Get a conversation",
        "messaging_api",
        200,
        {"message": "Conversation retrieved", "data": WHOLE},
        our_messages,
        [],  # its one message is the customer's
    ),
    Answered(
        MESSAGING,
        "Send a text message",
        "messaging_api",
        201,
        sent(),
        send,
        [Accepted(MESSAGE["id"], JobState.SENT)],
    ),
)
