"""Uploaded media files that no draft names any more: what campaigns send is stored with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from app.actions.drafts.drafts import FILE, drafts_folder, held, is_draft_name, read_draft
from app.actions.drafts.media import named_media
from app.wiring.settings import Settings
from campaigns.errors import NotFound


def count_unnamed(settings: Settings, before: datetime) -> int:
    """How many there are in all drafts that were uploaded before that."""
    return sum(len(_unnamed(settings, name, before)) for name in _names(settings))


def delete_unnamed(settings: Settings, before: datetime) -> int:
    """Delete them; how many."""
    deleted = 0
    for name in _names(settings):
        with suppress(NotFound), held(drafts_folder(settings) / name):
            for place in _unnamed(settings, name, before):
                place.unlink(missing_ok=True)
                deleted += 1
    return deleted


def _names(settings: Settings) -> Iterator[str]:
    folder = drafts_folder(settings)
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return (place.name for place in places if is_draft_name(place.name) and place.is_dir())


def _unnamed(settings: Settings, name: str, before: datetime) -> list[Path]:
    try:
        draft = read_draft(settings, name)
    except NotFound:
        return []
    if not draft.data:  # its campaign file cannot be read, so nobody knows what it names
        return []
    audience = draft.data.get("audience")
    csv = audience.get("csv") if isinstance(audience, dict) else None
    kept = {FILE, csv, *named_media(draft)}
    return [
        place
        for place in sorted(draft.folder.iterdir())
        if place.is_file() and not place.name.startswith(".") and place.name not in kept
        if place.stat().st_mtime < before.timestamp()
    ]
