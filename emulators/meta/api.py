"""The endpoints of Cloud API, and a control plane for what happens outside them.

| control call (under `/meta/_control`)                      | stands for                                            |
|------------------------------------------------------------|-------------------------------------------------------|
| `POST /webhook` `{"url", "secret", "verify_token"?}`       | the app's webhook (options: `emulators.webhooks`)     |
| `GET /webhook`                                             | how many bodies are on their way, delivered, lost     |
| `POST /inbound` `{"from", "text"?, "to"?, "user_id"?}`     | a person, or each of a list, writes: the window opens |
| `POST /preference` `{"from", "value": "stop" or "resume"}` | a person stops or resumes marketing                   |
| `POST /templates` `{"name", "language", …}`                | a template is added, approved, paused, held, released |
| `POST /templates` `{…, "correct_category" or "event"}`     | its category will change in a day; it is FLAGGED      |
| `POST /account` `{"event", …}`                             | an event of the account, as in `account_update`       |
| `POST /permission` `{"templates": false}`                  | the token may not read the list of templates          |
| `POST /number` `{"status"?, "limit"?, …, "to"?}`           | a number is banned; the limit, quality or name change |
| `POST /refuse` `{"code" or null, "times"?}`                | the next sends are refused with that code             |
| `POST /media` `{"id"?, "to"?}` or `{"expired": true}`      | a file was uploaded elsewhere; all ids have expired   |
| `POST /late` `{"late": true}`                              | refusals for a recipient's sake come by webhook       |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators.base import Clock, Errors, Json, Refusal, read_json
from emulators.cloud_api import NUMBER, Draft, error_body, parse_envelope, parse_marketing
from emulators.cloud_media import CloudMedia
from emulators.cloud_values import MetaRefusal
from emulators.endpoints import Endpoint, guarded, provider_app
from emulators.ledger import Ledger
from emulators.meta import events
from emulators.meta.account import Account
from emulators.meta.errors import TITLES, refused
from emulators.meta.events import WABA_ID, Sender
from emulators.meta.numbers import show_account
from emulators.settings import Settings
from emulators.spellings import as_whatsapp
from emulators.webhooks import Deliveries, proves

VERSION = re.compile(r"v[0-9]{1,2}\.[0-9]")
CODES = {401: 190, 404: 100, 405: 100, 429: 130429, 500: 131000, 503: 131016}
"""Meta's code for an HTTP status that a fault asks for."""


class Meta:
    """The emulated WhatsApp business account: two numbers and a few approved templates."""

    name = "meta"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self.deliveries = Deliveries(clock, events.sign, events.join)
        self.reset()

    def reset(self) -> None:
        """Nobody's window open, the templates as at the start; the webhook stays set up."""
        self.deliveries.clear()
        self._lists_templates = True
        self._media = CloudMedia(self._clock)
        self._account = Account(self._settings, self._ledger, self.deliveries, self._clock)

    def app(self) -> ASGIApp:
        """The endpoints."""
        return provider_app(self, self._routes(), {MetaRefusal: _meta})

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """An error in Meta's shape; its code follows from the status."""
        return error_body(CODES.get(status, 100), message)

    def _routes(self) -> list[Route]:
        control: dict[str, Endpoint] = {
            "inbound": self._inbound,
            "preference": self._prefer,
            "templates": self._put_template,
            "account": self._change_account,
            "permission": self._permit,
            "number": self._put_number,
            "refuse": self._refuse,
            "late": self._be_late,
            "media": self._change_media,
        }
        return [
            Route("/_control/webhook", self._webhook, methods=["GET", "POST"]),
            *(Route(f"/_control/{name}", endpoint, methods=["POST"]) for name, endpoint in control.items()),
            self._route("POST", "/{version}/{id}/messages", self._send),
            self._route("POST", "/{version}/{id}/marketing_messages", self._send_marketing),
            self._route("POST", "/{version}/{id}/media", self._upload),
            self._route("GET", "/{version}/{id}/message_templates", self._list_templates),
            self._route("GET", "/{version}/{id}", self._show),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        return guarded(method, path, endpoint, self._check)

    def _check(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._settings.api_key}":
            raise Refusal(401, TITLES[190][1])
        if not VERSION.fullmatch(request.path_params["version"]):
            raise MetaRefusal(2500, "Unknown path components", "")

    # Meta's own endpoints

    async def _send(self, request: Request) -> Response:
        return await self._accept(request, parse_envelope)

    async def _send_marketing(self, request: Request) -> Response:
        return await self._accept(request, parse_marketing)

    async def _accept(self, request: Request, parse: Callable[[Any], Draft]) -> Response:
        sender = self._account.senders.get(request.path_params["id"])
        if sender is None:
            return _no_object(request)
        body = await read_json(request)
        draft = parse(body)
        self._media.check(draft.body, sender.id)
        lite = parse is parse_marketing
        shown = {"id": self._account.send(sender, draft, request.scope["request_number"], lite=lite)}
        if (held := self._account.held(shown["id"])) is not None:
            shown["message_status"] = "held_for_quality_assessment" if held else "accepted"
        contact = draft.contact() | {"input": body.get("to", draft.to)}
        return Json({"messaging_product": "whatsapp", "contacts": [contact], "messages": [shown]})

    async def _upload(self, request: Request) -> Response:
        sender = self._account.senders.get(request.path_params["id"])
        return _no_object(request) if sender is None else Json(await self._media.upload(request, sender.id))

    async def _list_templates(self, request: Request) -> Response:
        if request.path_params["id"] != WABA_ID:
            return _no_object(request)
        if not self._lists_templates:
            raise refused(200, "The token lacks the permission whatsapp_business_management")
        url = str(request.url.replace(query=""))
        return Json(self._account.templates.page(request.query_params, url))

    async def _show(self, request: Request) -> Response:
        asked = request.path_params["id"]
        fields = {"fields": request.query_params["fields"]} if "fields" in request.query_params else {}
        if asked == WABA_ID:
            return Json(show_account(asked, **fields))
        if asked not in self._account.senders:
            return _no_object(request)
        return Json(self._account.numbers.show(asked, **fields))

    # Control plane

    async def _webhook(self, request: Request) -> Response:
        if request.method == "POST":
            body = await self._object(request)
            url, token = str(body.pop("url", "")), body.pop("verify_token", None)
            if token is not None and not await proves(url, str(token)):
                raise Refusal(422, "The webhook did not answer with the challenge.")
            self.deliveries.target(url, str(body.pop("secret", "")), **body)
        counts = {name: getattr(self.deliveries, name) for name in ("pending", "delivered", "lost")}
        return Json({"status": "ok", **counts})

    async def _inbound(self, request: Request) -> Response:
        body, now = await self._object(request), self._clock()
        for person in _people(body):
            self._account.hear(
                person, self._sender(body), str(body.get("text", "Hello")), body.get("user_id"), now
            )
        return Json({"status": "ok"})

    async def _prefer(self, request: Request) -> Response:
        body, now = await self._object(request), self._clock()
        choice = body.get("value")
        if choice not in ("stop", "resume"):
            raise Refusal(422, "value is stop or resume.")
        for person in _people(body):
            spelt = as_whatsapp(person)
            self._account.people.prefer(spelt, choice)
            self.deliveries.later(0.0, events.preference(self._sender(body), spelt, choice, now))
        return Json({"status": "ok"})

    async def _put_template(self, request: Request) -> Response:
        template = self._account.put_template(await self._object(request))
        return Json({"status": "ok", "template": template.view("")})

    async def _change_account(self, request: Request) -> Response:
        self._account.change(await self._object(request))
        return Json({"status": "ok"})

    async def _permit(self, request: Request) -> Response:
        self._lists_templates = bool((await self._object(request)).get("templates", True))
        return Json({"status": "ok"})

    async def _put_number(self, request: Request) -> Response:
        body = await self._object(request)
        sender = self._sender(body)
        self._account.put_number(sender, {key: value for key, value in body.items() if key != "to"})
        return Json({"status": "ok"})

    async def _refuse(self, request: Request) -> Response:
        body = await self._object(request)
        code = body.get("code")
        if code is not None and code not in TITLES:
            raise Refusal(422, f"code is null or one of {', '.join(map(str, sorted(TITLES)))}.")
        self._account.refuse_next(code, body.get("times"))
        return Json({"status": "ok"})

    async def _change_media(self, request: Request) -> Response:
        body = await self._object(request)
        if body.get("expired"):
            self._media.expire()
        elif "id" in body:
            self._media.know(str(body["id"]), self._sender(body).id)
        return Json({"status": "ok", "uploads": self._media.uploads})

    async def _be_late(self, request: Request) -> Response:
        self._account.late = bool((await self._object(request)).get("late", True))
        return Json({"status": "ok"})

    async def _object(self, request: Request) -> dict[str, Any]:
        body = await read_json(request)
        if not isinstance(body, dict):
            raise Refusal(422, "The body must be a JSON object.")
        return body

    def _sender(self, body: dict[str, Any]) -> Sender:
        """The number of ours that `to` names, by its id or its digits; the first by default."""
        senders = list(self._account.senders.values())
        name = str(body.get("to", senders[0].id)).removeprefix("+")
        for sender in senders:
            if name in (sender.id, sender.number):
                return sender
        raise Refusal(422, "to is not a number of this account.")


def _people(body: dict[str, Any]) -> list[str]:
    senders = body.get("from")
    people = [str(person) for person in (senders if isinstance(senders, list) else [senders])]
    if not all(NUMBER.fullmatch(person) for person in people):
        raise Refusal(422, "from is a phone number, or a list of them.")
    return [person.removeprefix("+") for person in people]


def _no_object(request: Request) -> Response:
    kind = "post" if request.method == "POST" else "get"
    message = f"Unsupported {kind} request. Object with ID '{request.path_params['id']}' does not exist"
    return Json(error_body(100, message, subcode=33), 400)


async def _meta(_: Request, refusal: MetaRefusal) -> Response:
    return Json(error_body(refusal.code, refusal.title, refusal.details), refusal.status)
