"""The endpoints of the legacy API, below `/api/v1`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from emulators.base import Json, Refusal, iso, read_json
from emulators.cloud_api import Draft
from emulators.cloud_values import MetaRefusal
from emulators.kapso.chats import SENDERS, Chats, Conversation, Message, Sender
from emulators.kapso.events import conversation_view
from emulators.kapso.legacy_requests import invalid, parse_message, parse_moment, parse_page

Accept = Callable[[Request, Sender, Draft], Message]
Endpoint = Callable[[Request], Awaitable[Response]]

ROOT = "/api/v1"
BY_CONFIG = {sender.config_id: sender for sender in SENDERS}
CONVERSATION_FILTERS = (
    "q[status_eq]",
    "q[last_active_at_gteq]",
    "q[last_active_at_lteq]",
    "phone_number",
    "whatsapp_config_id",
)


class LegacyApi:
    """The endpoints over the project's chats; `accept` sends, records and reports a message."""

    def __init__(self, chats: Callable[[], Chats], accept: Accept, clock: Callable[[], float]) -> None:
        self._chats, self._accept, self._clock = chats, accept, clock

    def endpoints(self) -> Mapping[tuple[str, str], Endpoint]:
        """By method and path."""
        conversation = f"{ROOT}/whatsapp_conversations/{{id}}"
        return {
            ("GET", f"{ROOT}/whatsapp_configs"): self._list_configs,
            ("GET", f"{ROOT}/whatsapp_configs/{{id}}"): self._show_config,
            ("GET", f"{ROOT}/whatsapp_conversations"): self._list_conversations,
            ("GET", conversation): self._show_conversation,
            ("GET", f"{conversation}/whatsapp_messages"): self._list_messages,
            ("POST", f"{conversation}/whatsapp_messages"): self._send,
            ("POST", f"{ROOT}/whatsapp_messages"): self._send_alone,
        }

    async def _send(self, request: Request) -> Response:
        conversation = self._conversation(request)
        if conversation.status(self._clock()) != "active":
            raise Refusal(422, "The conversation has ended")
        draft = parse_message(await read_json(request), to=conversation.phone)
        return self._sent(request, conversation.sender, draft)

    async def _send_alone(self, request: Request) -> Response:
        for unknown in sorted(set(request.query_params) - {"whatsapp_config_id"}):
            raise invalid(f"Parameter {unknown} is not known")
        sender = _sender(request.query_params.get("whatsapp_config_id", SENDERS[0].config_id))
        return self._sent(request, sender, parse_message(await read_json(request), to=None))

    def _sent(self, request: Request, sender: Sender, draft: Draft) -> Response:
        try:
            message = self._accept(request, sender, draft)
        except MetaRefusal as refusal:
            body = {"error": refusal.title, "message": f"(#{refusal.code}) {refusal.details}"}
            return Json(body, 422)
        return Json({"data": self._message(message)}, 201)

    async def _list_conversations(self, request: Request) -> Response:
        query, now = request.query_params, self._clock()
        page, size = parse_page(query, CONVERSATION_FILTERS)
        since = parse_moment(query, "q[last_active_at_gteq]")
        until = parse_moment(query, "q[last_active_at_lteq]")
        person = query.get("phone_number", "").removeprefix("+") or None
        found = [
            conversation_view(each, now) | {"contact_name": None}
            for each in self._chats().conversations(person)
            if query.get("q[status_eq]") in (None, each.status(now))
            and query.get("whatsapp_config_id") in (None, each.sender.config_id)
            and (since is None or each.last_active_at >= since)
            and (until is None or each.last_active_at <= until)
        ]
        return _page(found, page, size)

    async def _show_conversation(self, request: Request) -> Response:
        view = conversation_view(self._conversation(request), self._clock())
        return Json({"data": view | {"contact_name": None}})

    async def _list_messages(self, request: Request) -> Response:
        page, size = parse_page(request.query_params, ())
        messages = reversed(self._conversation(request).messages)
        return _page([self._message(message) for message in messages], page, size)

    async def _list_configs(self, request: Request) -> Response:
        page, size = parse_page(request.query_params, ())
        return _page([_config(sender) for sender in SENDERS], page, size)

    async def _show_config(self, request: Request) -> Response:
        return Json({"data": _config(_sender(request.path_params["id"]))})

    def _conversation(self, request: Request) -> Conversation:
        if found := self._chats().conversation(request.path_params["id"]):
            return found
        raise Refusal(404, "WhatsApp conversation not found")

    def _message(self, message: Message) -> dict[str, Any]:
        """With the keys of the document's 201, in their order."""
        now = self._clock()
        status = message.status(now)
        return {
            "id": message.id,
            "phone_number": f"+{message.conversation.phone}",
            "message_type": message.type,
            "content": message.text,
            "direction": message.direction,
            "status": status,
            "processing_status": "pending" if status in ("pending", "received") else "completed",
            "whatsapp_message_id": message.wamid,
            "metadata": {},
            "media_url": message.media_url,
            "message_type_data": message.body,
            "created_at": iso(message.created_at),
            "updated_at": iso(message.changed_at(now)),
        }


def _sender(config_id: str) -> Sender:
    if sender := BY_CONFIG.get(config_id):
        return sender
    raise Refusal(404, "WhatsApp config not found")


def _config(sender: Sender) -> dict[str, Any]:
    return {
        "id": sender.config_id,
        "name": sender.name,
        "display_name": f"{sender.name} (+{sender.number})",
        "phone_number_id": sender.phone_number_id,
        "kind": "production",
        "display_phone_number": f"+{sender.number}",
        "display_phone_number_normalized": sender.number,
    }


def _page(found: list[dict[str, Any]], page: int, size: int) -> Response:
    meta = {
        "page": page,
        "per_page": size,
        "total_pages": max(1, -(-len(found) // size)),
        "total_count": len(found),
    }
    return Json({"data": found[(page - 1) * size : page * size], "meta": meta})
