"""Webhooks as Meta posts them, and a process of its own that posts them as fast as they are answered."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Final

import orjson

from benchmarks.seeding import ACCOUNT, BEGUN, SENDER
from providers.meta.settings import MetaAccount
from terminal.running import run_loop

CONNECTIONS: Final = 64
SECRET: Final = "the secret of the benchmarks"
SECRET_PLACE: Final = "DRUMBEAT_BENCH_SECRET"
SENT_AT: Final = int(BEGUN.timestamp())
"""The provider's clock, in Unix seconds."""
NUMBER_ID: Final = "106540352242922"
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Posted:
    """How one round of posting went."""

    answered: int
    seconds: float
    busy: float
    """The poster's own share of a processor: at 1 it would be what is measured."""

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


def hooked_accounts() -> dict[str, MetaAccount]:
    """The account whose webhooks these are."""
    os.environ[SECRET_PLACE] = SECRET
    secret = f"env:{SECRET_PLACE}"
    sender = {"name": SENDER, "phone_number_id": NUMBER_ID}
    settings = {"adapter": "meta", "api_key": secret, "app_secret": secret, "senders": [sender]}
    return {ACCOUNT: MetaAccount.model_validate(settings)}


def message_id(number: int) -> str:
    """As Meta's are: long, and in no order."""
    return f"wamid.{random.Random(number).randbytes(27).hex()}"


def body(numbers: Sequence[int], status: str = "delivered") -> bytes:
    """One POST of statuses of the messages of these numbers."""
    return orjson.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "102290129340398", "changes": [_change(numbers, status)]}],
        }
    )


def _change(numbers: Sequence[int], status: str) -> dict[str, object]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": NUMBER_ID}
    statuses = [_status(number, status) for number in numbers]
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": statuses}
    return {"value": value, "field": "messages"}


def _status(number: int, status: str) -> dict[str, object]:
    return {
        "id": message_id(number),
        "status": status,
        "timestamp": str(SENT_AT + number % 1000),
        "recipient_id": f"4477{number:08}",
        "biz_opaque_callback_data": f"0123456789abcdef.{number}",
        "conversation": {"id": f"{number:032x}", "origin": {"type": "marketing"}},
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"},
    }


def request(path: str, content: bytes) -> bytes:
    """The POST, signed, as it goes over the wire."""
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: hooks.bench.test\r\nuser-agent: facebookexternalua\r\naccept: */*\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
        f"x-hub-signature-256: sha256={signature}\r\n\r\n"
    )
    return head.encode() + content


class Poster:
    """A context: the process that posts."""

    def __enter__(self) -> Poster:
        self._pool: Pool = get_context("spawn").Pool(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def post(
        self, port: int, path: str, numbers: range, per_post: int, seconds: float | None = None
    ) -> Posted:
        """Post a status of each message of these numbers, once over, or again and again for so long.

        Raises RuntimeError at another answer than 200.
        """
        return self._pool.apply(_post, (port, path, numbers, per_post, seconds))


def _post(port: int, path: str, numbers: range, per_post: int, seconds: float | None) -> Posted:
    bodies = (body(numbers[start : start + per_post]) for start in range(0, len(numbers), per_post))
    requests = [request(path, content) for content in bodies]
    return run_loop(_post_all(port, requests, seconds))


async def _post_all(port: int, requests: Sequence[bytes], seconds: float | None) -> Posted:
    round_ = _Round(iter(requests) if seconds is None else cycle(requests))
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        transport, connection = await loop.create_connection(lambda: _Connection(round_), "127.0.0.1", port)
        connection.transport = transport
        round_.connections.append(connection)
    began, worked = time.perf_counter(), time.process_time()
    round_.until = began + (PATIENCE if seconds is None else seconds)
    for connection in round_.connections:
        connection.send_next()
    async with asyncio.timeout(PATIENCE + (seconds or 0)):
        await round_.ended.wait()
    elapsed = time.perf_counter() - began
    if round_.trouble is not None:
        raise RuntimeError(round_.trouble)
    return Posted(round_.answered, elapsed, (time.process_time() - worked) / elapsed)


class _Round:
    """What the connections of one round share."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.connections: list[_Connection] = []
        self.resting = 0
        self.answered = 0
        self.until = 0.0
        self.ended = asyncio.Event()
        self.trouble: str | None = None


class _Connection(asyncio.Protocol):
    """One kept-alive connection: the next request goes out when the last is answered."""

    transport: asyncio.Transport

    def __init__(self, round_: _Round) -> None:
        self._round = round_

    def data_received(self, data: bytes) -> None:
        # An answer without a body, which an answer of 200 is here, comes in one piece.
        if not data.startswith(b"HTTP/1.1 200") or not data.endswith(b"\r\n\r\n"):
            self._leave(f"answered: {data[:200]!r}")
            return
        self._round.answered += 1
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._round.ended.is_set():
            self._leave("the server closed a connection")

    def send_next(self) -> None:
        round_ = self._round
        content = next(round_.requests, None) if time.perf_counter() < round_.until else None
        if content is not None:
            self.transport.write(content)
            return
        round_.resting += 1
        if round_.resting == len(round_.connections):
            round_.ended.set()

    def _leave(self, why: str) -> None:
        self._round.trouble = why
        self._round.ended.set()
