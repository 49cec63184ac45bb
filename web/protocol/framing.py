"""Refuses a request whose end is ambiguous, and closes its connection: a proxy in front may have seen another end, and
part of the body would be taken for another caller's request (request smuggling, RFC 9112)."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class OneFraming:
    """The app, except for requests with both a Content-Length and a Transfer-Encoding, which are refused."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = _refuse if scope["type"] == "http" and _is_ambiguous(scope) else self._app
        await app(scope, receive, send)


def _is_ambiguous(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"content-length" in names and b"transfer-encoding" in names


_refuse = PlainTextResponse(
    "Content-Length and Transfer-Encoding exclude each other.", 400, {"Connection": "close"}
)
