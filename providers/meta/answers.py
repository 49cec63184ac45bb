"""Meta's answers to a send, and errors in its webhooks: shared by Cloud API and by providers that pass them on
unchanged.

Answer: {"messaging_product", "contacts": [{"input", "wa_id", "user_id"?}],
  "messages": [{"id": "wamid…", "message_status"}]}.
Error: {"error": {"message", "type", "code", "error_data": {"details"}, "fbtrace_id"}}: decide by code and details.
"""

from __future__ import annotations

from typing import Any, Final

from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.http.client import Answer, Reply
from providers.http.failures import general_refusal, unanswered
from providers.meta.codes import kind_of, refusal
from providers.values import first_text, phone, tables

HELD: Final = "held_for_quality_assessment"
"""`message_status` of a template that waits for Meta's decision; any other, or none, is an ordinary acceptance."""

NO_SUCH_OBJECT: Final = 33
"""Meta's code for a business number that does not exist; Meta's Graph API returns code 100 with this as the subcode."""
_LONGEST_TEXT: Final = 500


def read_send(reply: Reply) -> Result:
    """The result of a send to one recipient."""
    if not isinstance(reply, Answer):
        return unanswered(reply)
    data = reply.json()
    if reply.ok:
        return _taken(data)
    found = data.get("error") if isinstance(data, dict) else None
    error = found if isinstance(found, dict) else {}
    code, text = error_code(error), error_text(error)
    if kind_of(code) is None:
        return general_refusal(reply) or refusal(code, text or reply.text, reply.status, reply.retry_after)
    return refusal(code, text, reply.status, reply.retry_after)


def _taken(data: Any) -> Result:
    messages = data.get("messages") if isinstance(data, dict) else None
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, dict) or not isinstance(first.get("id"), str) or not first["id"]:
        return Refused(FailureKind.UNKNOWN, "unreadable", "The answer has no message id.")
    state = JobState.HELD if first.get("message_status") == HELD else JobState.ACCEPTED
    contact = next(iter(tables(data.get("contacts"))), {})
    number = phone(contact.get("wa_id"))
    return Accepted(
        first["id"],
        state,
        user_id=first_text(contact.get("user_id")),
        number=None if number == phone(contact.get("input")) else number,
    )


def error_code(error: dict[str, Any]) -> int | None:
    """Meta's code, given as a number or as text."""
    code = error.get("code")
    if code == 100 and error.get("error_subcode") == NO_SUCH_OBJECT:
        return NO_SUCH_OBJECT
    if isinstance(code, bool):
        return None
    if isinstance(code, int):
        return code
    return (
        int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10 else None
    )


def error_text(error: dict[str, Any]) -> str:
    """Message and details, on one line."""
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    parts = [part for part in (error.get("message") or error.get("title"), details) if isinstance(part, str)]
    return " ".join(": ".join(dict.fromkeys(parts)).split())[:_LONGEST_TEXT]
