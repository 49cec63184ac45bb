"""The media files of a stored campaign that is to be sent once more: cloned, tested, or retried."""

from __future__ import annotations

from datetime import datetime

from campaigns.errors import InvalidInput
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.media_files import tables_with_files
from storage.database.engine import Connection
from storage.sending.media import renew_media


async def keep_stored_media(connection: Connection, spec: CampaignSpec, now: datetime) -> None:
    """Keep the files that it names as if they were loaded now. Raises InvalidInput where one has been purged."""
    tables = [table for _, table in tables_with_files(spec.model_dump())]
    files = {table["digest"]: table["file"] for table in tables if table.get("digest")}
    stored = await renew_media(connection, files, now) if files else set()
    if gone := sorted({name for digest, name in files.items() if digest not in stored}):
        raise InvalidInput(
            f"The media of {spec.name} were purged: {', '.join(gone)}.",
            hint="Give the campaign file another name, and load it with its media files and its list.",
        )
