"""Bird's message object, as it comes in answers, lists and webhooks, and the list of a channel's messages.

Read leniently: a field of another type than documented is as good as missing. The list's parameters (`limit`,
`phonenumber`, `pageToken`) and its `results` and `nextPageToken` come from operators' code, not from the document.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from campaigns.errors import Unavailable
from providers.http import Answer, Http

PAGE: Final = 50
MOST_PAGES: Final = 40
"""A person's messages on a channel fill few pages; a list longer than this was not filtered."""

_PHONE: Final = re.compile(r"\+?([1-9][0-9]{6,14})")


@dataclass(frozen=True, slots=True)
class Contact:
    id: str | None
    phone: str | None
    """E.164 with the plus, where the contact is named by one."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message in either direction. `contact` is the person it went to or came from."""

    id: str
    channel_id: str | None
    status: str
    reference: str | None
    reason: str | None
    code: str | None
    """Of a failure: the platform's own code, else Bird's."""
    contact: Contact
    is_template: bool
    text: str | None
    at: datetime | None
    """When its status was last changed."""
    created_at: datetime | None


def parse_message(value: Any) -> Message | None:
    """The message in a JSON value, or None where there is none with an id."""
    fields = as_object(value)
    message_id = as_text(fields.get("id"))
    if message_id is None:
        return None
    return Message(
        id=message_id,
        channel_id=as_text(fields.get("channelId")),
        status=as_text(fields.get("status")) or "",
        reference=as_text(fields.get("reference")),
        reason=_reason(fields),
        code=_code(as_object(fields.get("failure"))),
        contact=_contact(fields),
        is_template=bool(as_object(fields.get("template"))),
        text=_text(as_object(fields.get("body"))),
        at=as_time(fields.get("lastStatusAt")) or as_time(fields.get("updatedAt")),
        created_at=as_time(fields.get("createdAt")),
    )


async def show_message(http: Http, path: str, message_id: str) -> Message:
    """Raises NotFound, Unavailable, AccountError."""
    message = parse_message((await http.get(f"{path}/{quote(message_id, safe='')}")).json())
    if message is None:
        raise Unavailable("Bird answered with something that is not a message.")
    return message


async def list_messages(http: Http, path: str, phone: str) -> AsyncGenerator[list[Message]]:
    """A channel's messages with one person, a page at a time, to the end. Raises Unavailable, AccountError."""
    token: str | None = None
    for _ in range(MOST_PAGES):
        more = [("pageToken", token)] if token else []
        answer = await http.get(path, [("limit", str(PAGE)), ("phonenumber", phone), *more])
        page, following = _page(answer)
        yield page
        if following is None:
            return
        if following == token:
            raise Unavailable("Bird repeated a page of its list, so its end cannot be seen.")
        token = following
    raise Unavailable("Bird's list of one person's messages is too long to be read to its end.")


def as_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_text(value: Any) -> str | None:
    """A text with something in it, or None."""
    return value if isinstance(value, str) and value else None


def as_time(value: Any) -> datetime | None:
    """An RFC 3339 time in UTC, or None where it makes no sense."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _page(answer: Answer) -> tuple[list[Message], str | None]:
    body = answer.json()
    results = as_object(body).get("results")
    if not isinstance(results, list):
        raise Unavailable("Bird answered with something that is not a list of messages.")
    found = [message for item in results if (message := parse_message(item)) is not None]
    return found, as_text(as_object(body).get("nextPageToken"))


def _reason(fields: dict[str, Any]) -> str | None:
    described = as_text(as_object(fields.get("failure")).get("description"))
    return as_text(fields.get("reason")) or described or as_text(fields.get("details"))


def _code(failure: dict[str, Any]) -> str | None:
    """WhatsApp's own code where the failure is WhatsApp's, else Bird's."""
    source = as_object(failure.get("source"))
    theirs, birds = _number(source.get("code")), _number(failure.get("code"))
    from_whatsapp = (as_text(source.get("name")) or "").startswith("whatsapp")
    return (theirs if from_whatsapp else None) or birds or theirs


def _number(value: Any) -> str | None:
    return str(value) if type(value) is int else as_text(value)


def _contact(fields: dict[str, Any]) -> Contact:
    """An outgoing message has a list of contacts as its receiver, an incoming one a contact as its sender."""
    several = as_object(fields.get("receiver")).get("contacts")
    first = as_object(several[0]) if isinstance(several, list) and several else {}
    person = as_object(as_object(fields.get("sender")).get("contact")) or first
    named = (person.get("identifierValue"), person.get("platformAddress"))
    return Contact(as_text(person.get("id")), next(filter(None, map(_phone, named)), None))


def _phone(value: Any) -> str | None:
    match = _PHONE.fullmatch(value) if isinstance(value, str) else None
    return f"+{match[1]}" if match else None


def _text(body: dict[str, Any]) -> str | None:
    """A text message's text, another kind's caption."""
    kind = body.get("type")
    return as_text(as_object(body.get(kind)).get("text")) if isinstance(kind, str) else None
