"""The HTTP client: one exchange with a provider, and what is known about its outcome.

    exchange(request) -> Answer      the provider answered, with any status
                       | NotSent     proven: nothing was sent
                       | Unknown     anything else; the provider may have acted on it

Nothing here repeats a request that has an effect. The connections are those of `wire.py`; tests put an
`httpx.MockTransport` in their place. A transport may raise `httpx.ConnectError` or `httpx.ConnectTimeout` only if
nothing was sent.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import httpx
import orjson

from campaigns.errors import AccountError, DrumbeatError, NotFound, Unavailable
from campaigns.frozen import frozen
from campaigns.time.clock import Now, utc_now
from campaigns.untrusted import LONGEST_NAME, LONGEST_WAIT, clean, read_json
from providers.http.connection import TOO_LATE, Departure, Gate, NeverLeft, RawAnswer
from providers.http.redaction import SecretScrubber
from providers.http.request import Headers, Request, Url
from providers.http.wire import LONGEST_CONNECT, Wire

Transport = httpx.AsyncBaseTransport
Params = Sequence[tuple[str, str]]

JSON_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/json",
    "User-Agent": "drumbeat",
}
_REQUEST_IDS: Final = ("x-request-id", "request-id", "messagebird-request-id", "x-fb-trace-id")
_READS: Final = 3
"""How often a GET is tried while the provider answers 429. A GET has no effect, so no message is repeated."""
_PATIENCE: Final = 60.0
"""The longest `Retry-After`, in seconds, that a GET waits for."""
_LONGEST_TEXT: Final = 300


@frozen
class Answer:
    """The provider's answer. Its body and headers are not part of `repr`."""

    status: int
    headers: Headers = field(default_factory=dict, repr=False)
    """By name in lower case."""
    body: bytes = field(default=b"", repr=False)
    latency_ms: int = 0
    request_id: str | None = None
    at: datetime | None = None
    """When it arrived."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The parsed body; None if it is not JSON."""
        return read_json(self.body)

    @property
    def retry_after(self) -> float | None:
        """Seconds that `Retry-After` asks for, at most a day; None if it is missing or invalid."""
        value = self.headers.get("retry-after")
        if value is None:
            return None
        seconds = _seconds(value)
        if seconds is None:
            seconds = _seconds_until(value, self.headers.get("date"), self.at)
        return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)

    @property
    def text(self) -> str:
        """The provider's error message, on one line."""
        text = _message(self.json()) or self.body[:_LONGEST_TEXT].decode("utf-8", "replace")
        return clean(" ".join(text.split()), _LONGEST_TEXT)


@frozen
class NotSent:
    """Proven not sent."""

    code: str
    text: str = ""
    latency_ms: int = 0


@frozen
class Unknown:
    """The request may have been sent, but there is no reliable answer."""

    code: str
    text: str = ""
    latency_ms: int = 0


Reply = Answer | NotSent | Unknown


class Http:
    """The HTTP client of one account.

    `credentials` returns the headers that carry the secret. They are read at once, so that a missing secret is an error
    before anything is sent, and again after a 401 or 403, so that a renewed key needs no restart.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Callable[[], Headers] = dict,
        *,
        timeout: float = 30.0,
        transport: Transport | None = None,
        before_request: Callable[[], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Now = utc_now,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._echoes = SecretScrubber()
        self._hold(credentials())
        self._timeout = timeout
        self._transport: _Transport = (
            HttpxTransport(transport) if transport else Wire(min(LONGEST_CONNECT, timeout / 2))
        )
        self._before_request = before_request
        self._sleep = sleep
        self._now = now
        self._dated: tuple[str, datetime] | None = None
        """The provider's time in its last answer, and our time then."""

    @property
    def ahead(self) -> timedelta:
        """By how much our clock, the one that times are stored by, is ahead of the provider's, if an answer has stated
        its time."""
        theirs = _http_date(self._dated[0]) if self._dated else None
        return self._dated[1] - theirs if self._dated and theirs else timedelta()

    def __repr__(self) -> str:
        return f"Http({self._base_url!r})"

    async def exchange(self, request: Request, gate: Gate | None = None) -> Reply:
        """Send once. Network errors are results, never exceptions; cancellation means Unknown.

        `gate` may delay the request, which does not count against the timeout; if it refuses, nothing is sent and the
        result is NotSent(TOO_LATE).
        """
        departure = Departure(gate)
        try:
            raw = await self._transport.send(request, self._secrets, departure, self._timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NotSent(_code(error, "no_connection"), self._scrub(str(error)), departure.elapsed_ms)
        except TimeoutError:
            return Unknown("late", f"No answer within {self._timeout:g} s.", departure.elapsed_ms)
        except Exception as error:
            return Unknown(_code(error, "broken"), self._scrub(str(error)), departure.elapsed_ms)
        return self._answer(raw, departure.elapsed_ms)

    async def get(self, path: str, params: Params = ()) -> Answer:
        """A 2xx answer. Waits and retries after a 429 with a short delay. Raises Unavailable, AccountError,
        NotFound."""
        for asked in range(1, _READS + 1):
            reply = await self._admit(self.request("GET", path, params))
            pause = _pause(reply)
            if pause is None or asked == _READS:
                break
            await self._sleep(pause)
        return _good(reply)

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        """A 2xx answer to one administrative call. Raises Unavailable, AccountError, NotFound."""
        return _good(await self._admit(self.request(method, path, body=body)))

    async def post_form(self, path: str, boundary: str, content: bytes) -> Reply:
        """Send a form with a file once; `content` is encoded with that boundary."""
        headers = {**JSON_HEADERS, "Content-Type": f"multipart/form-data; boundary={boundary}"}
        return await self._admit(Request("POST", Url(self._base_url + path), headers, content))

    def request(self, method: str, path: str, params: Params = (), body: object = None) -> Request:
        """A JSON request below the account's base URL, without its secret. Raises Unavailable if an id from the
        provider cannot be part of a URL."""
        content = b"" if body is None else orjson.dumps(body)
        try:
            url = Url(self._base_url + path)
            whole = Url(url.copy_merge_params(list(params))) if params else url
            return Request(method, whole, JSON_HEADERS, content)
        except httpx.InvalidURL as error:
            raise Unavailable(f"No valid URL can be built from the provider's data: {error}.") from error

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _admit(self, request: Request) -> Reply:
        if self._before_request is not None:
            await self._before_request()
        return await self.exchange(request)

    def _answer(self, raw: RawAnswer, latency_ms: int) -> Answer:
        headers = {name.decode("latin-1"): _header_text(value) for name, value in reversed(raw.headers)}
        at = self._now()
        self._dated = (headers.get("date", ""), at)
        named = next(filter(None, map(headers.get, _REQUEST_IDS)), None)
        if raw.status in (401, 403):
            self._read_credentials_again()
        return Answer(
            status=raw.status,
            headers=headers,
            body=self._echoes.hide(raw.body, in_success=200 <= raw.status < 300),
            latency_ms=latency_ms,
            request_id=None if named is None else clean(self._scrub(named), LONGEST_NAME),
            at=at,
        )

    def _read_credentials_again(self) -> None:
        with suppress(DrumbeatError):  # the user must see the refusal; the old key will be refused again
            self._hold(self._credentials())

    def _hold(self, secrets: Headers) -> None:
        self._secrets = dict(secrets)
        self._echoes.know(value.rpartition(" ")[2] for value in self._secrets.values())

    def _scrub(self, text: str) -> str:
        """`text` without our secrets, in case the provider returned them."""
        return self._echoes.hide(text.encode("utf-8", "replace")).decode()


def _good(reply: Reply) -> Answer:
    """The answer if it is a 2xx; else raises the error for a poller or a command."""
    match reply:
        case Answer(ok=True):
            return reply
        case Answer(status=401 | 403):
            raise AccountError(
                f"The provider refused the account ({reply.status}): {reply.text}",
                hint="Check the account's api_key and its rights.",
            )
        case Answer(status=404):
            raise NotFound(f"The provider does not know this id (404): {reply.text}")
        case Answer():
            raise Unavailable(f"The provider answered {reply.status}: {reply.text}")
        case NotSent():
            raise Unavailable(
                f"The provider cannot be reached: {reply.text}", hint="Check base_url and the network."
            )
        case Unknown():
            raise Unavailable(f"The provider gave no reliable answer: {reply.text}")


def _pause(reply: Reply) -> float | None:
    """How long to wait before the next try; None: do not retry."""
    if not isinstance(reply, Answer) or reply.status != 429:
        return None
    pause = reply.retry_after or 1.0
    return pause if pause <= _PATIENCE else None


def _code(error: Exception, default: str) -> str:
    return str(getattr(error, "code", default))


def _header_text(value: bytes) -> str:
    """The value, whatever bytes it has: an invalid one must not put an accepted message in doubt."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Transport(Protocol):
    async def send(
        self, request: Request, secrets: Headers, departure: Departure, timeout: float
    ) -> RawAnswer: ...

    async def aclose(self) -> None: ...


class HttpxTransport:
    """Sends through a transport of httpx."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(
        self, request: Request, secrets: Headers, departure: Departure, timeout: float
    ) -> RawAnswer:
        """The whole answer. Raises what the transport does, NeverLeft if the gate refuses, and TimeoutError."""
        gate = departure.gate
        if gate is not None and not await gate.open():
            raise NeverLeft(TOO_LATE, "It was too late to send it.")
        departure.at = time.perf_counter()
        if gate is not None and gate.counts:
            gate.passed()
        headers = {**request.headers, **secrets}
        async with asyncio.timeout(timeout):
            response = await self._transport.handle_async_request(
                httpx.Request(request.method, request.url, headers=headers, content=request.content)
            )
            body = await response.aread()
        return RawAnswer(
            response.status_code, [(name.lower(), value) for name, value in response.headers.raw], body
        )

    async def aclose(self) -> None:
        await self._transport.aclose()


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return None if math.isnan(seconds) else seconds


def _seconds_until(value: str, stated_now: str | None, at: datetime | None) -> float | None:
    """Seconds until an HTTP date, by the provider's clock if it states its time."""
    moment = _http_date(value)
    now = _http_date(stated_now or "") or at
    return None if moment is None or now is None else (moment - now).total_seconds()


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _message(data: Any) -> str:
    """The message in an error body: `message`, `error` (a string or an object), and `errors` by field. A message that
    repeats a field's error is left out."""
    if not isinstance(data, dict):
        return ""
    error = data.get("error")
    message = data.get("message") or (error.get("message") if isinstance(error, dict) else error)
    fields = data.get("errors")
    found = {name: _first(one) for name, one in fields.items()} if isinstance(fields, dict) else {}
    general = [str(message)] if message and message not in found.values() else []
    return "; ".join([*general, *(f"{name}: {text}" for name, text in found.items())])


def _first(found: Any) -> str:
    return str(found[0] if isinstance(found, list) and found else found)
