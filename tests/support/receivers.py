"""Those who are notified: a webhook's server and a mail server on this machine, which fail, hang and come back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

SECRET = "a-secret-of-the-receiver"

Mode = Literal["takes", "fails", "hangs", "takes and breaks off", "asks for patience"]


@dataclass
class WebhookServer:
    """Checks what a receiver of ours is to check, and keeps every event by its id, as the page on it advises."""

    mode: Mode = "takes"
    port: int = 0
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Id -> event, in the order of their first arrival."""
    heads: list[dict[str, str]] = field(default_factory=list)
    """Of every request."""
    began: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each request."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends a request that hangs."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?who=team"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while first := await reader.readline():
                assert first == b"POST /hook?who=team HTTP/1.1\r\n"
                head = await self._head(reader)
                body = await reader.readexactly(int(head["content-length"]))
                self._check(head, body)
                self.heads.append(head)
                self.began.set()
                if not await self._respond(head, json.loads(body), writer):
                    break
        finally:
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> dict[str, str]:
        head = {}
        while (line := await reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            head[name.lower()] = value.strip()
        return head

    def _check(self, head: dict[str, str], body: bytes) -> None:
        signed = f"{head['drumbeat-timestamp']}.".encode() + body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert head["drumbeat-signature"] == f"v1={expected}"

    async def _respond(
        self, head: dict[str, str], event: dict[str, Any], writer: asyncio.StreamWriter
    ) -> bool:
        assert (event["id"], event["event"]) == (head["drumbeat-id"], head["drumbeat-event"])
        if self.mode == "hangs":
            await self.released.wait()
        if self.mode.startswith("takes"):
            self.taken.setdefault(event["id"], event)
        if self.mode == "takes and breaks off":
            return False
        status = {"fails": "500 No", "asks for patience": "429 Slow\r\nRetry-After: 120"}.get(
            self.mode, "204 Ok"
        )
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return True


@asynccontextmanager
async def webhook_server() -> AsyncIterator[WebhookServer]:
    known = WebhookServer()
    async with _served(known.answer) as known.port:
        yield known


@dataclass
class MailServer:
    """Takes mail by SMTP."""

    refuses: bool = False
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def address(self) -> str:
        """As apprise writes it."""
        return f"mailto://127.0.0.1:{self.port}/?from=drumbeat@example.com&to=team@example.com&mode=insecure"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        try:
            while line := await reader.readline():
                match line[:4].upper():
                    case b"DATA":
                        writer.write(b"354 go on\r\n")
                        mail = await reader.readuntil(b"\r\n.\r\n")
                        self.mails.append(message_from_bytes(mail[:-5], policy=policy.default))  # type: ignore[arg-type]
                        writer.write(b"250 taken\r\n")
                    case b"QUIT":
                        writer.write(b"221 bye\r\n")
                        break
                    case b"MAIL" if self.refuses:
                        writer.write(b"451 not now\r\n")
                    case _:
                        writer.write(b"250 fine\r\n")
        finally:
            writer.close()


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    known = MailServer()
    async with _served(known.answer) as known.port:
        yield known


@asynccontextmanager
async def _served(answer: Any) -> AsyncIterator[int]:
    """The port; at the end all connections are cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(kept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
