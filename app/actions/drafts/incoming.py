"""A file that is uploaded, written piece by piece into a folder that nothing reads, and gone at the end."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, NamedTuple

from app.actions.drafts.drafts import sweep
from campaigns.atomic_files import WholeFile
from campaigns.errors import InvalidInput

_BLOCK: Final = 1 << 20


class Incoming(NamedTuple):
    path: Path
    digest: str
    """SHA-256."""
    size: int


@asynccontextmanager
async def incoming(
    beside: Path, name: str, chunks: AsyncIterator[bytes], most: int, too_large: InvalidInput
) -> AsyncIterator[Incoming]:
    """The whole file in a folder of its own below `beside`. Raises `too_large` where it has more bytes than `most`, and
    InvalidInput where it is empty."""
    file, path = await asyncio.to_thread(_begin, beside, name)
    digest, size, waiting = hashlib.sha256(), 0, bytearray()

    def store(block: bytes) -> None:
        digest.update(block)
        file.bytes.write(block)

    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise too_large
            waiting += chunk
            if len(waiting) >= _BLOCK:
                await asyncio.to_thread(store, bytes(waiting))
                waiting.clear()
        if not size:
            raise InvalidInput("No file was chosen, or it is empty.", hint="Choose a file.")
        await asyncio.to_thread(store, bytes(waiting))
        await asyncio.to_thread(file.replace)
        yield Incoming(path, digest.hexdigest(), size)
    finally:
        await asyncio.to_thread(shutil.rmtree, path.parent, True)
        await asyncio.to_thread(file.drop)


def _begin(beside: Path, name: str) -> tuple[WholeFile, Path]:
    """A file in a folder of its own, so that two uploads of one name are two; and where it will be."""
    beside.mkdir(mode=0o700, exist_ok=True)
    sweep(beside)
    place = Path(mkdtemp(prefix=".in-", dir=beside)) / name
    return WholeFile(place), place
