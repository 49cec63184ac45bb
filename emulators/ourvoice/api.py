"""The endpoints of Our Voice, and a control plane for what happens outside the API.

| control call (under `/ourvoice/_control`)            | stands for                                  |
|------------------------------------------------------|---------------------------------------------|
| `POST /sessions/{id}/scan` `{"phone_number"?}`       | somebody scans the QR code: connected       |
| `POST /sessions/{id}/status` `{"status", "reason"?}` | WhatsApp bans it, the phone goes offline, … |
| `POST /balance` `{"balance"}`                        | somebody tops the account up, or spends it  |
"""

from __future__ import annotations

from dataclasses import replace
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
from emulators.ourvoice.messages import Mailbox, Message, Wallet
from emulators.ourvoice.requests import Order, Query, parse_order, parse_query
from emulators.ourvoice.sessions import ACCOUNT_ID, READY_SESSION_NUMBER, STATUSES, Session, SessionBook
from emulators.settings import Settings


class OurVoice:
    """The emulated account."""

    name = "ourvoice"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self.reset()

    def reset(self) -> None:
        """The account as it was at the start: one connected session, no messages, the full balance."""
        self._sessions = SessionBook(self._clock)
        self._mailbox = Mailbox()
        self._wallet = Wallet(self._settings.balance, self._settings.price)

    def app(self) -> ASGIApp:
        """The endpoints."""
        return provider_app(self, self._routes())

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """An error in Laravel's shape: `success`, `message`, and `errors` by field where there are any."""
        body: dict[str, Any] = {"success": False, "message": message}
        return orjson.dumps(body | ({"errors": errors} if errors else {}))

    def _routes(self) -> list[Route]:
        session, messages = "/v1/whatsapp/sessions/{id}", "/v1/whatsapp/messages"
        return [
            self._route("POST", messages, self._send),
            self._route("GET", messages, self._list_messages),
            self._route("GET", messages + "/{id}", self._show_message),
            self._route("GET", messages + "/{session_id}/session", self._list_of_session),
            self._route("GET", "/v1/whatsapp/sessions", self._list_sessions),
            self._route("POST", "/v1/whatsapp/sessions", self._create_session),
            self._route("GET", session, self._show_session),
            self._route("DELETE", session, self._delete_session),
            self._route("GET", session + "/qr-code", self._show_qr_code),
            self._route("PATCH", session + "/disconnect", self._disconnect),
            self._route("PATCH", session + "/reconnect", self._reconnect),
            Route("/_control/sessions/{id}/scan", self._scan, methods=["POST"]),
            Route("/_control/sessions/{id}/status", self._put_status, methods=["POST"]),
            Route("/_control/balance", self._put_balance, methods=["POST"]),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        return guarded(method, path, endpoint, self._check)

    def _check(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._settings.api_key}":
            raise Refusal(401, "Unauthenticated.")

    # Messages

    async def _send(self, request: Request) -> Response:
        order = parse_order(await read_json(request))
        session = self._connected(order.session_id)
        now = self._clock()
        cost = self._wallet.pay(len(order.numbers), now)
        messages = self._accept(order, session, now, request.scope["request_number"])
        data = {
            "messages": [message.sample(now) for message in messages],
            "count": len(messages),
            "total_cost": cost,
            "new_balance": self._wallet.balance,
            "remaining_messages": self._wallet.balance // self._wallet.price,
        }
        return Json({"success": True, "message": "Message queued for sending", "data": data}, 201)

    def _connected(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session.status != "connected":
            because = f" ({session.reason})" if session.reason else ""
            raise Refusal(422, f"The WhatsApp session is not connected: it is {session.status}{because}.")
        return session

    def _accept(self, order: Order, session: Session, now: float, request_number: int) -> list[Message]:
        messages = [self._message(order, session, now, index) for index in range(len(order.numbers))]
        call, content = str(uuid4()), digest(order.type, order.content, order.media_url)
        for message in messages:
            self._mailbox.add(message)
            self._wallet.refund_at(message.plan.failed_at)
        self._ledger.record(_entry(message, content, call, request_number) for message in messages)
        return messages

    def _message(self, order: Order, session: Session, now: float, index: int) -> Message:
        left_at = now + index * order.delay_between / 1000
        return Message(
            number=len(self._mailbox) + index,
            id=str(uuid4()),
            session=session.id,
            from_number=session.phone_number or "",
            to_number=order.numbers[index],
            type=order.type,
            content=order.content,
            media_url=order.media_url,
            price=self._wallet.price,
            created_at=now,
            left_at=left_at,
            plan=outcomes.plan(order.numbers[index], left_at, self._settings),
        )

    async def _list_messages(self, request: Request) -> Response:
        query = parse_query(request.query_params)
        if query.session is not None:
            session = self._sessions.find(query.session)
            query = replace(query, session=session.id if session else query.session)
        return self._page(query)

    async def _list_of_session(self, request: Request) -> Response:
        query = parse_query(request.query_params)
        session = self._sessions.find(request.path_params["session_id"])
        if session is None:
            raise Refusal(404, "WhatsApp session not found.")
        if query.session not in (None, session.id, session.session_id):
            return Json({"success": True, "data": []})
        return self._page(replace(query, session=session.id))

    def _page(self, query: Query) -> Response:
        now = self._clock()
        return Json(
            {"success": True, "data": [message.view(now) for message in self._mailbox.page(query, now)]}
        )

    async def _show_message(self, request: Request) -> Response:
        message = self._mailbox.get(request.path_params["id"])
        return Json({"success": True, "data": message.view(self._clock())})

    # Sessions

    async def _list_sessions(self, _: Request) -> Response:
        return Json({"success": True, "data": [session.view() for session in self._sessions.all()]})

    async def _create_session(self, _: Request) -> Response:
        session = self._sessions.create()
        return Json({"success": True, "session": session.view(), "qr_code": session.qr_code()}, 201)

    async def _show_session(self, request: Request) -> Response:
        return _data(self._session(request))

    async def _show_qr_code(self, request: Request) -> Response:
        session = self._session(request)
        if session.status != "pending":
            raise Refusal(
                422, f"The QR code is only available while the session is pending: it is {session.status}."
            )
        return Json({"success": True, "qr_code": session.qr_code()})

    async def _disconnect(self, request: Request) -> Response:
        session = self._session(request)
        self._sessions.move(session, "connected", "disconnected")
        return _data(session)

    async def _reconnect(self, request: Request) -> Response:
        session = self._session(request)
        self._sessions.move(session, "disconnected", "connected")
        return _data(session)

    async def _delete_session(self, request: Request) -> Response:
        self._sessions.delete(self._session(request))
        return Json({"success": True, "message": "WhatsApp session deleted"})

    def _session(self, request: Request) -> Session:
        return self._sessions.get(request.path_params["id"])

    # Control plane

    async def _scan(self, request: Request) -> Response:
        session = self._session(request)
        if session.status != "pending":
            raise Refusal(422, f"Only a pending session can be scanned: it is {session.status}.")
        body = await read_json(request) if await request.body() else {}
        self._sessions.connect(session, body.get("phone_number", READY_SESSION_NUMBER))
        return _data(session)

    async def _put_status(self, request: Request) -> Response:
        session, body = self._session(request), await read_json(request)
        if body.get("status") not in STATUSES:
            raise Refusal(422, f"The status must be one of {', '.join(STATUSES)}.")
        self._sessions.put(session, body["status"], body.get("reason"))
        return _data(session)

    async def _put_balance(self, request: Request) -> Response:
        self._wallet.balance = int((await read_json(request))["balance"])
        return Json({"success": True, "balance": self._wallet.balance})


def _data(session: Session) -> Response:
    return Json({"success": True, "data": session.view()})


def _entry(message: Message, content: str, call: str, request_number: int) -> Entry:
    return Entry(
        id=message.id,
        provider=OurVoice.name,
        account=ACCOUNT_ID,
        session=message.session,
        to=message.to_number,
        type=message.type,
        content=message.content,
        media_url=message.media_url,
        digest=content,
        accepted_at=message.created_at,
        left_at=message.left_at,
        call=call,
        request=request_number,
        outcome=message.plan.outcome,
    )
