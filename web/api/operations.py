"""What an operation of the API is: its method, path and parameters, who may call it, and what may be repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from app.actions.api_keys import Caller, Scope
from campaigns.frozen import frozen
from web.pages.site import Site

T = TypeVar("T")

JSON: Final = "application/json"
REPEAT: Final = "Idempotency-Key"
LARGEST_BODY: Final = 1024 * 1024
CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LISTS: Final[Mapping[str, str]] = {
    CSV: ".csv",
    "text/plain": ".txt",
    XLSX: ".xlsx",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/octet-stream": ".csv",
}
"""Media type of a list, and how a file's name ends that holds one."""


class Body(BaseModel):
    """A JSON object without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Nothing(Body):
    """An empty object; the body may be left out too."""


class Again(Enum):
    """What happens to a call with an Idempotency-Key that was cut off before its answer was stored."""

    MARKED = "marked"
    """Its change and the note that it is done are one transaction: done, it is not done again."""
    SAME = "same"
    """It is done again: what is done already stays as it is, what was left is finished."""
    UNKNOWN = "unknown"
    """It changes something elsewhere, and nobody can tell whether it did: it is not done again."""


@frozen
class Query:
    """A parameter of the address."""

    name: str
    description: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    required: bool = False


@frozen
class FileBody:
    """A body that is a file, and is stored as it arrives."""

    media: Mapping[str, str]
    """Each media type that is taken, and how the file's name ends."""
    most: int
    """Bytes."""
    description: str


@frozen
class Call:
    """What a handler gets."""

    site: Site
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any
    caller: Caller
    asked_at: datetime
    """When it was asked for; of a call that was cut off and is repeated, the first time."""
    file: Path | None = None
    """The body of an operation that takes a file."""
    seen: Sequence[str] | None = None
    """The tags of If-Match; None: whatever it is now."""
    accept: str = ""


@frozen
class FileAnswer:
    """An answer that is no JSON."""

    media: str
    content: bytes | Path
    """A path is sent piece by piece; its folder is deleted afterwards if it is temporary."""
    name: str = ""
    """As what a browser would store it; empty: it is shown."""
    tag: str = ""
    """Its ETag; empty: it has none."""
    temporary: Path | None = None


@frozen
class Versioned(Generic[T]):
    """An answer's JSON, and what If-Match may name of it: it stays while only the progress changes."""

    json: T
    version: str


@frozen
class Operation:
    """One method of one path."""

    method: str
    path: str
    """With parameters as `{name}`, below /api/v1."""
    summary: str
    scope: Scope
    handle: Callable[[Call], Awaitable[Any]]
    """Returns what the answer's JSON is made of, or a FileAnswer. The type that it names is the JSON's schema."""
    command: str = ""
    """The command that does the same; empty: there is none."""
    act: str = ""
    """What it needs the right for, of RIGHTS; empty: it changes nothing."""
    body: type[Body] | None = None
    file: FileBody | None = None
    query: Sequence[Query] = ()
    status: int = 200
    again: Again = Again.MARKED
    tagged: bool = False
    """Whether the answer has an ETag."""
    matched: bool = False
    """Whether If-Match is compared with the campaign as it is."""
    media: Sequence[str] = (JSON,)
    """What the answer may be."""
    answer: Any = None
    """The type of its JSON; None: the one that the handler names."""
    problems: Sequence[int] = field(default=(404, 422))
    """Statuses of the problems that the use case may meet."""

    @property
    def compares(self) -> bool:
        """Whether it takes an If-Match."""
        return self.matched or 412 in self.problems

    @property
    def repeatable(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        return self.method == "POST"
