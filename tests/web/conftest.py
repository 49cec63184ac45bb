"""The ingress in memory: its ASGI app with its lifespan, on both databases, and the account `hooked` that signs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, select
from starlette.applications import Starlette

from scheduler.receipts.inbox import process_inbox
from scheduler.sending.lanes import Account
from storage.database.compression import unpack
from storage.database.engine import BlockingConnection, BlockingEngine, Engine, reading
from storage.tables.receipts import webhook_refusals, webhooks
from tests.support.campaigns import later
from tests.web.signing import SIGNATURE, body_of, sign, signing_account
from web.webhooks.ingress import create_app


@dataclass
class Hooks:
    """A database, an account and its address."""

    engine: Engine
    accounts: Mapping[str, Account]
    app: Starlette
    client: httpx.AsyncClient

    async def post(
        self, body: bytes, account: str = "hooked", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """A signed webhook, unless `headers` say otherwise."""
        signed = {SIGNATURE: sign(body)} if headers is None else dict(headers)
        return await self.client.post(f"/webhooks/{account}", content=body, headers=signed)

    async def tell(self, *events: Mapping[str, Any]) -> None:
        assert (await self.post(body_of(*events))).status_code == 200

    async def process(self, seconds: float = 1_000) -> int:
        return await process_inbox(self.engine, self.accounts, now=lambda: later(seconds))

    async def stored(self) -> list[Any]:
        """Every webhook, its body as it arrived."""
        async with reading(self.engine) as connection:
            rows = await connection.execute(select(webhooks).order_by(webhooks.c.id))
        return [SimpleNamespace(**{**row._mapping, "body": _whole(row)}) for row in rows]

    async def refused(self) -> dict[str, int]:
        async with reading(self.engine) as connection:
            rows = await connection.execute(select(webhook_refusals.c.account, webhook_refusals.c.count))
            return {row.account: row.count for row in rows}

    async def count(self, table: Any) -> int:
        async with reading(self.engine) as connection:
            return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


def _whole(row: Any) -> bytes:
    return row.body if row.size is None else unpack(row.body)


@asynccontextmanager
async def hooks_on(engine: Engine, accounts: Mapping[str, Account], **options: Any) -> AsyncIterator[Hooks]:
    """The ingress while the context lasts; leaving it is its shutdown."""
    app = create_app(engine, accounts, **{"now": lambda: later(100), **options})
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://hooks.test") as client,
    ):
        yield Hooks(engine, accounts, app, client)


@pytest.fixture
async def accounts() -> AsyncIterator[dict[str, Account]]:
    account = signing_account()
    yield {account.name: account}
    await account.http.aclose()


@pytest.fixture
async def hooks(engine: Engine, accounts: dict[str, Account]) -> AsyncIterator[Hooks]:
    async with hooks_on(engine, accounts) as made:
        yield made


@pytest.fixture
async def sqlite_hooks(sqlite_engine: Engine, accounts: dict[str, Account]) -> AsyncIterator[Hooks]:
    async with hooks_on(sqlite_engine, accounts) as made:
        yield made


@pytest.fixture
def commits() -> Iterator[Callable[[Engine], list[int]]]:
    """Count a database's commits from now on, whichever engine makes them."""
    seen: dict[str | None, list[int]] = {}

    def see(connection: BlockingConnection) -> None:
        seen.setdefault(connection.engine.url.database, []).append(1)

    def count(engine: Engine) -> list[int]:
        seen[engine.url.database] = []
        return seen[engine.url.database]

    event.listen(BlockingEngine, "commit", see)
    yield count
    event.remove(BlockingEngine, "commit", see)
