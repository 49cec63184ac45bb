"""Dramatiq on Redis: an asynchronous actor a message, its result kept."""

from __future__ import annotations

import os
import sys

import aiohttp
import dramatiq
from bodies import HEADERS, body, message_id
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=os.environ["PEER_URL"])
broker.add_middleware(AsyncIO())
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["PEER_URL"])))
dramatiq.set_broker(broker)
sessions: list[aiohttp.ClientSession] = []


@dramatiq.actor(store_results=True)
async def send(number: int) -> str:
    if not sessions:
        sessions.append(aiohttp.ClientSession(headers=HEADERS))
    async with sessions[0].post(os.environ["PEER_ADDRESS"], data=body(number)) as answer:
        answer.raise_for_status()
        return message_id(await answer.read())


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        for number in range(int(sys.argv[3])):
            send.send(number)
    else:
        os.execvp(
            sys.executable,
            [sys.executable, "-m", "dramatiq", "dramatiq_tasks", "--processes", "1", "--threads", "100"],
        )
