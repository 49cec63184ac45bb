"""The emulator as one ASGI app: every provider under its own prefix, and a control plane beside them.

| call                   | does                                                                        |
|------------------------|-----------------------------------------------------------------------------|
| `GET /_health`         | says that it is up, which providers it serves, and its time                 |
| `GET /_ledger`         | every accepted message (`emulators.ledger.Entry`); filters `to`, `provider` |
| `GET /_ledger/summary` | totals, messages per recipient, and who received the same content twice     |
| `GET /_faults`         | the faults in force, with their hits                                        |
| `POST /_faults`        | adds one fault or a list of them (`emulators.faults`)                       |
| `DELETE /_faults`      | ends all faults                                                             |
| `POST /_reset`         | everything as it was at the start                                           |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from emulators.base import Clock, Json, Provider, Refusal, read_json, system_clock
from emulators.bird import Bird
from emulators.faults import FaultBoard, FaultLayer
from emulators.kapso import Kapso
from emulators.ledger import Ledger
from emulators.messaging_api import MessagingApi
from emulators.meta import Meta
from emulators.ourvoice import OurVoice
from emulators.settings import Settings
from emulators.voicebip import Voicebip
from emulators.webhooks import Deliveries

PROVIDERS: tuple[Callable[[Settings, Ledger, Clock], Provider], ...] = (
    Bird,
    OurVoice,
    MessagingApi,
    Kapso,
    Meta,
    Voicebip,
)
"""Every emulated provider; a new one is a new file and a line here."""


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> Starlette:
    """The emulator. Raises ValueError if a fault in the settings is wrong."""
    settings, clock = settings or Settings(), clock or system_clock()
    ledger, board = Ledger(), FaultBoard(settings.faults)
    providers = [make(settings, ledger, clock) for make in PROVIDERS]
    control = Control(providers, ledger, board, clock)
    mounts = [Mount(f"/{each.name}", FaultLayer(each.app(), each, board, ledger)) for each in providers]

    @asynccontextmanager
    async def until_stopped(_: Starlette) -> AsyncIterator[None]:
        yield
        for provider in providers:
            if isinstance(deliveries := getattr(provider, "deliveries", None), Deliveries):
                await deliveries.stop()

    return Starlette(
        routes=[*control.routes(), *mounts],
        exception_handlers={Refusal: _refused},
        lifespan=until_stopped,
    )


class Control:
    """The control plane: for tests and demonstrations, no provider has it."""

    def __init__(self, providers: list[Provider], ledger: Ledger, board: FaultBoard, clock: Clock) -> None:
        self._providers, self._ledger, self._board, self._clock = providers, ledger, board, clock

    def routes(self) -> list[Route]:
        """The paths of the control plane."""
        return [
            Route("/_health", self._health),
            Route("/_ledger", self._entries),
            Route("/_ledger/summary", self._summary),
            Route("/_faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/_reset", self._reset, methods=["POST"]),
        ]

    async def _health(self, _: Request) -> Response:
        names = [provider.name for provider in self._providers]
        return Json({"status": "ok", "providers": names, "now": self._clock()})

    async def _entries(self, request: Request) -> Response:
        query = request.query_params
        entries = self._ledger.entries(query.get("to"), query.get("provider"))
        return Json(orjson.dumps({"count": len(entries), "messages": entries}))

    async def _summary(self, _: Request) -> Response:
        return Json(self._ledger.summary())

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._board.clear()
        if request.method == "POST":
            self._add_faults(await read_json(request))
        return Json({"faults": [fault.view() for fault in self._board.faults]})

    def _add_faults(self, body: object) -> None:
        values: list[Any] = body if isinstance(body, list) else [body]
        if not all(isinstance(value, dict) for value in values):
            raise Refusal(422, "A fault is a JSON object; send one or a list of them.")
        try:
            self._board.add(values)
        except ValueError as error:
            raise Refusal(422, str(error)) from None

    async def _reset(self, _: Request) -> Response:
        self._ledger.clear()
        self._board.reset()
        for provider in self._providers:
            provider.reset()
        return Json({"status": "ok"})


async def _refused(_: Request, refusal: Exception) -> Response:
    return Json({"error": str(refusal)}, refusal.status if isinstance(refusal, Refusal) else 500)
