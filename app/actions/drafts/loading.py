"""A campaign that a program makes: its campaign file and its list are those of a draft, and are loaded as the command
line loads them."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from app.actions.drafts.drafts import (
    Draft,
    StaleDraft,
    create_draft,
    delete_draft,
    held_draft,
    is_draft,
    open_draft,
    read_draft,
    save_text,
)
from app.actions.drafts.lists import BESIDE, receive_list, upload_of
from app.actions.loading import Flags, Loaded, load_campaign
from app.actions.personal_data import allow_list
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from campaigns.time.clock import Now, utc_now
from storage.database.engine import Engine

BLOCK: Final = 1 << 20
_REJECTS: Final = re.compile(r"rejected-[0-9a-f]{12}(-\d+)?\.csv")


async def put_campaign_file(
    settings: Settings, name: str, text: str, seen: Sequence[str] | None = None
) -> tuple[Draft, bool]:
    """Store the campaign file of the draft `name`; whether the draft is new. `seen`: digests of what the caller
    has seen; None: whatever is there. Raises SpecError, StaleDraft, InvalidInput."""
    try:
        known = await open_draft(settings, name)
    except NotFound:
        if seen is not None:
            raise
        return await _created(settings, name, text), True
    return await save_text(settings, name, text, _as_seen(known, seen)), False


async def _created(settings: Settings, name: str, text: str) -> Draft:
    try:
        return await create_draft(settings, name, text)
    except InvalidInput as error:
        if not is_draft(settings, name):
            raise
        raise StaleDraft("It was created meanwhile by somebody else; nothing was saved.") from error


async def delete_campaign_file(settings: Settings, name: str, seen: Sequence[str] | None = None) -> None:
    """Delete the draft with its list. Raises NotFound, StaleDraft."""
    digest = None if seen is None else _as_seen(await open_draft(settings, name), seen)
    await delete_draft(settings, name, digest)


def _as_seen(draft: Draft, seen: Sequence[str] | None) -> str:
    """The digest that the draft must have when it is changed."""
    if seen is None or draft.digest in seen:
        return draft.digest
    raise StaleDraft(hint="Get it again, and send its new ETag.")


async def load_list(
    engine: Engine,
    settings: Settings,
    name: str,
    path: Path,
    *,
    replace: bool = False,
    now: Now = utc_now,
) -> Loaded:
    """Make the file the list of the draft `name`, and load both as `campaign load` does: the good rows become
    recipients, the others are kept, see `rejects_file`. The same list again adds nothing.

    Raises NotFound without a campaign file, StaleDraft if another list came meanwhile, and as `load_campaign` does.
    """
    received = await receive_list(settings, name, path.name, _blocks(path))
    async with held_draft(settings, name) as draft:
        upload = upload_of(draft.folder)
        if upload is None or upload.digest != received.digest:
            raise StaleDraft(hint="Another list was uploaded meanwhile.")
        if draft.problem is not None:
            raise draft.problem
        place = draft.folder / BESIDE / f"rejected-{received.digest[:12]}.csv"
        flags = Flags(rejects=place, replace=replace)
        loaded = await load_campaign(engine, settings, draft.path, flags, now=now)
    if loaded.report.already_loaded and place.is_file():
        return dataclasses.replace(loaded, report=dataclasses.replace(loaded.report, rejects_file=place))
    return loaded


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := await asyncio.to_thread(file.read, BLOCK):
            yield block


async def rejects_file(engine: Engine, settings: Settings, name: str, file: str) -> Path:
    """Rejected rows of a load of the draft `name`. Raises NotFound, Forbidden."""
    await allow_list(engine, name, "rejected rows of the list")
    return await asyncio.to_thread(_rejects_file, settings, name, file)


def _rejects_file(settings: Settings, name: str, file: str) -> Path:
    found = read_draft(settings, name).folder / BESIDE / file
    if not _REJECTS.fullmatch(file) or not found.is_file() or found.is_symlink():
        raise NotFound(f"There is no file {file[:80]!r} of rejected rows.")
    return found
