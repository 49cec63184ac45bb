"""Load a draft as a campaign, and start it: once, however often it is asked for."""

from __future__ import annotations

import asyncio
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from app.actions.campaign_media import with_media
from app.actions.drafts.drafts import Draft, StaleDraft, held_draft
from app.actions.drafts.lists import BESIDE
from app.actions.loading import Flags, load_campaign
from app.actions.open_campaign import OPEN
from app.actions.scheduling import TimeFlags, start_of
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.media_files import tables_with_files
from campaigns.states import CampaignState
from campaigns.time.clock import Now, utc_now
from storage.audience.campaigns import Campaign, find, require
from storage.database.engine import Connection, Engine, reading
from storage.views.estimates import count_recipients

REJECTS: Final = "rejected-at-load.csv"


def review_key(draft: Draft) -> str:
    """The file, the list and the media files as they are: what is sent must be what was reviewed."""
    media = [draft.folder / str(table["file"]) for _, table in tables_with_files(draft.data)]
    paths = [path for path in (draft.list_path, *media) if path is not None and path.is_file()]
    places = [(state.st_size, state.st_mtime_ns, state.st_ino) for state in (path.stat() for path in paths)]
    return sha256(repr((draft.digest, places)).encode()).hexdigest()


@frozen
class Sent:
    """What became of the draft."""

    campaign: str
    state: CampaignState
    start_at: datetime | None
    recipients: int
    held: str | None = None
    """Why it needs an approval before it starts."""
    already: bool = False
    """Whether it had been sent before; then nothing was done."""


async def send_draft(
    engine: Engine, settings: Settings, name: str, key: str, *, start: bool = True, now: Now = utc_now
) -> Sent:
    """Load the draft that was reviewed, and start it at its time, or now where it has none. `key`: of the review;
    `start` False: load it without starting it, so that it can be tested first.

    Raises StaleDraft if file or list were changed after the review, Locked while it is being sent by somebody else,
    InvalidInput if another campaign has the name and
    has started, and as `load_campaign` does.
    """
    async with held_draft(settings, name) as draft:
        return await _send(engine, settings, draft, key, start=start, now=now)


async def _send(engine: Engine, settings: Settings, draft: Draft, key: str, *, start: bool, now: Now) -> Sent:
    if draft.spec is None:
        raise draft.problem or InvalidInput(f"The draft {draft.name} is not complete.")
    spec, _ = await asyncio.to_thread(with_media, draft.spec, draft.folder)
    if (done := await _already(engine, spec)) is not None:
        return done
    times = _times(draft.name, spec, now(), start=start)
    rejects = await asyncio.to_thread(_prepared, draft, key)
    flags = Flags(times=times, rejects=rejects, is_whole=True)
    loaded = await load_campaign(engine, settings, draft.path, flags, now=now)
    async with reading(engine) as connection:
        stored = await require(connection, draft.name)
        return await _sent(connection, stored, loaded.held)


def _times(name: str, spec: CampaignSpec, now: datetime, *, start: bool) -> TimeFlags:
    """Its own time, or now if it has none and is to start."""
    has_time = start_of(spec.schedule, TimeFlags(), now) is not None
    if not start and has_time:
        raise InvalidInput(
            f"{name} has a time, at which it would start.", hint="Remove the time in the rules."
        )
    if start and not has_time and spec.schedule.recipient_local_time:
        raise InvalidInput(
            f"{name} has no time, and each person is to get it at that time of their own clock.",
            hint="Set the time in the rules.",
        )
    return TimeFlags(now=start and not has_time)


async def _already(engine: Engine, spec: CampaignSpec) -> Sent | None:
    """The campaign that this draft has become and that has started; None: there is none."""
    async with reading(engine) as connection:
        stored = await find(connection, spec.name)
        if stored is None or stored.state in OPEN or not _is_same(stored.spec, spec):
            return None
        return await _sent(connection, stored, None, already=True)


def _is_same(stored: CampaignSpec, spec: CampaignSpec) -> bool:
    """But for its time, which starting it may set."""
    one, other = (each.model_dump(mode="json", exclude={"schedule"}) for each in (stored, spec))
    return one == other


async def _sent(connection: Connection, stored: Campaign, held: str | None, *, already: bool = False) -> Sent:
    recipients = await count_recipients(connection, stored.id)
    return Sent(stored.name, stored.state, stored.start_at, recipients, held, already)


def _prepared(draft: Draft, key: str) -> Path:
    """Where rejected rows go. Raises StaleDraft if this is not what was reviewed."""
    if review_key(draft) != key:
        raise StaleDraft(
            hint="Look at the review again: the campaign file or the list is not what it showed."
        )
    (draft.folder / BESIDE).mkdir(mode=0o700, exist_ok=True)
    return draft.folder / BESIDE / REJECTS
