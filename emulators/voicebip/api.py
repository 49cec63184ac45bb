"""The endpoints of Voicebip, and a control plane for what happens outside the API.

| control call (under `/voicebip/_control`) | stands for                                                               |
|-------------------------------------------|--------------------------------------------------------------------------|
| `POST /webhook` `{"url", "secret"}`       | the agent's webhook; options as in `emulators.webhooks`                  |
| `POST /inbound` `{"from", "text"?}`       | a person (or each of a list) writes: the window opens; STOP opts out     |
| `POST /closing` `{"from"}`                | 23 hours have gone by since the person wrote                             |
| `POST /refuse` `{"error_code" or null}`   | an empty account, a blocked workspace, …: every send is refused          |
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators import outcomes
from emulators.base import Clock, Errors, Json, Refusal, iso, read_json
from emulators.endpoints import Endpoint, guarded, provider_app
from emulators.ledger import Entry, Ledger
from emulators.settings import Settings
from emulators.voicebip.errors import STATUSES, CodedRefusal, error_body
from emulators.voicebip.events import Envelope, signature
from emulators.voicebip.requests import Order, parse_message, parse_template, phone_in
from emulators.webhooks import Deliveries

READY_AGENT = "agt_PAEZ_njcfm2kycpjs"
READY_NUMBER = "+447700900100"
WINDOW = 24 * 3600.0
NOTICE = 3600.0
PRICE = 2_500
"""Of a conversation, in kobo: 25 naira, as an account without a plan pays."""


class Voicebip:
    """The emulated workspace: one agent with one number."""

    name = "voicebip"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self._envelope = Envelope(READY_AGENT, READY_NUMBER)
        self.deliveries = Deliveries(clock, lambda body, secret: signature(body, secret, clock))
        self.reset()

    def reset(self) -> None:
        """Nobody has written, nothing was used, nothing is on its way. The webhook stays set up."""
        self.deliveries.clear()
        self._open_until: dict[str, float] = {}
        self._opted_out: set[str] = set()
        self._conversations: dict[str, float] = {}
        self._used = 0
        self._refuse: str | None = None

    def app(self) -> ASGIApp:
        """The endpoints."""
        return provider_app(self, self._routes(), {CodedRefusal: _coded})

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """An error in Voicebip's shape."""
        return error_body(status, message)

    def _routes(self) -> list[Route]:
        return [
            self._route("POST", "/v1/messages", self._send_message),
            self._route("POST", "/v1/messages/template", self._send_template),
            self._route("GET", "/v1/usage", self._usage),
            Route("/_control/webhook", self._put_webhook, methods=["POST"]),
            Route("/_control/inbound", self._hear, methods=["POST"]),
            Route("/_control/closing", self._close_soon, methods=["POST"]),
            Route("/_control/refuse", self._refuse_all, methods=["POST"]),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        return guarded(method, path, endpoint, self._check_key)

    def _check_key(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._settings.api_key}":
            raise CodedRefusal("UNAUTHENTICATED", "The API key is missing or not valid.")

    # Sending

    async def _send_message(self, request: Request) -> Response:
        return self._send(parse_message(await read_json(request)), request.scope["request_number"])

    async def _send_template(self, request: Request) -> Response:
        order = parse_template(await read_json(request))
        if order.content.startswith("missing"):
            raise CodedRefusal("NOT_FOUND", "There is no approved template of this name.")
        return self._send(order, request.scope["request_number"])

    def _send(self, order: Order, request_number: int) -> Response:
        now = self._clock()
        self._check(order, now)
        message_id, number = f"msg_{uuid4().hex}", order.to_number.removeprefix("+")
        plan = outcomes.plan(number, now, self._settings)
        self._count(order.to_number, now)
        self._ledger.record([_entry(order, message_id, number, now, request_number, plan.outcome)])
        for at, body in self._envelope.statuses(message_id, order.to_number, plan):
            self.deliveries.later(at - now, body)
        return Json(
            {
                "message_id": message_id,
                "channel": "whatsapp",
                "status": "queued",
                "from_number": order.from_number,
                "to_number": order.to_number,
                "created_at": iso(now),
            }
        )

    def _check(self, order: Order, now: float) -> None:
        if self._refuse is not None:
            raise CodedRefusal(self._refuse, "The workspace cannot send now.")
        if order.agent != READY_AGENT:
            raise CodedRefusal("NOT_FOUND", "There is no agent of this id.")
        if order.from_number != READY_NUMBER:
            raise CodedRefusal("NOT_FOUND", "from_number is not a number of this agent.")
        if order.to_number in self._opted_out:
            raise CodedRefusal("RECIPIENT_OPTED_OUT", "The recipient has opted out of this agent's messages.")
        if order.free_form and now >= self._open_until.get(order.to_number, 0.0):
            raise CodedRefusal(
                "CONVERSATION_WINDOW_EXPIRED", "The 24-hour conversation window is closed; send a template."
            )

    def _count(self, phone: str, now: float) -> None:
        """A conversation is paid for once in 24 hours."""
        if now >= self._conversations.get(phone, 0.0):
            self._conversations[phone] = now + WINDOW
            self._used += 1

    async def _usage(self, _: Request) -> Response:
        return Json(
            {
                "voice_minutes": 0,
                "whatsapp_conversations": self._used,
                "sms_messages": 0,
                "total_cost_minor": self._used * PRICE,
                "currency": "NGN",
            }
        )

    # Control plane

    async def _put_webhook(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict) or not all(isinstance(body.get(key), str) for key in ("url", "secret")):
            raise Refusal(400, "A webhook is an object with url and secret.")
        self.deliveries.target(body.pop("url"), body.pop("secret"), **body)
        return Json({"status": "ok"})

    async def _hear(self, request: Request) -> Response:
        body: dict[str, Any] = await read_json(request)
        phones, text, now = _phones(body), body.get("text", "Hello"), self._clock()
        for phone in phones:
            self._open_until[phone] = now + WINDOW
            self.deliveries.later(0.0, self._envelope.received(phone, text, now))
            if text.strip().upper() == "STOP":
                self._opted_out.add(phone)
                self.deliveries.later(0.0, self._envelope.opted_out(phone, text, now))
        return Json({"status": "ok", "count": len(phones)})

    async def _close_soon(self, request: Request) -> Response:
        now = self._clock()
        for phone in _phones(await read_json(request)):
            self._open_until[phone] = now + NOTICE
            self.deliveries.later(0.0, self._envelope.closing(phone, now))
        return Json({"status": "ok"})

    async def _refuse_all(self, request: Request) -> Response:
        code = (await read_json(request)).get("error_code")
        if code is not None and code not in STATUSES:
            raise Refusal(400, f"error_code must be null or one of {', '.join(STATUSES)}.")
        self._refuse = code
        return Json({"status": "ok"})


def _phones(body: dict[str, Any]) -> list[str]:
    writers = body.get("from")
    return [phone_in(phone, "from") for phone in (writers if isinstance(writers, list) else [writers])]


def _entry(
    order: Order, message_id: str, number: str, now: float, request_number: int, outcome: str
) -> Entry:
    return Entry(
        id=message_id,
        provider=Voicebip.name,
        account=order.agent,
        session=order.from_number,
        to=number,
        type=order.type,
        content=order.content,
        media_url=order.media_url,
        digest=order.digest,
        accepted_at=now,
        left_at=now,
        call=message_id,
        request=request_number,
        outcome=outcome,
    )


async def _coded(_: Request, refusal: CodedRefusal) -> Response:
    return Json(error_body(refusal.status, refusal.message, refusal.code), refusal.status)
