"""An address on this machine that Kapso's emulator can send webhooks to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Hook:
    """What came, in its order: headers with names in lower case, and the raw body."""

    def __init__(self) -> None:
        self.url = ""
        self._came: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._came.put_nowait((headers, await request.read()))
        return web.Response(text="OK")

    async def next(self) -> tuple[dict[str, str], bytes]:
        return await self._came.get()


@asynccontextmanager
async def listening() -> AsyncIterator[Hook]:
    """A hook that listens until the end of the block."""
    hook, app = Hook(), web.Application()
    app.router.add_post("/webhooks/kapso", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/kapso"
        yield hook
    finally:
        await runner.cleanup()
