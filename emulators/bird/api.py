"""The endpoints of Bird, and a control plane for what happens outside the API.

| control call (under `/bird/_control`)             | stands for                                            |
|---------------------------------------------------|-------------------------------------------------------|
| `POST /inbound` `{"from", "text"?}`               | a person, or a list of them, writes: windows open     |
| `POST /webhook` `{"url", "secret"}` and options   | a webhook subscription (`emulators.webhooks`)         |
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators import outcomes
from emulators.base import Clock, Errors, Json, Refusal, iso, read_json
from emulators.bird.messages import (
    CHANNEL_ID,
    WORKSPACE_ID,
    Incoming,
    Mailbox,
    Outgoing,
)
from emulators.bird.requests import PHONE, Order, parse_order, parse_query
from emulators.endpoints import Endpoint, guarded, provider_app
from emulators.ledger import Entry, Ledger, digest
from emulators.settings import Settings
from emulators.webhooks import Deliveries

CODES = {
    400: "InvalidRequest",
    401: "Unauthorized",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    415: "UnsupportedMediaType",
    422: "InvalidPayload",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
"""Invented: Bird's document has a `code` but lists no values."""


class Bird:
    """The emulated workspace."""

    name = "bird"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self.deliveries = Deliveries(clock, self._sign)
        self._hook = ""
        self.reset()

    def reset(self) -> None:
        """The channel as it was at the start: no messages, nobody's window open."""
        self._mailbox = Mailbox()
        self.deliveries.clear()

    def app(self) -> ASGIApp:
        """The endpoints."""
        return provider_app(self, self._routes())

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """An error as the document describes it: `code`, `message`, and `details` by field."""
        body: dict[str, Any] = {"code": CODES.get(status, "Error"), "message": message}
        return orjson.dumps(body | ({"details": errors} if errors else {}))

    def _routes(self) -> list[Route]:
        channel = "/workspaces/{workspace}/channels/{channel}"
        return [
            self._route("POST", channel + "/messages", self._send),
            self._route("GET", channel + "/messages", self._list),
            self._route("GET", channel + "/messages/{id}", self._show),
            self._route("GET", channel + "/contacts/{id}", self._contact),
            Route("/_control/inbound", self._receive, methods=["POST"]),
            Route("/_control/webhook", self._subscribe, methods=["POST"]),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        return guarded(method, path, endpoint, self._check)

    def _check(self, request: Request) -> None:
        if request.headers.get("authorization") != f"AccessKey {self._settings.api_key}":
            raise Refusal(401, "The access key is missing or not valid.")
        if request.path_params["workspace"] != WORKSPACE_ID:
            raise Refusal(404, "The requested resource does not exist: workspace not found")
        if request.path_params["channel"] != CHANNEL_ID:
            raise Refusal(404, "The requested resource does not exist: channel not found")

    # Messages

    async def _send(self, request: Request) -> Response:
        order = parse_order(await read_json(request))
        now = self._clock()
        message = Outgoing(str(uuid4()), order.number, order, now, self._plan(order, now))
        self._mailbox.add(message)
        self._ledger.record([_entry(message, request.scope["request_number"])])
        self._announce(message)
        return Json(message.view(now), 202)

    def _plan(self, order: Order, now: float) -> outcomes.Plan:
        if order.template is None and (self._mailbox.window(order.number) or 0) <= now:
            reason = "Message failed to send because more than 24 hours have passed since the customer last replied"
            return outcomes.Plan("window_closed", failed_at=now + self._settings.sent_after, reason=reason)
        return outcomes.plan(order.number, now, self._settings)

    async def _list(self, request: Request) -> Response:
        page, following = self._mailbox.page(parse_query(request.query_params))
        now = self._clock()
        more = {"nextPageToken": following} if following else {}
        return Json({"results": [message.view(now) for message in page], **more})

    async def _show(self, request: Request) -> Response:
        return Json(self._mailbox.get(request.path_params["id"]).view(self._clock()))

    async def _contact(self, request: Request) -> Response:
        until = self._mailbox.window_of(request.path_params["id"])
        return Json({"serviceWindowExpireAt": iso(until), "isPermanentSession": False})

    # Webhooks

    def _announce(self, message: Outgoing) -> None:
        """One event for each status, at its time, and one for having read."""
        plan = message.plan
        stages = (message.created_at, plan.sent_at, plan.delivered_at, plan.failed_at)
        for at in sorted({stage for stage in stages if stage is not None}):
            self._send_event("whatsapp.outbound", message.view(at), at)
        if plan.read_at is not None:
            read = {"id": str(uuid4()), "type": "read", "messageId": message.id, "channelId": CHANNEL_ID}
            self._send_event("whatsapp.interaction", read | {"createdAt": iso(plan.read_at)}, plan.read_at)

    def _send_event(self, event: str, payload: dict[str, Any], at: float) -> None:
        body = orjson.dumps({"service": "channels", "event": event, "payload": payload})
        self.deliveries.later(max(at - self._clock(), 0.0), body)

    def _sign(self, body: bytes, secret: str) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        signed = f"{timestamp}\n{self._hook}\n".encode() + hashlib.sha256(body).digest()
        signature = base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
        return {
            "messagebird-signature": signature,
            "messagebird-request-timestamp": timestamp,
            "messagebird-request-id": str(uuid4()),
        }

    # Control plane

    async def _receive(self, request: Request) -> Response:
        body = await read_json(request)
        people = body["from"] if isinstance(body.get("from"), list) else [body.get("from")]
        if not all(isinstance(person, str) and PHONE.fullmatch(person) for person in people):
            raise Refusal(422, "from must be a phone number in E.164 format, or a list of them.")
        now = self._clock()
        for person in people:
            message = Incoming(str(uuid4()), person.removeprefix("+"), str(body.get("text", "Hello")), now)
            self._mailbox.add(message)
            self._send_event("whatsapp.inbound", message.view(now), now)
        return Json({"status": "ok", "count": len(people)})

    async def _subscribe(self, request: Request) -> Response:
        body = await read_json(request)
        self._hook = str(body.pop("url"))
        self.deliveries.target(self._hook, str(body.pop("secret")), **body)
        return Json({"status": "ok"})


def _entry(message: Outgoing, request_number: int) -> Entry:
    order = message.order
    form = orjson.dumps(order.template or order.body, option=orjson.OPT_SORT_KEYS).decode()
    return Entry(
        id=message.id,
        provider=Bird.name,
        account=WORKSPACE_ID,
        session=CHANNEL_ID,
        to=message.number,
        type=order.type,
        content=order.text,
        media_url=order.media_url,
        digest=digest(form),
        accepted_at=message.created_at,
        left_at=message.created_at,
        call=message.id,
        request=request_number,
        outcome=message.plan.outcome,
    )
