"""Hands every connection on: `python -m tests.support.forward tcp:8080 unix:/tmp/way`. Ends with its parent.

A network namespace has no way out of itself but files: two of these make one, through a socket in a folder.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from functools import partial

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def forward(listen: str, target: str) -> None:
    """Runs until the parent has ended. An address is `tcp:PORT` on this machine or `unix:PATH`."""
    parent = os.getppid()
    take = partial(_take, target)
    kind, _, where = listen.partition(":")
    if kind == "unix":
        server = await asyncio.start_unix_server(take, where)
    else:
        server = await asyncio.start_server(take, "127.0.0.1", int(where))
    async with server:
        print("ready", flush=True)
        while os.getppid() == parent:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def _take(target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        far_reader, far_writer = await _connect(target)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    except OSError:
        writer.close()


async def _connect(target: str) -> Streams:
    kind, _, where = target.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(where)
    return await asyncio.open_connection("127.0.0.1", int(where))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end, however it comes: a reset is handed on as a close."""
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(forward(*sys.argv[1:3]))
