"""taskiq on a Redis stream: an asynchronous task a message, acknowledged after it was sent, its result kept."""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp
from bodies import HEADERS, body, message_id
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["PEER_URL"]
broker = RedisStreamBroker(URL, xread_count=100).with_result_backend(RedisAsyncResultBackend(URL))
sessions: list[aiohttp.ClientSession] = []


@broker.task
async def send(number: int) -> str:
    if not sessions:
        sessions.append(aiohttp.ClientSession(headers=HEADERS))
    async with sessions[0].post(os.environ["PEER_ADDRESS"], data=body(number)) as answer:
        answer.raise_for_status()
        return message_id(await answer.read())


async def fill(size: int) -> None:
    await broker.startup()
    for number in range(size):
        await send.kicker().with_task_id(str(number)).kiq(number)
    await broker.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        import taskiq_tasks as named  # so that a task's name is not that of the main program

        asyncio.run(named.fill(int(sys.argv[3])))
    else:
        command = ["taskiq", "worker", "taskiq_tasks:broker", "--workers", "1", "--max-async-tasks", "100"]
        os.execvp(sys.executable, [sys.executable, "-m", *command, "--ack-type", "when_executed"])
