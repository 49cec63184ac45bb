"""A careful script on SQLite: each message's state is committed before its call and after it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator

import aiohttp
from bodies import HEADERS, body, message_id


def opened() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ["PEER_URL"], isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def fill(size: int) -> None:
    connection = opened()
    connection.execute("CREATE TABLE messages (number INTEGER PRIMARY KEY, state TEXT, id TEXT)")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO messages VALUES (?, 'waiting', NULL)", ((number,) for number in range(size))
    )
    connection.execute("COMMIT")


async def work() -> None:
    connection = opened()
    waiting = connection.execute("SELECT number FROM messages WHERE state = 'waiting'").fetchall()
    numbers = iter([number for (number,) in waiting])
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        await asyncio.gather(*(send_each(connection, session, numbers) for _ in range(100)))
    await asyncio.Event().wait()


async def send_each(
    connection: sqlite3.Connection, session: aiohttp.ClientSession, numbers: Iterator[int]
) -> None:
    for number in numbers:
        connection.execute("UPDATE messages SET state = 'sending' WHERE number = ?", (number,))
        async with session.post(os.environ["PEER_ADDRESS"], data=body(number)) as answer:
            answer.raise_for_status()
            sent = message_id(await answer.read())
        connection.execute("UPDATE messages SET state = 'sent', id = ? WHERE number = ?", (sent, number))


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(int(sys.argv[3]))
    else:
        asyncio.run(work())
