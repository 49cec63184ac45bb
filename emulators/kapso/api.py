"""The emulated Kapso project: both APIs, the webhooks, and a control plane for what happens outside them.

| control call (under `/kapso/_control`)            | stands for                                               |
|---------------------------------------------------|----------------------------------------------------------|
| `POST /inbound` `{"from", "text"?, "to"?}`        | a person, or a list of them, writes: windows open        |
| `POST /inbound` `[{"from", "text"?, "to"?}, …]`   | the same, reported as one batch                          |
| `POST /templates` `{"name", "language", …}`       | a template is added or changed at Meta, as there         |
| `POST /account` `{"event", …}`                    | an event of the account at Meta, as there                |
| `POST /number` `{"limit"?, "quality_rating"?, …}`  | the first number or the limit changes at Meta, as there  |
| `POST /webhook` `{"url", "secret"}` and options   | a webhook is set up (options: `emulators.webhooks`)      |
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators.base import Clock, Errors, Json, Refusal, read_json
from emulators.cloud_api import NUMBER, USER_ID, Draft
from emulators.cloud_media import CloudMedia
from emulators.endpoints import Endpoint, guarded, provider_app
from emulators.kapso.chats import SENDERS, Chats, Message, Sender
from emulators.kapso.current import WABA_ID, CurrentApi
from emulators.kapso.events import batch, payload, sign
from emulators.kapso.legacy import LegacyApi
from emulators.kapso.legacy_requests import invalid
from emulators.ledger import Entry, Ledger, digest
from emulators.meta.errors import refused
from emulators.meta.events import account_update, change_template, of_account
from emulators.meta.numbers import Numbers
from emulators.meta.standing import Standing
from emulators.meta.templates import Templates
from emulators.settings import Settings
from emulators.webhooks import Deliveries

ERRORS = {
    400: "Invalid parameters",
    401: "Invalid or missing API key",
    404: "Not found",
    422: "Unprocessable entity",
    429: "Rate limit exceeded",
}
"""The `error` of each status; `message` says more."""


class Kapso:
    """The project."""

    name = "kapso"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self.deliveries = Deliveries(clock, sign)
        self.reset()

    def reset(self) -> None:
        """No conversations, nobody's window open, nothing on its way. The webhook stays set up."""
        self._chats = Chats(self._settings, self._clock)
        self._templates, self._standing = Templates(), Standing()
        self._media = CloudMedia(self._clock)
        self._numbers = Numbers({one.phone_number_id: (one.number, one.name) for one in SENDERS})
        self.deliveries.clear()

    def app(self) -> ASGIApp:
        """The endpoints."""
        return provider_app(self, self._routes())

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """Kapso's own error body: `error` and `message`."""
        body = {"error": ERRORS.get(status, "An unexpected error occurred")}
        return orjson.dumps(body | ({"message": message} if message else {}))

    def _routes(self) -> list[Route]:
        legacy = LegacyApi(lambda: self._chats, self._accept, self._clock)
        current = CurrentApi(
            lambda: self._chats,
            self._accept,
            self._clock,
            lambda: self._templates,
            lambda: self._numbers,
            lambda: self._media,
        )
        found = {**legacy.endpoints(), **current.endpoints()}
        return [
            *(self._route(method, path, endpoint) for (method, path), endpoint in found.items()),
            Route("/_control/inbound", self._inbound, methods=["POST"]),
            Route("/_control/templates", self._put_template, methods=["POST"]),
            Route("/_control/account", self._change_account, methods=["POST"]),
            Route("/_control/media", self._change_media, methods=["POST"]),
            Route("/_control/number", self._put_number, methods=["POST"]),
            Route("/_control/webhook", self._subscribe, methods=["POST"]),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        return guarded(method, path, endpoint, self._check)

    def _check(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self._settings.api_key:
            raise Refusal(401, "")

    def _accept(self, request: Request, sender: Sender, draft: Draft) -> Message:
        """Send, record in the ledger, and report each status when its time has come. Raises MetaRefusal."""
        self._standing.check(draft, self._clock())
        self._media.check(draft.body, sender.phone_number_id)
        if draft.template and "template" in draft.body:
            template = self._templates.named(draft.body["template"])
            if draft.by_user_id and template is not None and template.category == "AUTHENTICATION":
                raise refused(131062)
        message = self._chats.send(sender, draft)
        self._ledger.record([_entry(message, sender, request.scope["request_number"])])
        for at in message.stages().values():
            self.deliveries.later(at - message.created_at, orjson.dumps(payload(message, at)))
        return message

    async def _inbound(self, request: Request) -> Response:
        body = await read_json(request)
        together = isinstance(body, list)
        wrote = [self._receive(each) for each in (body if together else _one_each(body))]
        payloads = [payload(message, self._clock()) for message in wrote]
        for delivery in [batch(payloads)] if together else payloads:
            self.deliveries.later(0, orjson.dumps(delivery))
        return Json({"status": "ok", "ids": [message.wamid for message in wrote]})

    def _receive(self, body: Any) -> Message:
        who = str(body.get("from")) if isinstance(body, dict) else ""
        if not (NUMBER.fullmatch(who) or USER_ID.fullmatch(who)):
            raise invalid("An inbound message is an object with from, a phone number or user id, and text")
        to = str(body.get("to", SENDERS[0].number)).removeprefix("+")
        sender = next((each for each in SENDERS if to in (each.number, each.phone_number_id)), None)
        if sender is None:
            raise invalid("Parameter to is not a number of this project")
        return self._chats.receive(sender, who.removeprefix("+"), str(body.get("text", "Hi")))

    async def _put_template(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise invalid("A template is an object with name and language")
        template, updates = change_template(self._templates, body, self._clock())
        for update in updates:
            self.deliveries.later(0, of_account(update, WABA_ID))
        return Json({"status": "ok", "template": template.view("")})

    async def _change_account(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise invalid("An event is an object with event")
        self._standing.change(body)
        update = account_update(body, self._clock(), WABA_ID)
        self.deliveries.later(0, of_account(update, WABA_ID))
        return Json({"status": "ok"})

    async def _change_media(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise invalid("A change of media files is an object with id or expired")
        if body.get("expired"):
            self._media.expire()
        elif "id" in body:
            self._media.know(str(body["id"]), str(body.get("to", SENDERS[0].phone_number_id)))
        return Json({"status": "ok", "uploads": self._media.uploads})

    async def _put_number(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise invalid("A change of a number is an object")
        for update in self._numbers.put(SENDERS[0].phone_number_id, body, self._clock()):
            self.deliveries.later(0, update)
        return Json({"status": "ok"})

    async def _subscribe(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict) or not {"url", "secret"} <= set(body):
            raise invalid("A webhook is an object with url and secret")
        try:
            self.deliveries.target(**body)
        except (TypeError, AttributeError):
            raise invalid("A webhook has url, secret, delay, duplicate, reorder") from None
        return Json({"status": "ok"})


def _one_each(body: Any) -> list[Any]:
    """One message for each person of `from`."""
    people = body.get("from") if isinstance(body, dict) else None
    return [{**body, "from": person} for person in people] if isinstance(people, list) else [body]


def _entry(message: Message, sender: Sender, request_number: int) -> Entry:
    return Entry(
        id=message.wamid,
        provider=Kapso.name,
        account="kapso",
        session=sender.phone_number_id,
        to=message.conversation.phone,
        type=message.type,
        content=message.text,
        media_url=message.media_url,
        digest=digest(message.type, orjson.dumps(message.body, option=orjson.OPT_SORT_KEYS).decode()),
        accepted_at=message.created_at,
        left_at=message.created_at,
        call=message.id,
        request=request_number,
        outcome=message.plan.outcome if message.plan else "",
    )
