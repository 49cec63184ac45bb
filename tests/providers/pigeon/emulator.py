"""Pigeon Post emulated, strictly. It imports nothing of the adapter."""

from __future__ import annotations

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
from emulators.endpoints import guarded, provider_app
from emulators.ledger import Entry, Ledger, digest
from emulators.outcomes import Plan
from emulators.settings import Settings
from emulators.webhooks import Deliveries

WORDS = {"queued": "taken", "sent": "flying", "delivered": "landed", "read": "landed", "failed": "lost"}


class Pigeon:
    """The post office."""

    name = "pigeon"

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self._settings, self._ledger, self._clock = settings, ledger, clock
        self.deliveries = Deliveries(clock, sign)
        self.reset()

    def reset(self) -> None:
        self._letters: dict[str, tuple[dict[str, Any], Plan]] = {}
        self.deliveries.clear()

    def app(self) -> ASGIApp:
        routes = [
            guarded("POST", "/letters", self._send, self._check),
            guarded("GET", "/letters", self._list, self._check),
            guarded("GET", "/letters/{id}", self._show, self._check),
            Route("/_control/webhook", self._subscribe, methods=["POST"]),
        ]
        return provider_app(self, routes)

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        return orjson.dumps({"message": message})

    def _check(self, request: Request) -> None:
        if request.headers.get("x-feather") != self._settings.api_key:
            raise Refusal(401, "Whose feather is this?")

    async def _send(self, request: Request) -> Response:
        letter = await read_json(request)
        if not isinstance(letter, dict) or not {"loft", "to", "words"} <= set(letter) <= {
            *("loft", "to", "words", "ref")
        }:
            raise Refusal(422, "A letter has loft, to, words and perhaps ref.")
        if outcomes.is_refused(letter["to"]):
            raise Refusal(422, "Nobody lives there.")
        letter_id, number, now = str(uuid4()), letter["to"].removeprefix("+"), self._clock()
        plan = outcomes.plan(number, now, self._settings)
        self._letters[letter_id] = (letter, plan)
        self._ledger.record(
            [
                Entry(
                    letter_id,
                    self.name,
                    "pigeon",
                    letter["loft"],
                    number,
                    "text",
                    letter["words"],
                    None,
                    digest(letter["words"]),
                    now,
                    now,
                    letter_id,
                    request.scope["request_number"],
                    plan.outcome,
                )
            ]
        )
        for at in (plan.sent_at, plan.delivered_at, plan.failed_at):
            if at is not None:
                self.deliveries.later(at - now, orjson.dumps(self._view(letter_id, at)))
        return Json({"letter": letter_id, "state": "taken"}, 201)

    async def _list(self, request: Request) -> Response:
        ref, now = request.query_params.get("ref"), self._clock()
        found = [
            self._view(name, now) for name, (letter, _) in self._letters.items() if letter.get("ref") == ref
        ]
        return Json({"letters": found})

    async def _show(self, request: Request) -> Response:
        if request.path_params["id"] not in self._letters:
            raise Refusal(404, "There is no such letter.")
        return Json(self._view(request.path_params["id"], self._clock()))

    async def _subscribe(self, request: Request) -> Response:
        self.deliveries.target(**await read_json(request))
        return Json({"status": "ok"})

    def _view(self, letter_id: str, now: float) -> dict[str, Any]:
        letter, plan = self._letters[letter_id]
        state = WORDS[plan.status(now)]
        return {
            "letter": letter_id,
            "state": state,
            "ref": letter.get("ref"),
            "at": iso(plan.changed_at(now) or now),
        }


def sign(body: bytes, secret: str) -> dict[str, str]:
    return {"X-Pigeon-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
