"""What a new draft begins with: nothing, a campaign file, or the message and rules of an earlier campaign."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from app.actions.drafts.drafts import Draft, create_draft, drafts_folder
from app.actions.drafts.lists import receive_list, upload_of
from app.wiring.settings import Settings
from campaigns.atomic_files import write_blocks
from campaigns.bounded_files import open_source
from campaigns.errors import InvalidInput
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.media_files import tables_with_files
from campaigns.spec.toml_edits import written
from campaigns.spec.toml_files import parse_toml
from storage.audience.campaigns import loaded_campaigns, require
from storage.database.engine import Connection, Engine, reading
from storage.sending.media import find_media


async def start_draft(engine: Engine, settings: Settings, name: str) -> Draft:
    """An empty draft. Raises InvalidInput if the name is taken or cannot be one."""
    await _refuse_taken(engine, name)
    return await create_draft(settings, name)


async def draft_from_file(engine: Engine, settings: Settings, name: str, content: bytes) -> Draft:
    """A draft from a campaign file; without `name`, under the name in the file. Raises SpecError if it is no TOML."""
    file = parse_toml(Path("The file"), content)
    own = file.data.get("name")
    name = name or (own if isinstance(own, str) else "")
    await _refuse_taken(engine, name)
    return await create_draft(settings, name, content.decode("utf-8-sig"))


async def draft_like(engine: Engine, settings: Settings, source: str, name: str) -> Draft:
    """A draft with message, rules and, if it was uploaded here, list of a campaign, but without its start time. Raises
    NotFound without such a campaign."""
    async with reading(engine) as connection:
        spec = (await require(connection, source)).spec
        media = await _media_of(connection, spec)
    await _refuse_taken(engine, name)
    draft = await create_draft(settings, name, written(_data(spec)))
    for file, content in media.items():
        await asyncio.to_thread(write_blocks, draft.folder / file, [content])
    csv, folder = spec.audience.csv, drafts_folder(settings) / source
    if csv is not None and csv.parent == folder and csv.is_file() and not csv.is_symlink():
        upload = await asyncio.to_thread(upload_of, folder)
        shown = upload.name if upload is not None else csv.name
        return (await receive_list(settings, name, shown, _blocks(csv))).draft
    return draft


async def _media_of(connection: Connection, spec: CampaignSpec) -> dict[str, bytes]:
    """The media files that the campaign names, as they were loaded."""
    found = {
        table["file"]: await find_media(connection, table.get("digest") or "")
        for _, table in tables_with_files(spec.model_dump())
    }
    return {name: file.content for name, file in found.items() if file is not None}


def _data(spec: CampaignSpec) -> dict[str, Any]:
    """The campaign file's keys, without those that have their default."""
    data = spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    schedule = data.get("schedule", {})
    schedule.pop("at", None)
    for _, table in tables_with_files(data):
        table.pop("digest", None)
    return {key: value for key, value in data.items() if value != {}}


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    for block in open_source(path, again=False).blocks():
        yield block


async def _refuse_taken(engine: Engine, name: str) -> None:
    async with reading(engine) as connection:
        if name in await loaded_campaigns(connection, [name]):
            raise InvalidInput(f"There is a campaign {name!r} already.", hint="Choose another name.")
