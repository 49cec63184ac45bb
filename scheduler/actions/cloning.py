"""`campaign clone`: the same message to the same people again, under a name of its own."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from campaigns.errors import InvalidInput
from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.actions.stored_media import keep_stored_media
from storage.audience.campaigns import create, find, lock_name, require_locked
from storage.audience.clones import copy_audience
from storage.database.engine import Connection


async def clone(connection: Connection, name: str, new: str, now: datetime) -> int:
    """Make `new`, a draft like `name` without its start time; returns the number of recipients.

    Raises NotFound, and InvalidInput where the new name is taken or cannot be one, or the list or a media file has been
    purged.
    """
    await lock_name(connection, new)
    source = await require_locked(connection, name)
    if source.purged_at is not None:
        raise InvalidInput(
            f"The list of {name} was purged on {source.purged_at:%Y-%m-%d}; there is nobody to copy.",
            hint="Give the campaign file another name, and load it with its list.",
        )
    spec = _renamed(source.spec, new)
    if await find(connection, new):
        raise InvalidInput(f"There is a campaign {new!r} already.", hint="Choose another name.")
    await keep_stored_media(connection, source.spec, now)
    made = await create(connection, spec, now)
    return await copy_audience(connection, source.id, made.id)


def _renamed(spec: CampaignSpec, new: str) -> CampaignSpec:
    try:
        renamed = CampaignSpec.model_validate({**spec.model_dump(), "name": new})
    except ValidationError as error:
        raise InvalidInput(
            f"{new!r} cannot be a campaign's name.",
            hint="Use up to 80 lower-case letters, digits, - and _, beginning with a letter or a digit.",
        ) from error
    return renamed.changed(schedule={"at": None})
