"""Voicebip's refusals: an HTTP status and an `error_code`."""

from __future__ import annotations

from uuid import uuid4

import orjson

from emulators.base import Refusal

CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "INSUFFICIENT_BALANCE",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "ALREADY_EXISTS",
    415: "INVALID_ARGUMENT",
    422: "UNPROCESSABLE",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
STATUSES = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "INVALID_ARGUMENT": 400,
    "QUOTA_EXCEEDED": 402,
    "WORKSPACE_BLOCKED": 402,
    "INSUFFICIENT_BALANCE": 402,
    "CALL_WINDOW_RESTRICTED": 422,
    "CONVERSATION_WINDOW_EXPIRED": 422,
    "RECIPIENT_OPTED_OUT": 422,
}
DOCUMENTATION = "https://docs.voicebip.com/documentation/reference/error-codes"


class CodedRefusal(Refusal):
    """A refusal by its `error_code`; the status follows from it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(STATUSES[code], message)
        self.code = code


def error_body(status: int, message: str, code: str | None = None) -> bytes:
    """The documented body of an error."""
    return orjson.dumps(
        {
            "error_code": code or CODES.get(status, "INTERNAL"),
            "message": message,
            "request_id": f"req_{uuid4().hex[:16]}",
            "documentation_url": DOCUMENTATION,
        }
    )
