"""Fault injection, the same for every provider.

A fault is a JSON object. `kind` says what goes wrong:

| kind         | accepted? | what the client sees                                                    |
|--------------|-----------|-------------------------------------------------------------------------|
| latency      | late      | an answer `seconds` later (a number or `[least, most]`); default 0.05   |
| hang_before  | late      | the same with a default of 30 s; accepted even when the client has gone |
| hang_after   | at once   | an answer `seconds` later; default 30                                   |
| 429          | no        | 429 with `Retry-After: retry_after` (default 1)                         |
| 500, 503     | no        | the error status                                                        |
| 500_after    | yes       | 500 although the request was carried out                                |
| reset_before | no        | a TCP reset instead of an answer                                        |
| reset_after  | yes       | a TCP reset instead of an answer                                        |
| close_before | no        | the connection closed without an answer                                 |
| close_after  | yes       | the connection closed without an answer                                 |
| half_answer  | yes       | the head and half of the body, then the end                             |
| garbage      | yes       | bytes that are not HTTP, then the end                                   |

The request is always read whole first. `path` limits a fault to a glob such as `/ourvoice/*` or, without a
`*`, to the paths that end so; `method` limits it too, `probability` (with `seed`) makes it occasional, and
`times` ends it after so many hits. Latencies add up; of the others the first that strikes wins. Control
paths never fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulators import wire
from emulators.base import Json, Provider
from emulators.ledger import Ledger

DEFAULT_SECONDS = {"latency": 0.05, "hang_before": 30.0, "hang_after": 30.0}
REFUSALS = {
    "429": (429, "Too Many Attempts."),
    "500": (500, "Server Error"),
    "500_after": (500, "Server Error"),
    "503": (503, "Service Unavailable"),
}
KINDS = (
    *DEFAULT_SECONDS,
    *REFUSALS,
    "reset_before",
    "reset_after",
    "close_before",
    "close_after",
    "half_answer",
    "garbage",
)
DELAYS = ("latency", "hang_before")


@dataclass
class Fault:
    """One fault; `hits` counts how often it struck. Raises ValueError for a value that makes no sense."""

    kind: str
    probability: float = 1.0
    path: str | None = None
    method: str | None = None
    times: int | None = None
    seconds: float | list[float] | None = None
    retry_after: int = 1
    seed: int = 0
    hits: int = 0
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; the kinds are {', '.join(KINDS)}")
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1")
        if self.seconds is None:
            self.seconds = DEFAULT_SECONDS.get(self.kind)
        if isinstance(self.seconds, list) and len(self.seconds) != 2:
            raise ValueError("seconds must be a number or [least, most]")
        self._random = Random(self.seed)  # noqa: S311 - a fault must be repeatable, not unguessable

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """A fault from its JSON object. Raises ValueError for an unknown key or a bad value."""
        known = {item.name for item in fields(cls) if item.init} - {"hits"}
        if unknown := sorted(set(value) - known):
            raise ValueError(
                f"unknown key {unknown[0]!r} in a fault; the keys are {', '.join(sorted(known))}"
            )
        try:
            return cls(**{**value, "kind": str(value.get("kind"))})
        except TypeError as error:
            raise ValueError(f"a fault has a value of the wrong type: {error}") from None

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is hit; counts the hit."""
        if self.hits == self.times or (self.method or method) != method or not self._covers(path):
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def delay(self) -> float:
        """How long to wait now, in seconds."""
        if isinstance(self.seconds, list):
            return self._random.uniform(*self.seconds)
        return self.seconds or 0.0

    def view(self) -> dict[str, Any]:
        """The fault as JSON shows it."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def _covers(self, path: str) -> bool:
        if self.path is None:
            return True
        return fnmatchcase(path, self.path) if "*" in self.path else path.endswith(self.path)


class FaultBoard:
    """The faults in force."""

    def __init__(self, initial: Iterable[Mapping[str, Any]] = ()) -> None:
        self._initial = list(initial)
        self.reset()

    def reset(self) -> None:
        """Back to the faults that were there from the start."""
        self.faults = [Fault.parse(value) for value in self._initial]

    def add(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Put faults in force; all or, when one of them is wrong (ValueError), none."""
        self.faults += [Fault.parse(value) for value in values]

    def clear(self) -> None:
        """Nothing fails any more."""
        self.faults = []

    def strike(self, method: str, path: str) -> tuple[float, Fault | None]:
        """For one request: how long to delay it, and the fault that then decides its end."""
        delay = 0.0
        for fault in self.faults:
            if fault.strikes(method, path):
                if fault.kind not in DELAYS:
                    return delay, fault
                delay += fault.delay()
        return delay, None


class FaultLayer:
    """Numbers the requests of one provider and makes those fail that the board says."""

    def __init__(self, app: ASGIApp, provider: Provider, board: FaultBoard, ledger: Ledger) -> None:
        self._app, self._provider, self._board, self._ledger = app, provider, board, ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] != "http" or "/_control/" in scope["path"]:
            return await self._app(scope, receive, send)
        scope["request_number"] = self._ledger.count_request()
        delay, fault = self._board.strike(scope["method"], scope["path"])
        if not delay and fault is None:
            return await self._app(scope, receive, send)
        whole = await _read_whole(receive)
        await asyncio.sleep(delay)
        if fault is None:
            return await self._app(scope, _replay(whole, receive), send)
        return await self._fail(fault, scope, receive, send, whole)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send, whole: bytes) -> None:
        answer = [] if _comes_before(fault.kind) else await self._carry_out(scope, _replay(whole, receive))
        match fault.kind:
            case "reset_before" | "reset_after":
                await wire.reset(scope, receive)
            case "close_before" | "close_after":
                await wire.close(scope, receive)
            case "half_answer":
                await wire.close(scope, receive, wire.half_of(answer))
            case "garbage":
                await wire.close(scope, receive, wire.GARBAGE)
            case "hang_after":
                await asyncio.sleep(fault.delay())
                for message in answer:
                    await send(message)
            case kind:
                await self._refusal(kind, fault)(scope, receive, send)

    def _refusal(self, kind: str, fault: Fault) -> Json:
        status, message = REFUSALS[kind]
        headers = {"Retry-After": str(fault.retry_after)} if status == 429 else None
        return Json(self._provider.error(status, message), status, headers=headers)

    async def _carry_out(self, scope: Scope, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        return answer


def _comes_before(kind: str) -> bool:
    return kind.endswith("_before") or kind in ("429", "500", "503")


async def _read_whole(receive: Receive) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
