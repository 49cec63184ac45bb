"""Procrastinate on PostgreSQL: a task a message."""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp
import procrastinate
from bodies import HEADERS, body, message_id

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["PEER_URL"]))
sessions: list[aiohttp.ClientSession] = []


@app.task(name="send")
async def send(number: int) -> str:
    if not sessions:
        sessions.append(aiohttp.ClientSession(headers=HEADERS))
    async with sessions[0].post(os.environ["PEER_ADDRESS"], data=body(number)) as answer:
        answer.raise_for_status()
        return message_id(await answer.read())


async def fill(size: int) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await send.batch_defer_async(*({"number": number} for number in range(size)))


async def work() -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=100, wait=True)


if __name__ == "__main__":
    import procrastinate_tasks as named  # so that a task's name is not that of the main program

    asyncio.run(named.fill(int(sys.argv[3])) if sys.argv[1] == "fill" else named.work())
