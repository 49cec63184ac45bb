"""Bird's message object, as it comes in answers, lists and webhooks, and the list of a channel's messages.

Read leniently: a field of another type than documented counts as missing. The list's parameters (`limit`,
`phonenumber`, `pageToken`) and its `results` and `nextPageToken` come from operators' code, not from the document.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from campaigns.errors import Unavailable
from campaigns.frozen import frozen
from providers.http.client import Answer, Http
from providers.values import first_text, first_text_or_number, moment, phone, table, tables

PAGE: Final = 50
MOST_PAGES: Final = 40
"""A person's messages on a channel fill few pages; a longer list was not filtered by person."""


@frozen
class Contact:
    id: str | None
    phone: str | None
    """E.164 with the plus, if the contact is identified by a number."""


@frozen
class Message:
    """One message in either direction. `contact` is the recipient or the sender."""

    id: str
    channel_id: str | None
    status: str
    reference: str | None
    reason: str | None
    code: str | None
    """The code of a failure: WhatsApp's, else Bird's."""
    contact: Contact
    user_id: str | None
    """WhatsApp's id of the person."""
    incoming: bool
    is_template: bool
    text: str | None
    payload: str | None
    """The payload of the button that the person pressed."""
    at: datetime | None
    """When its status was last changed."""
    created_at: datetime | None


def parse_message(value: Any) -> Message | None:
    """The message in a JSON value; None if there is none with an id."""
    message = _message(table(value))
    return message if message.id else None


def _message(fields: dict[str, Any]) -> Message:
    return Message(
        id=first_text(fields.get("id")) or "",
        channel_id=first_text(fields.get("channelId")),
        status=first_text(fields.get("status")) or "",
        reference=first_text(fields.get("reference")),
        reason=_reason(fields),
        code=_code(table(fields.get("failure"))),
        contact=_contact(fields),
        user_id=_user_id(fields),
        incoming=fields.get("direction") == "incoming" or bool(table(fields.get("sender")).get("contact")),
        is_template=bool(table(fields.get("template"))),
        text=_text(table(fields.get("body"))),
        payload=_payload(table(fields.get("body"))),
        at=moment(fields.get("lastStatusAt"), fields.get("updatedAt")),
        created_at=moment(fields.get("createdAt")),
    )


async def show_message(http: Http, path: str, message_id: str) -> Message:
    """Raises NotFound, Unavailable, AccountError."""
    message = parse_message((await http.get(f"{path}/{quote(message_id, safe='')}")).json())
    if message is None:
        raise Unavailable("Bird answered with something that is not a message.")
    return message


async def list_messages(http: Http, path: str, phone: str) -> AsyncGenerator[list[Message]]:
    """A channel's messages with one person, a page at a time, to the end; a message without an id has "".
    Raises Unavailable, AccountError."""
    token: str | None = None
    for _ in range(MOST_PAGES):
        more = [("pageToken", token)] if token else []
        answer = await http.get(path, [("limit", str(PAGE)), ("phonenumber", phone), *more])
        page, following = _page(answer)
        yield page
        if following is None:
            return
        if following == token:
            raise Unavailable("Bird repeated a page of its list, so the list cannot be read to its end.")
        token = following
    raise Unavailable("Bird's list of one person's messages is too long to be read to its end.")


def _page(answer: Answer) -> tuple[list[Message], str | None]:
    body = answer.json()
    results = table(body).get("results")
    if not isinstance(results, list):
        raise Unavailable("Bird answered with something that is not a list of messages.")
    return [_message(item) for item in tables(results)], first_text(table(body).get("nextPageToken"))


def _reason(fields: dict[str, Any]) -> str | None:
    described = first_text(table(fields.get("failure")).get("description"))
    return first_text(fields.get("reason")) or described or first_text(fields.get("details"))


def _code(failure: dict[str, Any]) -> str | None:
    """WhatsApp's code if the failure is WhatsApp's, else Bird's."""
    source = table(failure.get("source"))
    theirs, birds = first_text_or_number(source.get("code")), first_text_or_number(failure.get("code"))
    from_whatsapp = (first_text(source.get("name")) or "").startswith("whatsapp")
    return (theirs if from_whatsapp else None) or birds or theirs


def _contact(fields: dict[str, Any]) -> Contact:
    """An outgoing message has a list of contacts as its receiver, an incoming one a contact as its sender."""
    several = table(fields.get("receiver")).get("contacts")
    first = table(several[0]) if isinstance(several, list) and several else {}
    person = table(table(fields.get("sender")).get("contact")) or first
    return Contact(first_text(person.get("id")), phone(*_numbers(person)))


def _numbers(person: dict[str, Any]) -> Iterator[Any]:
    """What may be the person's number: the main identifier, the platform's address, then the other identifiers. Ids of
    other kinds may be digits too, and are not."""
    others = (each for name in ("identifiers", "featuredIdentifiers") for each in tables(person.get(name)))
    for given in (person, *others):
        key = first_text(given.get("identifierKey"), given.get("key"))
        value = first_text(given.get("identifierValue"), given.get("value"))
        if value and (key is None or "phone" in key.lower() or value.startswith("+")):
            yield value
    yield person.get("platformAddress")


def _user_id(fields: dict[str, Any]) -> str | None:
    """A contact without a number is identified by it."""
    person = table(table(fields.get("sender")).get("contact"))
    identified = person.get("identifierValue") if person.get("identifierKey") == "bsuid" else None
    return first_text(
        table(table(fields.get("meta")).get("extraInformation")).get("whatsappbsuid"), identified
    )


def _payload(body: dict[str, Any]) -> str | None:
    """Not documented for incoming messages; read as in the buttons that are sent."""
    kind = body.get("type")
    actions = tables(table(body.get(kind)).get("actions")) if isinstance(kind, str) else []
    return first_text(*(table(action.get("postback")).get("payload") for action in actions))


def _text(body: dict[str, Any]) -> str | None:
    """A text message's text, another kind's caption."""
    kind = body.get("type")
    return first_text(table(body.get(kind)).get("text")) if isinstance(kind, str) else None
