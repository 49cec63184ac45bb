"""What people did, in Meta's webhooks: wrote, pressed, edited, deleted, called, or changed their number.

{"from", "from_user_id", "id", "timestamp", "type": "text", "text": {"body"}, "context": {"id"}, "group_id"?}
{…, "type": "edit", "edit": {"original_message_id", "message": {"type": "text", "text": {"body"}}}}
{…, "type": "revoke", "revoke": {"original_message_id"}}
{"from", "id", "timestamp", "type": "system", "system": {"type": "user_changed_number", "wa_id", "user_id",
  "previous_user_id"}}
A call: {"id", "from", "to", "event": "connect", "direction": "USER_INITIATED", "timestamp", "session": {"sdp_type"}}
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from providers.events import Event, Inbound, InboundKind, NotUnderstood, NumberChange
from providers.meta.people import answered_by, payload_of, text_of, user_id_of
from providers.values import first_text, moment, phone, table

CHANGES: Final = ("user_changed_number", "customer_changed_number", "user_changed_user_id")
IDENTITY_CHANGES: Final = ("user_identity_changed", "customer_identity_changed")
"""System messages about a person's security code: the number is the same."""


def inbound_in(message: dict[str, Any], at: datetime | None, number: str | None) -> Iterator[Event]:
    """The event of one message; none for one of nobody."""
    if message.get("type") == "system":
        yield from _change(message)
        return
    person, user_id = phone(message.get("from")), user_id_of(message)
    if person is None and user_id is None:
        return
    edit, deletion = table(message.get("edit")), table(message.get("revoke"))
    shown = table(edit.get("message")) or message
    kind = _kind(message)
    earlier = first_text(edit.get("original_message_id"), deletion.get("original_message_id"))
    yield Inbound(
        person,
        moment(message.get("timestamp")) or at,
        number,
        earlier or first_text(message.get("id")),
        None if kind is InboundKind.DELETION else text_of(shown),
        payload_of(shown),
        user_id,
        answered_by(shown) or answered_by(message),
        kind,
    )


def _kind(message: dict[str, Any]) -> InboundKind:
    if message.get("group_id"):
        return InboundKind.GROUP
    kinds = {"edit": InboundKind.EDIT, "revoke": InboundKind.DELETION}
    return kinds.get(str(message.get("type")), InboundKind.MESSAGE)


def _change(message: dict[str, Any]) -> Iterator[Event]:
    system = table(message.get("system"))
    kind = first_text(system.get("type")) or "without a type"
    if kind in CHANGES:
        yield NumberChange(
            phone(message.get("from")),
            first_text(system.get("previous_user_id")),
            phone(system.get("wa_id"), system.get("new_wa_id")),
            first_text(system.get("user_id")),
        )
    elif kind not in IDENTITY_CHANGES:
        yield NotUnderstood(f"system message {kind}")


def call_in(
    call: dict[str, Any], at: datetime | None, number: str | None, ours: str | None
) -> Iterator[Inbound]:
    """A person's call, whether it was answered or not; none for a call of ours. `ours`: our number. A call without a
    direction is the person's if it brings the offer of a connection, and not the answer."""
    direction = call.get("direction")
    offer = table(call.get("session")).get("sdp_type") == "offer"
    if direction != "USER_INITIATED" and not (direction is None and offer):
        return
    numbers = (phone(call.get("from")), phone(call.get("to")))
    person = next((one for one in numbers if one is not None and one != ours), None)
    user_id = user_id_of(call)
    if person is not None or user_id is not None:
        called_at = moment(call.get("timestamp")) or at
        yield Inbound(person, called_at, number, user_id=user_id, kind=InboundKind.CALL)
