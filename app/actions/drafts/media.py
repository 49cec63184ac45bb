"""The media files of a draft: uploaded in the browser, kept beside its campaign file, which names them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from app.actions.drafts.drafts import Draft, drafts_folder, held, is_file_name, read_draft, write_section
from app.actions.drafts.incoming import incoming
from app.actions.drafts.lists import BESIDE
from app.actions.drafts.quota import within_room
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from campaigns.message.message_types import KINDS
from campaigns.spec.media_files import (
    LARGEST,
    LIMITS,
    SUFFIXES,
    content_type_of,
    misfit,
    tables_with_files,
)
from campaigns.spec.toml_files import Loc, loc_of

PLACE: Final = re.compile(
    r"content\.(?:images\[0\]|video|audio|document|sticker|template\.(?:cards\[\d\]\.)?header\.(?:image|video|document))"
)
"""The keys of a campaign file that may name an uploaded file."""
_LONGEST: Final = 80


def kind_of_place(place: str) -> str:
    """What is sent there: image, video, audio, document or sticker. Raises NotFound for a key that names no file."""
    if not PLACE.fullmatch(place):
        raise NotFound("There is no such page.")
    last = place.rpartition(".")[2]
    return "image" if last == "images[0]" else last


def limit_of_place(place: str) -> str:
    """What may be uploaded for that key, and how large it may be."""
    limit = LIMITS[kind_of_place(place)]
    size = f"{limit.bytes >> 20} MB" if limit.bytes >= 1 << 20 else f"{limit.bytes >> 10} kB"
    return f"{limit.named}, up to {size}"


@act("draft.media")
async def receive_media(
    settings: Settings, name: str, place: str, filename: str, chunks: AsyncIterator[bytes]
) -> Draft:
    """Keep the uploaded file, and make the message use it at the key `place`. What it is follows from its content.
    Raises NotFound, InvalidInput if it is empty, too large, or none that can be sent there."""
    kind_of_place(place)
    draft = await asyncio.to_thread(read_draft, settings, name)
    too_large = InvalidInput(
        f"{filename[:_LONGEST]} is larger than {LARGEST >> 20} MB.",
        hint="Put it on the web, and give its address.",
    )
    fitting = within_room(settings.drafts, draft.folder, chunks)
    async with incoming(draft.folder / BESIDE, "media", fitting, LARGEST, too_large) as file:
        return await asyncio.to_thread(_take, settings, name, place, filename, file.path)


async def media_of(settings: Settings, name: str, file: str) -> tuple[Path, str]:
    """A media file that the draft's campaign file names, and its type by its content. Raises NotFound."""
    return await asyncio.to_thread(_find, settings, name, file)


def _take(settings: Settings, name: str, place: str, filename: str, path: Path) -> Draft:
    content = path.read_bytes()
    if (problem := misfit(kind_of_place(place), content)) is not None:
        raise InvalidInput(f"{filename[:_LONGEST]} {problem}.", hint="Choose another file.")
    with held(drafts_folder(settings) / name):
        draft = read_draft(settings, name)
        kept = _free(draft.folder, filename, SUFFIXES[content_type_of(content) or ""], content)
        path.replace(kept)
        saved = write_section(draft, _using(draft, place, kept.name))
        for old in named_media(draft) - named_media(saved):
            if draft.folder / old != draft.list_path:
                (draft.folder / old).unlink(missing_ok=True)
        return saved


def _using(draft: Draft, place: str, file: str) -> dict[Loc, Any]:
    """The changes that make the message use the file there; a message has one kind."""
    content = deepcopy(draft.data.get("content"))
    data: dict[str, Any] = content if isinstance(content, dict) else {}
    _, *around, last = loc_of(place)
    table: Any = data
    for part, below in zip(around, [*around, last][1:], strict=True):
        table = _inner(table, part, [] if isinstance(below, int) else {})
    _inner(table, last, {})
    spot = table[last]
    for other in ("url", "id", "digest"):
        spot.pop(other, None)
    spot["file"] = file
    top = str(loc_of(place)[1])
    changes: dict[Loc, Any] = {("content", top): data[top]}
    if top in KINDS:
        changes |= {
            ("content", other): None for other in (*KINDS, "header") if other != top and other in data
        }
    return changes


def _inner(table: Any, part: int | str, empty: Any) -> Any:
    """What is there, or `empty` put there."""
    if isinstance(part, int):
        while len(table) <= part:
            table.append({})
    elif not isinstance(table.get(part), type(empty)):
        table[part] = empty
    return table[part]


def _free(folder: Path, filename: str, suffix: str, content: bytes) -> Path:
    """A name like the uploaded file's, with the ending of what it is."""
    stem = re.split(r"[/\\]", filename)[-1].rpartition(".")[0] or filename
    plain = re.sub(r"[^\w-]+", "-", stem).strip("-_")[:_LONGEST].encode()[:_LONGEST].decode(errors="ignore")
    place, number = folder / f"{plain or 'file'}{suffix}", 2
    while os.path.lexists(place) and not _holds(place, content):
        place, number = folder / f"{plain or 'file'}-{number}{suffix}", number + 1
    return place


def _holds(place: Path, content: bytes) -> bool:
    return place.is_file() and not place.is_symlink() and place.read_bytes() == content


def named_media(draft: Draft) -> set[str]:
    """The media files that the campaign file names."""
    found = {str(table["file"]) for _, table in tables_with_files(draft.data)}
    return {name for name in found if is_file_name(name)}


def _find(settings: Settings, name: str, file: str) -> tuple[Path, str]:
    draft = read_draft(settings, name)
    path = draft.folder / file
    if (
        file not in named_media(draft)
        or path.is_symlink()
        or not path.is_file()
        or path.stat().st_size > LARGEST
    ):
        raise NotFound("There is no such file.")
    found = content_type_of(path.read_bytes())
    if found is None or path == draft.list_path:
        raise NotFound("There is no such file.")
    return path, found
