"""The webhook ingress: a webhook is answered with 200 only when it is verified and safe in the database.

    POST /webhooks/ACCOUNT    200 stored; 401 not signed by the provider; 413 too large; 503 try again later
    GET  /webhooks/ACCOUNT    the handshake by which a provider proves the address
    GET  /healthz             200 while the database answers

Webhooks are interpreted later, from what is stored: see `scheduler.receipts.inbox`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from campaigns.errors import Unavailable, UsageError
from campaigns.time.clock import Now, utc_now
from providers.events import WebhookRequest
from scheduler.sending.lanes import Account
from storage.database.engine import Engine
from storage.database.health import ping
from storage.receipts.inbox import Arrival
from web.protocol.connections import BODY_WITHIN
from web.webhooks.recorder import Busy, NotStored, Recorder

logger = logging.getLogger(__name__)

PREFIX: Final = "/webhooks/"
"""An account's name follows."""
HEALTH: Final = "/healthz"
LARGEST_BODY: Final = 4 * 1024 * 1024
MOST_IN_HAND: Final = 128 * 1024 * 1024
"""Bytes of bodies being read or waiting for their commit, of all requests together."""
RETRY_AFTER: Final = "5"
REPORT_EVERY: Final = 60.0
"""Seconds between two log lines about one account's missing secret: anybody can send a webhook."""
_KEPT_HEADERS: Final = re.compile(
    r"^content-type$|signature|timestamp|event|webhook|request-id|idempotency|batch"
)
_SECRET_HEADERS: Final = re.compile(r"auth|cookie|secret|token|passw|api-?key")


_STORED: Final = Response(status_code=200)


class TooLarge(Exception):
    """The body is larger than allowed."""


class Left(Exception):
    """The caller left before the body was complete."""


def create_app(
    engine: Engine,
    accounts: Mapping[str, Account],
    *,
    now: Now = utc_now,
    public_url: str | None = None,
    stored: Callable[[], None] | None = None,
    largest_body: int = LARGEST_BODY,
) -> Starlette:
    """The ingress as an ASGI app; its lifespan must be run.

    `public_url`: the address that providers were given, which some of them sign; by default taken from each
    request. `stored` is called after each commit of webhooks.
    """
    recorder = Recorder(engine, now, stored)
    ingress = Ingress(recorder, accounts, now, public_url, largest_body)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with recorder:
            yield

    async def health(_: Request) -> Response:
        try:
            await ping(engine)
        except Unavailable:
            return JSONResponse({"status": "the database does not answer"}, 503)
        return JSONResponse({"status": "ok"})

    routes = [
        Route(f"{PREFIX}{{account}}", ingress.answer_unknown, methods=["POST"]),
        Route(f"{PREFIX}{{account}}", ingress.answer_handshake, methods=["GET"]),
        Route(HEALTH, health),
    ]
    app = _App(routes=routes, lifespan=lifespan)
    app.ingress = ingress
    return app


class _App(Starlette):
    """With a short way for webhooks: the framework's layers would take a sixth of a webhook's time."""

    ingress: Ingress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        account = self.ingress.account_called(scope)
        if account is None:
            await super().__call__(scope, receive, send)
        else:
            await self.ingress.answer(account, scope, receive, send)


class Ingress:
    """The two routes of an account's webhooks."""

    def __init__(
        self,
        recorder: Recorder,
        accounts: Mapping[str, Account],
        now: Now,
        public_url: str | None,
        largest_body: int,
    ) -> None:
        self._recorder = recorder
        self._accounts = {
            name: account for name, account in accounts.items() if account.adapter.capabilities.webhooks
        }
        self._now = now
        self._public_url = public_url.rstrip("/") if public_url else None
        self._largest_body = largest_body
        self._in_hand = 0
        self._reported: dict[str, float] = {}
        """When each account's missing secret was last logged."""

    def account_called(self, scope: Scope) -> Account | None:
        """The account that the request is a webhook for; None: it is something else."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(PREFIX):
            return None
        return self._accounts.get(scope["path"].removeprefix(PREFIX))

    async def answer(self, account: Account, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, verify, store, answer. A plain ASGI call: a Request object would cost a tenth of the time."""
        await (await self._answer(account, scope, receive))(scope, receive, send)

    async def answer_unknown(self, _: Request) -> Response:
        return _unknown()

    async def _answer(self, account: Account, scope: Scope, receive: Receive) -> Response:
        headers = _headers(scope)
        held: list[bytes] = []
        try:
            await self._read(headers, receive, held)
            return await self._take(account, scope, headers, held[0] if len(held) == 1 else b"".join(held))
        except TooLarge:
            return PlainTextResponse(f"At most {self._largest_body} bytes.", 413, {"Connection": "close"})
        except Left:
            return PlainTextResponse("The body is incomplete.", 400)
        except TimeoutError:
            return _try_later("It takes too long.", {"Connection": "close"})
        except (Busy, NotStored):
            return _try_later("Too busy.")
        except UsageError as error:
            self._report_secret(account, error)
            return _try_later("It cannot be verified now.")
        except Exception:
            logger.exception(
                "A webhook could not be received.",
                extra={"action": "webhook_not_received", "account": account.name},
            )
            return _try_later("It cannot be stored now.")
        finally:
            self._in_hand -= sum(map(len, held))

    async def _read(self, headers: Mapping[str, str], receive: Receive, held: list[bytes]) -> None:
        """Fill `held` with the body. Raises TooLarge at the bound, Busy, TimeoutError, Left."""
        size = 0
        if _declared_length(headers) > self._largest_body:
            raise TooLarge
        async with asyncio.timeout(BODY_WITHIN):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Left
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(chunk)
                if size > self._largest_body:
                    raise TooLarge
                if self._in_hand + len(chunk) > MOST_IN_HAND:
                    raise Busy
                self._in_hand += len(chunk)
                held.append(chunk)

    async def _take(
        self, account: Account, scope: Scope, headers: Mapping[str, str], body: bytes
    ) -> Response:
        webhook = WebhookRequest(self._url(scope, headers), headers, body, self._now())
        if await self._recorder.record(partial(_verified, account, webhook)):
            return _STORED
        self._recorder.refuse(account.name)
        return PlainTextResponse("The signature is missing or wrong.", 401)

    def _url(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """The address that the provider called, as it knows it."""
        called: bytes = scope.get("raw_path") or scope["path"].encode()
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        return (self._public_url or _origin(scope, headers)) + (called + query).decode("latin-1")

    async def answer_handshake(self, request: Request) -> Response:
        """Answer the provider's check of the address."""
        account = self._accounts.get(request.path_params["account"])
        if account is None:
            return _unknown()
        try:
            answer = account.adapter.handshake(dict(request.query_params))
        except UsageError as error:
            self._report_secret(account, error)
            return _try_later("It cannot be answered now.")
        if answer is None:
            return PlainTextResponse("The handshake does not match the settings.", 403)
        return PlainTextResponse(answer, headers={"X-Content-Type-Options": "nosniff"})

    def _report_secret(self, account: Account, error: UsageError) -> None:
        """Log that the account's secret cannot be used, at most once a minute."""
        moment = time.monotonic()
        if moment - self._reported.get(account.name, -math.inf) < REPORT_EVERY:
            return
        self._reported[account.name] = moment
        logger.error(
            "Webhooks of %s are answered with 503: %s %s",
            account.name,
            error,
            error.hint,
            extra={"action": "webhook_secret_missing", "account": account.name},
        )


def _verified(account: Account, webhook: WebhookRequest) -> Arrival | None:
    """As it is stored; None if the provider did not sign it."""
    if not _is_genuine(account, webhook):
        return None
    kept = orjson.dumps(_kept(webhook.headers)).decode()
    address, _, _ = webhook.url.partition("?")  # a query may hold a secret
    return Arrival.packed(account.name, webhook.received_at, address, kept, webhook.body)


def _is_genuine(account: Account, webhook: WebhookRequest) -> bool:
    """Whether the provider signed it. Raises UsageError if the secret is missing."""
    try:
        return account.adapter.verify(webhook)
    except UsageError:
        raise
    except Exception:
        # Only input that no provider sends breaks the check, so it is refused; a genuine one is sent again.
        logger.exception(
            "A signature could not be checked.", extra={"action": "verify_failed", "account": account.name}
        )
        return False


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that identify and sign the webhook; none that may hold a secret."""
    return {name: value for name, value in headers.items() if _is_kept(name)}


@lru_cache(maxsize=256)
def _is_kept(name: str) -> bool:
    return bool(_KEPT_HEADERS.search(name)) and not _SECRET_HEADERS.search(name)


def _headers(scope: Scope) -> dict[str, str]:
    """By their names, which arrive in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _origin(scope: Scope, headers: Mapping[str, str]) -> str:
    """Such as http://host:8080, as the request names it."""
    host = headers.get("host") or "{}:{}".format(*scope["server"])
    return f"{scope['scheme']}://{host}"


def _declared_length(headers: Mapping[str, str]) -> int:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 0


def _unknown() -> Response:
    return PlainTextResponse("There is no such webhook address.", 404)


def _try_later(why: str, more: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(why, 503, {"Retry-After": RETRY_AFTER, **(more or {})})
