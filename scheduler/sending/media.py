"""The media files of messages: uploaded to the provider before the first call that needs them, and named by its id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

from campaigns.errors import Unavailable
from campaigns.message.content import Content, Media, Template, TemplateHeader
from campaigns.outcomes import FailureKind, Refused, Result
from providers.adapter import Call
from scheduler.sending.lanes import Lane
from storage.database.engine import Connection, Engine, reading, writing
from storage.database.health import first_line
from storage.sending.media import find_media, forget_upload, media_id_of, note_upload

logger = logging.getLogger(__name__)
EARLY: Final = timedelta(days=1)
"""An id is renewed so long before it expires: a message may wait at the provider."""
_HEADERS: Final = ("image", "video", "document")


class MediaUploads:
    """The files that the calls of one shift name."""

    def __init__(self, engine: Engine, lane: Lane) -> None:
        self._engine = engine
        self._lane = lane
        self._found: dict[str, str | Refused] = {}
        """Digest -> the provider's id, or why there is none: a file that is refused is not uploaded for every call."""
        self._refused: set[str] = set()
        """Ids that the provider could not send, though the database may still have them."""
        self._one_at_a_time = asyncio.Lock()

    async def with_ids(self, call: Call) -> Call | Refused:
        """The call with the provider's ids in place of its files, which are uploaded if need be. Raises Unavailable
        where the database does not say what they are."""
        ids: dict[str, str] = {}
        for digest in digests_in(call.content):
            found = self._found.get(digest) or await self._find(digest)
            if isinstance(found, Refused):
                return found
            ids[digest] = found
        return replace(call, content=_with_ids(call.content, ids)) if ids else call

    async def note(self, sent: Call, results: Sequence[Result]) -> None:
        """Forget the ids in a call whose file the provider could not send: the next one uploads it anew. Not those that
        another call, under way at the same time, has renewed meanwhile."""
        if not any(isinstance(one, Refused) and one.kind is FailureKind.PASSING for one in results):
            return
        refused = {file.id for file in _files(sent.content)}
        for digest, known in list(self._found.items()):
            if isinstance(known, str) and known in refused:
                del self._found[digest]
                self._refused.add(known)
                with self._at_worst_logged():
                    async with writing(self._engine) as connection:
                        await forget_upload(connection, self._lane.name, known)

    async def _find(self, digest: str) -> str | Refused:
        async with self._one_at_a_time:
            if digest not in self._found:
                self._found[digest] = await self._known(digest) or await self._uploaded(digest)
            return self._found[digest]

    async def _known(self, digest: str) -> str | None:
        async with self._reading() as connection:
            known = await media_id_of(connection, self._lane.name, digest, self._lane.now())
        return None if known in self._refused else known

    async def _uploaded(self, digest: str) -> str | Refused:
        lane, now = self._lane, self._lane.now()
        async with self._reading() as connection:
            file = await find_media(connection, digest)
        if file is None:
            text = "A media file of the campaign is not stored any more: load it again under another name."
            return Refused(FailureKind.CAMPAIGN, "media_missing", text)
        uploaded = await lane.adapter.upload(lane.http, lane.sender, file)
        if isinstance(uploaded, Refused):
            return uploaded
        with self._at_worst_logged():
            async with writing(self._engine) as connection:
                await note_upload(connection, lane.name, digest, uploaded.id, now + uploaded.lasts - EARLY)
        return uploaded.id

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        try:
            async with reading(self._engine) as connection:
                yield connection
        except Exception as error:
            raise Unavailable(
                f"The media file of the message could not be read: {first_line(error)}"
            ) from error

    @contextmanager
    def _at_worst_logged(self) -> Iterator[None]:
        """What is not stored costs one more upload, and is no reason to lose what became of a message."""
        try:
            yield
        except Exception:
            ids = {"action": "media_id_not_stored", "lane": self._lane.name}
            logger.warning("The id of a media file could not be stored.", exc_info=True, extra=ids)


def digests_in(content: Content) -> list[str]:
    """The digests of all files that a message names."""
    template = content.template
    if not content.media and not (template and (template.header or template.cards)):
        return []
    return [file.digest for file in _files(content) if file.file is not None and file.digest is not None]


def _files(content: Content) -> Iterator[Media]:
    yield from content.media
    if content.template is not None:
        for header in (content.template.header, *(card.header for card in content.template.cards)):
            yield from (file for name in _HEADERS if (file := getattr(header, name, None)) is not None)


def _with_ids(content: Content, ids: Mapping[str, str]) -> Content:
    media = tuple(_uploaded(file, ids) for file in content.media)
    return replace(content, media=media, template=_of_template(content.template, ids))


def _of_template(template: Template | None, ids: Mapping[str, str]) -> Template | None:
    if template is None:
        return None
    cards = tuple(replace(card, header=_of_header(card.header, ids)) for card in template.cards)
    header = None if template.header is None else _of_header(template.header, ids)
    return replace(template, header=header, cards=cards)


def _of_header(header: TemplateHeader, ids: Mapping[str, str]) -> TemplateHeader:
    image, video, document = (
        file and _uploaded(file, ids) for file in (header.image, header.video, header.document)
    )
    return replace(header, image=image, video=video, document=document)


def _uploaded(file: Media, ids: Mapping[str, str]) -> Media:
    found = ids.get(file.digest) if file.file is not None and file.digest is not None else None
    return file if found is None else replace(file, id=found, file=None, digest=None)
