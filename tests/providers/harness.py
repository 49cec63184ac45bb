"""What the tests of an adapter against its emulator share: an account at the emulator, and a receiver of its webhooks.

The fixtures `emulator` and `running` are in this folder's conftest.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

import pytest
from aiohttp import web

from campaigns.errors import AccountError
from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Accepted, Refused, Result
from providers.adapter import Adapter, Call
from providers.events import Event, WebhookRequest
from providers.http.client import Http, Reply
from tests.support.emulator import Emulator

KEY, HOOK_SECRET = "EMULATOR_KEY", "EMULATOR_HOOK_SECRET"
"""The variables that hold an account's secrets; the fixture `emulator` sets them."""
SIGNING = "hook-Jt3-secret"
PATIENCE = 20.0
PERSON = "+447700900123"
HELLO = Content(MessageType.TEXT, "Hello")

A = TypeVar("A", bound=Adapter)


class EmulatedAccount(Generic[A]):
    """An adapter and its connection to the emulator; `keys` are those of the account in drumbeat.toml."""

    reference: ClassVar[str] = "run.7"
    """Of a message that is sent without another."""

    def __init__(
        self, emulator: Emulator, adapter: type[A], keys: Mapping[str, Any], timeout: float = 10.0
    ) -> None:
        name = adapter.name
        self.emulator = emulator
        self.settings = adapter.account_settings.model_validate(
            {"adapter": name, "api_key": f"env:{KEY}", **keys}
        )
        self.adapter = adapter(self.settings)
        self.http = Http(self.settings.base_url, self.adapter.credentials, timeout=timeout)
        [self.sender] = self.settings.senders

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def control(self, name: str, body: Any) -> Any:
        """One call of the provider's own control plane."""
        return self.emulator.control("POST", f"/{self.settings.adapter}/_control/{name}", body)

    async def exchange(self, call: Call) -> tuple[Reply, list[Result]]:
        reply = await self.http.exchange(self.adapter.build(call))
        return reply, self.adapter.read(reply, call)

    async def send(self, to: str = PERSON, content: Content = HELLO, reference: str | None = None) -> Result:
        assert self.adapter.unsendable(content) is None
        names = reference if reference is not None else self.reference
        call = Call(self.sender, (to,), content, references=(names,) if names else ())
        prepared = await self.adapter.prepare(self.http, call)
        if isinstance(prepared, Refused):
            return prepared
        _, [result] = await self.exchange(prepared)
        return result

    async def accepted(self, to: str = PERSON, content: Content = HELLO, reference: str | None = None) -> str:
        """Send a message that must be accepted; its id."""
        result = await self.send(to, content, reference)
        assert isinstance(result, Accepted), result
        return result.message_id

    async def refused(self, to: str = PERSON, content: Content = HELLO) -> Refused:
        result = await self.send(to, content)
        assert isinstance(result, Refused), result
        return result

    async def window(self, to: str = PERSON) -> datetime | None:
        return await self.adapter.window(self.http, self.sender, to)

    async def refuses_another_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(KEY, "another-key")
        http = Http(self.settings.base_url, self.adapter.credentials)
        with pytest.raises(AccountError):
            await self.adapter.check(http)
        await http.aclose()


@dataclass
class Receiver:
    """Our side of the webhook: every request that arrived, verified and read by the adapter."""

    adapter: Adapter
    url: str = ""
    refusals: int = 0
    """How many of the next deliveries are answered with an error."""
    requests: list[WebhookRequest] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def post(self, request: web.Request) -> web.Response:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhook = WebhookRequest(str(request.url), headers, await request.read(), datetime.now(UTC))
        if not self.adapter.verify(webhook):
            return web.Response(status=401)
        async with self._arrived:
            self.requests.append(webhook)
            self.events += self.adapter.parse_webhook(webhook)
            self._arrived.notify_all()
        return web.Response()

    async def get(self, request: web.Request) -> web.Response:
        answer = self.adapter.handshake(request.query)
        return web.Response(status=403) if answer is None else web.Response(text=answer)

    async def until(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """All events so far, once they are enough."""
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: enough(self.events))
        return self.events

    async def receive(self, count: int) -> list[Event]:
        """All events so far, once there are that many."""
        return await self.until(lambda events: len(events) >= count)


@asynccontextmanager
async def receiving(account: EmulatedAccount[Any], **options: Any) -> AsyncIterator[Receiver]:
    """A receiver that the emulator sends the account's webhooks to; `options` are those of the webhook's control."""
    receiver, app = Receiver(account.adapter), web.Application()
    app.router.add_post("/webhooks/account", receiver.post)
    app.router.add_get("/webhooks/account", receiver.get)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/account"
        await subscribe(account, receiver, **options)
        yield receiver
    finally:
        await runner.cleanup()


async def subscribe(account: EmulatedAccount[Any], receiver: Receiver, **options: Any) -> None:
    """Set the webhook up, in a thread: the emulator may verify the URL first, which this loop must answer."""
    body = {"url": receiver.url, "secret": SIGNING, **options}
    await asyncio.to_thread(account.control, "webhook", body)
