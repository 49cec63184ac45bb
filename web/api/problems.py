"""What goes wrong, as a problem document (RFC 9457): a stable type, a title, a sentence, and where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from app.views.json_text import to_json
from campaigns.errors import (
    AccountError,
    DrumbeatError,
    Forbidden,
    InvalidInput,
    Locked,
    NotFound,
    Stopped,
    Unavailable,
    UsageError,
)

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:drumbeat:problem:"
KINDS: Final[Sequence[tuple[type[DrumbeatError], int, str]]] = (
    (Forbidden, 403, "forbidden"),
    (UsageError, 422, "usage"),
    (InvalidInput, 422, "invalid"),
    (NotFound, 404, "not-found"),
    (Stopped, 409, "stopped"),
    (Locked, 409, "locked"),
    (AccountError, 502, "account"),
    (Unavailable, 503, "unavailable"),
)
"""Each kind of error, its status, and the end of its type."""


class Problem(Exception):
    """The call is answered with this."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        hint: str = "",
        errors: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.errors = errors

    def text(self, path: str, number: str) -> str:
        document: dict[str, Any] = {
            "type": f"{TYPE}{self.kind}",
            "title": self.kind.replace("-", " "),
            "status": self.status,
            "detail": self.detail,
            "instance": path,
            "request_id": number,
        }
        if self.hint:
            document["hint"] = self.hint
        if self.errors:
            document["errors"] = self.errors
        return to_json(document)

    def response(self, path: str, number: str) -> Response:
        headers = {"X-Request-Id": number}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(self.text(path, number), self.status, headers, MEDIA_TYPE)


def problem_of(error: DrumbeatError) -> Problem:
    status, kind = next(
        ((status, kind) for known, status, kind in KINDS if isinstance(error, known)), (500, "fault")
    )
    return Problem(status, kind, str(error), hint=error.hint)
