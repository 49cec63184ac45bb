"""How much room drafts may take on the disk, with their lists and uploaded media: each of them, and all together."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.wiring.settings import DraftsSettings
from campaigns.errors import InvalidInput

_MB: Final = 1 << 20


async def within_room(
    limits: DraftsSettings, draft: Path, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The chunks of a file that is uploaded to the draft in this folder. Raises InvalidInput as soon as there is no
    room for more: the rest is not read."""
    mine, whole = await asyncio.to_thread(_room, limits, draft)
    size = 1
    async for chunk in chunks:
        _refuse(limits, mine - size, whole - size)
        size += len(chunk)
        yield chunk
    # Others may have come meanwhile. What is held has this file in it by now.
    _refuse(limits, *await asyncio.to_thread(_room, limits, draft))
    _refuse(limits, mine - size + 1, whole - size + 1)


def refuse_full(limits: DraftsSettings, draft: Path, more: int) -> None:
    """Raise InvalidInput where the draft in this folder has no room for so many more bytes; what makes it smaller is
    always possible."""
    if more <= 0:
        return
    mine, whole = _room(limits, draft)
    _refuse(limits, mine - more, whole - more)


def held_bytes(folder: Path) -> int:
    """What the files in the folder and below it hold, also those that are still being written."""
    found = 0
    for within, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # others upload and delete meanwhile
                held = os.lstat(os.path.join(within, name))
                found += 0 if stat.S_ISLNK(held.st_mode) else held.st_size
    return found


def _room(limits: DraftsSettings, draft: Path) -> tuple[int, int]:
    """Bytes that are left to the draft, and to all drafts; negative: they hold too much."""
    return limits.max_mb * _MB - held_bytes(draft), limits.max_mb_together * _MB - held_bytes(draft.parent)


def _refuse(limits: DraftsSettings, mine: int, whole: int) -> None:
    if mine < 0:
        raise InvalidInput(
            f"There is no room for this: a draft may hold {limits.max_mb} MB, with its list and its media files.",
            hint="Use a smaller file, or begin a new draft with only the files that it needs.",
        )
    if whole < 0:
        raise InvalidInput(
            f"There is no room for this: all drafts together may hold {limits.max_mb_together} MB.",
            hint="Delete drafts that were sent or are no longer needed. "
            "An administrator can allow more: max_mb_together of [drafts] in drumbeat.toml.",
        )
