"""Our Voice's WhatsApp resources as its document defines them: messages and sessions.

The document shows no answers to lists, calls by id and most session calls, so they are read leniently:
the items may be the body, or under `data`, `messages`, `message`, `sessions` or `session`.
Paging is not documented either beyond `limit`: we send `page`, and stop at a short or repeated page.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import quote

from campaigns.errors import Unavailable
from campaigns.frozen import frozen
from campaigns.untrusted import read_amount
from providers.adapter import Session
from providers.http.client import Answer, Http
from providers.values import first_text_or_number, moment

Item = TypeVar("Item")

MESSAGES: Final = "/v1/whatsapp/messages"
SESSIONS: Final = "/v1/whatsapp/sessions"
PAGE: Final = 100
DEFAULT_PAGE: Final = 10
"""The documented default of `limit`. A page shorter than this is the last, whatever the server's limit is."""

_NOT_DIGITS: Final = re.compile(r"[^0-9]+")


class CannotPage(Unavailable):
    """Our Voice repeated a page of its list, so the list cannot be read to its end."""


@frozen
class Message:
    """One message. `to_number` is a list in the document's property table, a string in its example."""

    id: str
    session_id: str | None
    campaign_id: str | None
    otp_id: str | None
    provider_message_id: str | None
    from_number: str | None
    to_number: str
    type: str | None
    content: str | None
    media_url: str | None
    status: str
    direction: str | None
    reason: str | None
    cost: Decimal | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


@frozen
class MessageFilter:
    """The filters of the message list; None: not filtered."""

    to_numbers: Sequence[str] = ()
    from_number: str | None = None
    status: str | None = None
    direction: str | None = None
    type: str | None = None
    session_id: str | None = None
    time_from: datetime | None = None
    time_to: datetime | None = None

    def params(self) -> list[tuple[str, str]]:
        named = {
            "filter[from_number]": self.from_number and digits(self.from_number),
            "filter[status]": self.status,
            "filter[direction]": self.direction,
            "filter[type]": self.type,
            "session_id": self.session_id,
            "time_from": self.time_from and _write_time(self.time_from),
            "time_to": self.time_to and _write_time(self.time_to),
        }
        numbers = [("filter[to_number][]", digits(number)) for number in self.to_numbers]
        return numbers + [(name, value) for name, value in named.items() if value]


def list_messages(http: Http, wanted: MessageFilter, limit: int = PAGE) -> AsyncGenerator[list[Message]]:
    """The account's messages, a page at a time, none twice; a message without an id has "".

    Raises Unavailable, AccountError, CannotPage."""
    return _pages(http, MESSAGES, wanted, limit)


async def show_message(http: Http, message_id: str) -> Message:
    """Raises NotFound, Unavailable, AccountError."""
    answer = await http.get(f"{MESSAGES}/{_segment(message_id)}")
    return _only(messages_in(answer.json()), "message")


class Sessions:
    """The account's sessions. All raise Unavailable, AccountError, and NotFound for an unknown id."""

    async def create(self, http: Http) -> Session:
        """A new session in status `pending`, with the QR code that a phone must scan."""
        return _session(await http.call("POST", SESSIONS))

    async def list_all(self, http: Http) -> list[Session]:
        answer = await http.get(SESSIONS)
        found = items_in(answer.json(), "sessions", "session")
        if found is None:
            raise Unavailable("Our Voice answered with something that is not a list of sessions.")
        return [parse_session(item) for item in found]

    async def show(self, http: Http, session_id: str) -> Session:
        return _session(await http.get(_session_path(session_id)))

    async def qr_code(self, http: Http, session_id: str) -> str:
        """A `data:image/png;base64,` URI; available only while the session is `pending`."""
        code = _qr_in((await http.get(_session_path(session_id) + "/qr-code")).json())
        if code is None:
            raise Unavailable(
                "Our Voice gave no QR code.", hint="A session has a QR code only while it is pending."
            )
        return code

    async def disconnect(self, http: Http, session_id: str) -> Session:
        await http.call("PATCH", _session_path(session_id) + "/disconnect")
        return await self.show(http, session_id)

    async def reconnect(self, http: Http, session_id: str) -> Session:
        await http.call("PATCH", _session_path(session_id) + "/reconnect")
        return await self.show(http, session_id)

    async def delete(self, http: Http, session_id: str) -> None:
        await http.call("DELETE", _session_path(session_id))


def messages_in(body: Any) -> list[Message] | None:
    """The messages in an answer's body, without those that have no id; None if it holds no messages."""
    found = _listed_in(body)
    return None if found is None else [message for message in found if message.id]


def _listed_in(body: Any) -> list[Message] | None:
    """The same including messages without an id: a list with such messages does not prove another one absent."""
    found = items_in(body, "messages", "message")
    return None if found is None else [parse_message(item) for item in found]


def items_in(body: Any, plural: str, singular: str) -> list[dict[str, Any]] | None:
    """The objects of a kind in a body of any format described above; None for any other body."""
    while isinstance(body, dict) and "id" not in body:
        inner = (body[key] for key in (plural, "data", singular) if isinstance(body.get(key), dict | list))
        body = next(inner, None)
    if isinstance(body, dict):
        return [body]
    return [item for item in body if isinstance(item, dict)] if isinstance(body, list) else None


def parse_message(item: dict[str, Any]) -> Message:
    to = item.get("to_number")
    return Message(
        id=str(item.get("id") or ""),
        session_id=first_text_or_number(item.get("whatsapp_session_id")),
        campaign_id=first_text_or_number(item.get("campaign_id")),
        otp_id=first_text_or_number(item.get("otp_id")),
        provider_message_id=first_text_or_number(item.get("provider_message_id")),
        from_number=first_text_or_number(item.get("from_number")),
        to_number=digits(str(to[0] if isinstance(to, list) and to else to or "")),
        type=first_text_or_number(item.get("type")),
        content=first_text_or_number(item.get("content")),
        media_url=first_text_or_number(item.get("media_url")),
        status=first_text_or_number(item.get("status")) or "",
        direction=first_text_or_number(item.get("direction")),
        reason=first_text_or_number(item.get("reason")),
        cost=read_amount(item.get("cost")),
        sent_at=moment(item.get("sent_at")),
        delivered_at=moment(item.get("delivered_at")),
        read_at=moment(item.get("read_at")),
        created_at=moment(item.get("created_at")),
        updated_at=moment(item.get("updated_at")),
    )


def parse_session(item: dict[str, Any]) -> Session:
    return Session(
        id=str(item.get("id") or ""),
        status=first_text_or_number(item.get("status")) or "unknown",
        phone_number=first_text_or_number(item.get("phone_number")),
        display_name=first_text_or_number(item.get("display_name")),
        reason=first_text_or_number(item.get("reason")),
        last_seen_at=moment(item.get("last_seen_at")),
    )


def digits(number: str) -> str:
    """A number in Our Voice's format: `2290196000001`, no plus."""
    return _NOT_DIGITS.sub("", number)


async def _pages(http: Http, path: str, wanted: MessageFilter, limit: int) -> AsyncGenerator[list[Message]]:
    seen: set[str] = set()
    page = 1
    while True:
        paging = [("limit", str(limit)), ("page", str(page))]
        found = _listed_in((await http.get(path, wanted.params() + paging)).json())
        if found is None:
            raise Unavailable("Our Voice answered with something that is not a list of messages.")
        fresh = [message for message in found if message.id not in seen]
        if found and not fresh:
            raise CannotPage
        if fresh:
            yield fresh
        if not fresh or len(found) < DEFAULT_PAGE:
            return
        seen.update(message.id for message in fresh)
        page += 1


def _session(answer: Answer) -> Session:
    body = answer.json()
    session = parse_session(_only(items_in(body, "sessions", "session"), "session"))
    return replace(session, qr_code=_qr_in(body))


def _qr_in(body: Any) -> str | None:
    if not isinstance(body, dict):
        return None
    return (
        first_text_or_number(body.get("qr_code")) or _qr_in(body.get("data")) or _qr_in(body.get("session"))
    )


def _only(found: list[Item] | None, what: str) -> Item:
    if not found:
        raise Unavailable(f"Our Voice answered with something that is not a {what}.")
    return found[0]


def _session_path(session_id: str) -> str:
    return f"{SESSIONS}/{_segment(session_id)}"


def _segment(value: str) -> str:
    return quote(value, safe="")


def _write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
