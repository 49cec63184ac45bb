"""The endpoints of the Messaging API, and a control plane for what happens outside the API.

| control call (under `/messaging_api/_control`) | stands for                                                        |
|------------------------------------------------|-------------------------------------------------------------------|
| `POST /inbound` `{"from", "text"?}`            | a customer (or each of a list) writes: their window opens         |
| `POST /repeats` `{"answer": 201 or 409}`       | how a used Idempotency-Key is answered: the first answer, or 409  |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators import outcomes
from emulators.base import Clock, Errors, Json, Refusal, read_json
from emulators.endpoints import Endpoint, guarded, provider_app
from emulators.ledger import Entry, Ledger, digest
from emulators.messaging_api.inbox import BUSINESS_ID, Conversation, Inbox, Message
from emulators.messaging_api.requests import PHONE, parse_key, parse_query, parse_template, parse_text
from emulators.settings import Settings

READY_NUMBER_ID = "f0e1d2c3-1234-4abc-9def-000011113333"
"""The account's one WhatsApp number."""
CLOSED = "Outside the 24-hour customer service window; send a template instead"


@dataclass(frozen=True, slots=True)
class Used:
    """What was behind an Idempotency-Key."""

    request: str
    message: Message
    answer: bytes


class MessagingApi:
    """The emulated account."""

    name = "messaging_api"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self.reset()

    def reset(self) -> None:
        """The account as it was at the start: an empty inbox, no key used."""
        self._inbox = Inbox()
        self._used: dict[str, Used] = {}
        self._repeats = 201

    def app(self) -> ASGIApp:
        """The endpoints."""
        return provider_app(self, self._routes())

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """An error is a sentence."""
        return orjson.dumps({"message": message})

    def _routes(self) -> list[Route]:
        conversations = "/v1/messaging/conversations"
        return [
            self._route("GET", conversations, self._list),
            self._route("GET", conversations + "/{id}", self._show),
            self._route("POST", conversations + "/{id}/messages", self._send_text),
            self._route("POST", "/v1/messaging/messages/template", self._send_template),
            Route("/_control/inbound", self._hear, methods=["POST"]),
            Route("/_control/repeats", self._choose_repeats, methods=["POST"]),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        return guarded(method, path, endpoint, self._check)

    def _check(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._settings.api_key}":
            raise Refusal(401, "Unauthorized")

    # Reading

    async def _list(self, request: Request) -> Response:
        found = self._inbox.listed(parse_query(request.query_params))
        return Json({"message": "Conversations retrieved", "data": [each.view() for each in found]})

    async def _show(self, request: Request) -> Response:
        conversation = self._inbox.get(request.path_params["id"])
        return Json({"message": "Conversation retrieved", "data": conversation.whole_view(self._clock())})

    # Sending

    async def _send_text(self, request: Request) -> Response:
        key, text = parse_key(request.headers), parse_text(await read_json(request))
        conversation = self._inbox.get(request.path_params["id"])
        content = digest("text", text)
        if (repeat := self._repeat(key, conversation.phone + content)) is not None:
            return repeat
        if not conversation.is_open(self._clock()):
            raise Refusal(422, CLOSED)
        return self._send(request, key, conversation, "text", text, content)

    async def _send_template(self, request: Request) -> Response:
        key, order = parse_key(request.headers), parse_template(await read_json(request))
        if order.number_id != READY_NUMBER_ID:
            raise Refusal(404, "WhatsApp number not found")
        if order.key.startswith("missing"):
            raise Refusal(404, "Template not found")
        variables = orjson.dumps(order.variables, option=orjson.OPT_SORT_KEYS).decode()
        content = digest("template", order.key, variables)
        if (repeat := self._repeat(key, order.phone + content)) is not None:
            return repeat
        conversation = self._inbox.with_customer(order.phone, order.customer_name, self._clock())
        return self._send(request, key, conversation, "template", f"{order.key} {variables}", content)

    def _repeat(self, key: str | None, request: str) -> Response | None:
        used = self._used.get(key) if key is not None else None
        if used is None:
            return None
        if used.request != request:
            raise Refusal(409, "This Idempotency-Key was used for another request")
        if self._repeats == 201:
            return Json(used.answer, 201)
        already = {"message": "This Idempotency-Key was used", "data": used.message.view(self._clock())}
        return Json(already, 409)

    def _send(
        self,
        request: Request,
        key: str | None,
        conversation: Conversation,
        kind: str,
        text: str,
        content: str,
    ) -> Response:
        now, number = self._clock(), conversation.phone.removeprefix("+")
        message = conversation.say(
            Message(
                id=str(uuid4()),
                conversation=conversation.id,
                direction="outbound",
                type=kind,
                text=text,
                created_at=now,
                plan=outcomes.plan(number, now, self._settings),
            )
        )
        self._ledger.record([_entry(message, number, content, request.scope["request_number"])])
        answer = orjson.dumps({"message": "Message sent", "data": message.view(now)})
        if key is not None:
            self._used[key] = Used(conversation.phone + content, message, answer)
        return Json(answer, 201)

    # Control plane

    async def _hear(self, request: Request) -> Response:
        body: dict[str, Any] = await read_json(request)
        phones = body["from"] if isinstance(body["from"], list) else [body["from"]]
        if not all(isinstance(phone, str) and PHONE.fullmatch(phone) for phone in phones):
            raise Refusal(422, "from must be a phone number in E.164, or a list of them")
        now = self._clock()
        for phone in phones:
            conversation = self._inbox.with_customer(phone, body.get("name"), now)
            text = body.get("text", "Hello")
            conversation.say(Message(str(uuid4()), conversation.id, "inbound", "text", text, now))
        return Json({"message": "Heard", "count": len(phones)})

    async def _choose_repeats(self, request: Request) -> Response:
        answer = (await read_json(request)).get("answer")
        if answer not in (201, 409):
            raise Refusal(422, "answer must be 201 or 409")
        self._repeats = answer
        return Json({"answer": answer})


def _entry(message: Message, number: str, content: str, request_number: int) -> Entry:
    plan = message.plan
    return Entry(
        id=message.id,
        provider=MessagingApi.name,
        account=BUSINESS_ID,
        session=READY_NUMBER_ID,
        to=number,
        type=message.type,
        content=message.text,
        media_url=None,
        digest=content,
        accepted_at=message.created_at,
        left_at=message.created_at,
        call=message.id,
        request=request_number,
        outcome=plan.outcome if plan else "",
    )
