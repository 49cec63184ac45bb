"""The endpoints of the current API, below `/meta/whatsapp/v24.0`: Meta's messages, and Kapso's lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from emulators.base import Json, Refusal, read_json
from emulators.cloud_api import Draft, error_body, parse_envelope
from emulators.cloud_media import CloudMedia
from emulators.cloud_values import MetaRefusal
from emulators.kapso.chats import SENDERS, Chats, Message, Sender
from emulators.kapso.events import activity, conversation_view, message_view
from emulators.meta.numbers import Numbers, show_account
from emulators.meta.templates import Templates

Accept = Callable[[Request, Sender, Draft], Message]
Endpoint = Callable[[Request], Awaitable[Response]]

ROOT = "/meta/whatsapp/v24.0/{number}"
WABA_ID = "215589313241560"
LONGEST_PAGE = 100
BY_NUMBER = {sender.phone_number_id: sender for sender in SENDERS}


class CurrentApi:
    """The endpoints over the project's chats; `accept` sends, records and reports a message."""

    def __init__(
        self,
        chats: Callable[[], Chats],
        accept: Accept,
        clock: Callable[[], float],
        templates: Callable[[], Templates],
        numbers: Callable[[], Numbers],
        media: Callable[[], CloudMedia],
    ) -> None:
        self._chats, self._accept, self._clock = chats, accept, clock
        self._templates, self._numbers, self._media = templates, numbers, media

    def endpoints(self) -> Mapping[tuple[str, str], Endpoint]:
        """By method and path."""
        return {
            ("GET", ROOT): self._show_number,
            ("POST", f"{ROOT}/messages"): self._send,
            ("POST", f"{ROOT}/media"): self._upload,
            ("GET", f"{ROOT}/messages/{{id}}"): self._show_message,
            ("GET", f"{ROOT}/conversations"): self._list_conversations,
            ("GET", f"{ROOT}/message_templates"): self._list_templates,
        }

    async def _send(self, request: Request) -> Response:
        try:
            sender = _sender(request)
            draft = parse_envelope(await read_json(request))
            message = self._accept(request, sender, draft)
        except MetaRefusal as refusal:
            return Json(error_body(refusal.code, refusal.title, refusal.details), refusal.status)
        sent = {"id": message.wamid} | ({"message_status": "accepted"} if draft.template else {})
        return Json({"messaging_product": "whatsapp", "contacts": [draft.contact()], "messages": [sent]})

    async def _upload(self, request: Request) -> Response:
        try:
            return Json(await self._media().upload(request, _sender(request).phone_number_id))
        except MetaRefusal as refusal:
            return Json(error_body(refusal.code, refusal.title, refusal.details), refusal.status)

    async def _show_message(self, request: Request) -> Response:
        sender, now = _sender_or_404(request), self._clock()
        message = self._chats().message(request.path_params["id"])
        if message is None or message.conversation.sender != sender:
            raise Refusal(404, "Message not found")
        shown = message_view(message, now, inner={"statuses": message.statuses(now)})
        if request.query_params.get("fields") == "kapso()":
            del shown["kapso"]
        return Json(shown)

    async def _list_conversations(self, request: Request) -> Response:
        sender, query, now = _sender_or_404(request), request.query_params, self._clock()
        for unknown in sorted(set(query) - {"phone_number", "status", "limit", "fields"}):
            raise Refusal(400, f"Parameter {unknown} is not known")
        person = query.get("phone_number", "").removeprefix("+") or None
        found = [
            {**conversation_view(each, now), "metadata": {}, "phone_number_id": sender.phone_number_id}
            | {"kapso": activity(each)}
            for each in self._chats().conversations(person)
            if each.sender == sender and query.get("status") in (None, each.status(now))
        ]
        return Json({"data": found[: int(query.get("limit", 20))], "paging": {"cursors": {}}})

    async def _list_templates(self, request: Request) -> Response:
        """Meta's list, as Kapso passes it on: without `next`, and with 100 on a page at most."""
        if request.path_params["number"] != WABA_ID:
            raise Refusal(404, "Business account not found")
        query = dict(request.query_params)
        if "fields" in query:
            raise Refusal(400, "Parameter fields is not known")
        query.setdefault("limit", "20")
        if not query["limit"].isdecimal() or int(query["limit"]) > LONGEST_PAGE:
            raise Refusal(400, f"Parameter limit must be at most {LONGEST_PAGE}")
        try:
            page = self._templates().page(query, "")
        except MetaRefusal as refusal:
            return Json(error_body(refusal.code, refusal.title, refusal.details), refusal.status)
        page.get("paging", {}).pop("next", None)
        return Json(page)

    async def _show_number(self, request: Request) -> Response:
        """A number, or the business account, with the fields that Meta shows."""
        fields = {"fields": request.query_params["fields"]} if "fields" in request.query_params else {}
        try:
            if request.path_params["number"] == WABA_ID:
                return Json(show_account(WABA_ID, **fields))
            return Json(self._numbers().show(_sender_or_404(request).phone_number_id, **fields))
        except MetaRefusal as refusal:
            return Json(error_body(refusal.code, refusal.title, refusal.details), refusal.status)


def _sender(request: Request) -> Sender:
    """Raises Meta's own error for a number that there is not."""
    number = request.path_params["number"]
    if sender := BY_NUMBER.get(number):
        return sender
    details = f"Object with ID '{number}' does not exist or cannot be loaded due to missing permissions"
    raise MetaRefusal(33, "Unsupported post request", details)


def _sender_or_404(request: Request) -> Sender:
    if sender := BY_NUMBER.get(request.path_params["number"]):
        return sender
    raise Refusal(404, "Phone number not found")
