"""What goes wrong, as a problem document (RFC 9457): a stable type, a title, a sentence, and where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from app.actions.drafts.drafts import StaleDraft
from app.actions.seen_versions import ChangedMeanwhile
from app.views.json_text import to_json
from campaigns.errors import (
    AccountError,
    DrumbeatError,
    Forbidden,
    IntakeError,
    InvalidInput,
    Locked,
    NoRoom,
    NotFound,
    SpecError,
    Stopped,
    Unavailable,
    UsageError,
)

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:drumbeat:problem:"
KINDS: Final[Sequence[tuple[type[DrumbeatError], int, str]]] = (
    (Forbidden, 403, "forbidden"),
    (UsageError, 422, "usage"),
    (StaleDraft, 412, "changed"),
    (ChangedMeanwhile, 412, "changed"),
    (SpecError, 422, "campaign-file"),
    (IntakeError, 422, "list"),
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
        errors: Sequence[Mapping[str, Any]] = (),
        wait: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.errors = errors
        self.wait = wait
        """Seconds after which the same call may succeed; empty: that is not known."""
        self.more = more or {}

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
        return to_json({**document, **self.more})

    def response(self, path: str, number: str) -> Response:
        headers = {"X-Request-Id": number}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.wait:
            headers["Retry-After"] = self.wait
        return Response(self.text(path, number), self.status, headers, MEDIA_TYPE)


def problem_of(error: DrumbeatError) -> Problem:
    if isinstance(error, NoRoom):  # its own sentence names the server's folders
        return no_room()
    status, kind = next(
        ((status, kind) for known, status, kind in KINDS if isinstance(error, known)), (500, "fault")
    )
    return Problem(status, kind, str(error), hint=error.hint, errors=_places(error))


def no_room() -> Problem:
    detail = "The server's disk is full: this was not done, or not to its end."
    return Problem(507, "no-room", detail, hint="Repeat it when there is room again.")


def _places(error: DrumbeatError) -> Sequence[Mapping[str, Any]]:
    """Where in the campaign file or the list it is wrong."""
    match error:
        case SpecError():
            return [{"pointer": pointer(fault.key), "detail": fault.message} for fault in error.faults]
        case IntakeError():
            place = {"code": error.code, "line": error.line, "column": error.column}
            known = {name: value for name, value in place.items() if value is not None}
            return [{**known, "detail": str(error)}]
        case _:
            return ()


def pointer(loc: Iterable[str | int]) -> str:
    """A JSON pointer: `/content/images/0/url`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in loc)
