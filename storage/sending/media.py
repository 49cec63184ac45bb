"""Media files, and the ids under which providers have them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.spec.media_files import MediaFile
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.media import media_files, media_uploads


async def keep_media(connection: AsyncConnection, files: Sequence[MediaFile], now: datetime) -> None:
    """Store the files of a campaign that is loaded; one that is there already is there from now."""
    for file in sorted(files, key=lambda file: file.digest):  # so that no two wait for each other
        values = {name: getattr(file, name) for name in ("digest", "name", "content_type", "content")}
        upsert = upsert_into(is_sqlite(connection), media_files).values(**values, stored_at=now)
        await connection.execute(
            upsert.on_conflict_do_update(index_elements=["digest"], set_={"stored_at": now})
        )


async def renew_media(connection: AsyncConnection, digests: Collection[str], now: datetime) -> set[str]:
    """Those of the digests whose files are stored, and are from now as if they had just been loaded: a purge that runs
    meanwhile leaves them."""
    mine = update(media_files).where(media_files.c.digest.in_(sorted(digests)))
    return set(await connection.scalars(mine.values(stored_at=now).returning(media_files.c.digest)))


async def find_media(connection: AsyncConnection, digest: str) -> MediaFile | None:
    columns = (media_files.c.name, media_files.c.digest, media_files.c.content_type, media_files.c.content)
    row = (await connection.execute(select(*columns).where(media_files.c.digest == digest))).one_or_none()
    return None if row is None else MediaFile(*row)


async def media_id_of(connection: AsyncConnection, lane: str, digest: str, now: datetime) -> str | None:
    """The id under which the sender's provider has the file; None: it has none, or no longer."""
    mine = (media_uploads.c.lane == lane, media_uploads.c.digest == digest, media_uploads.c.expires_at > now)
    return await connection.scalar(select(media_uploads.c.media_id).where(*mine))


async def note_upload(
    connection: AsyncConnection, lane: str, digest: str, media_id: str, expires_at: datetime
) -> None:
    upsert = upsert_into(is_sqlite(connection), media_uploads)
    values = {"lane": lane, "digest": digest, "media_id": media_id, "expires_at": expires_at}
    new = {"media_id": media_id, "expires_at": expires_at}
    await connection.execute(
        upsert.values(**values).on_conflict_do_update(index_elements=["lane", "digest"], set_=new)
    )


async def forget_upload(connection: AsyncConnection, lane: str, media_id: str) -> None:
    """The provider does not know the id, or will not send it."""
    mine = (media_uploads.c.lane == lane, media_uploads.c.media_id == media_id)
    await connection.execute(delete(media_uploads).where(*mine))
