"""The Messaging API's conversations and their messages, as returned by its GET calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from campaigns.errors import NotFound, Unavailable
from campaigns.frozen import frozen
from campaigns.phones.spellings import canonical, spellings
from providers.http.client import Http
from providers.values import first_text, moment, phone, table

CONVERSATIONS: Final = "/v1/messaging/conversations"


@frozen
class Conversation:
    id: str
    phone: str | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None


@frozen
class Message:
    id: str
    status: str
    created_at: datetime | None


async def list_conversations(http: Http, search: str | None = None) -> list[Conversation]:
    """Most recently active first. Raises Unavailable, AccountError."""
    answer = await http.get(CONVERSATIONS, [("search", search)] if search else [])
    found = _data(answer.json())
    if not isinstance(found, list):
        raise Unavailable("The Messaging API answered with something that is not a list of conversations.")
    return [each for each in map(_conversation, found) if each is not None]


async def conversation_with(http: Http, number: str) -> Conversation | None:
    """The most recent with exactly this number, E.164: the search also finds parts of numbers and names."""
    for spelling in spellings(number):
        for each in await list_conversations(http, search=spelling):
            if each.phone == canonical(number):
                return each
    return None


async def messages_of(http: Http, conversation_id: str) -> list[Message]:
    """A conversation's newest messages, newest first; none if it no longer exists. Raises Unavailable, AccountError."""
    try:
        data = _data((await http.get(f"{CONVERSATIONS}/{quote(conversation_id, safe='')}")).json())
    except NotFound:
        return []
    messages = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(messages, list):
        raise Unavailable("The Messaging API answered with something that is not a conversation.")
    return [each for each in map(parse_message, messages) if each is not None]


def parse_message(item: Any) -> Message | None:
    """A message of any of the answers; None if it has no id or came from the customer."""
    if not isinstance(item, dict) or item.get("direction") == "inbound":
        return None
    message_id = first_text(item.get("id"))
    if message_id is None:
        return None
    return Message(message_id, first_text(item.get("deliveryStatus")) or "", moment(item.get("createdAt")))


def _conversation(item: Any) -> Conversation | None:
    fields = table(item)
    conversation_id = first_text(fields.get("id"))
    if conversation_id is None:
        return None
    return Conversation(
        conversation_id,
        phone(fields.get("customerPhone")),
        moment(fields.get("lastInboundAt")),
        moment(fields.get("lastOutboundAt")),
    )


def _data(body: Any) -> Any:
    return body.get("data") if isinstance(body, dict) else None
