"""What every emulated provider is made of: a clock, JSON answers, refusals, and the Provider protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

Clock = Callable[[], float]
"""Seconds since the epoch, never decreasing, in whole microseconds."""

Errors = Mapping[str, Sequence[str]]
"""What is wrong with each field of a request."""


class Provider(Protocol):
    """One emulated provider, mounted under `/<name>`.

    Its app may rely on `scope["request_number"]`, and keeps its control plane under `/_control/`.
    """

    name: str

    def app(self) -> ASGIApp:
        """The provider's endpoints."""
        ...

    def error(self, status: int, message: str, errors: Errors | None = None) -> bytes:
        """An error body in the provider's own shape; injected faults use it too."""
        ...

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        ...


class Refusal(Exception):
    """A request that the provider answers with an error status."""

    def __init__(self, status: int, message: str, errors: Errors | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else orjson.dumps(content)


async def read_json(request: Request) -> Any:
    """The request's JSON body. Raises `Refusal` with 415 for another content type, 400 for bad JSON."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refusal(415, "The Content-Type must be application/json.")
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise Refusal(400, "The body is not valid JSON.") from None


def is_url(value: str) -> bool:
    """Whether it is a web address with a host."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in value


def system_clock() -> Clock:
    """The machine's time as read now, carried on by the monotonic clock so that it never steps back."""
    start = time.time() - time.monotonic()
    return lambda: round(start + time.monotonic(), 6)


def iso(at: float | None) -> str | None:
    """A time as the providers print it: `2024-01-15T10:45:00.000000Z`."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
