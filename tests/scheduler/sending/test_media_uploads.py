"""The ids of uploaded files within one shift: many calls at once, and a database that does not answer for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest

import scheduler.sending.media
from campaigns.errors import Unavailable
from campaigns.message.content import Content, Media, MessageType
from campaigns.outcomes import FailureKind, Refused
from campaigns.spec.media_files import MediaFile
from providers.adapter import Call, Uploaded
from providers.settings import SenderSettings
from scheduler.sending.media import MediaUploads
from storage.database.engine import Engine, writing
from storage.sending.media import keep_media
from tests.support.campaigns import later

FILE = MediaFile("photo.png", "a" * 64, "image/png", b"x")
CALL = Call(
    SenderSettings(name="one"),
    ("+447700900001",),
    Content(MessageType.IMAGE, media=(Media(file=FILE.name, digest=FILE.digest),)),
)
ID_REFUSED = Refused(FailureKind.PASSING, "100", "is not a valid media attachment ID")


@dataclass
class OneLane:
    """A lane of a provider that gives each upload an id of its own."""

    uploads: int = 0
    name: str = "shop/one"
    http: None = None
    sender: None = None

    @property
    def adapter(self) -> OneLane:
        return self

    def now(self) -> Any:
        return later(0)

    async def upload(self, *_: object) -> Uploaded:
        self.uploads += 1
        return Uploaded(str(self.uploads), timedelta(days=30))


@pytest.fixture
async def lane(engine: Engine) -> OneLane:
    async with writing(engine) as connection:
        await keep_media(connection, [FILE], later(0))
    return OneLane()


def shift_of(engine: Engine, lane: OneLane) -> MediaUploads:
    return MediaUploads(engine, cast("Any", lane))


async def sent_by(media: MediaUploads) -> Call:
    call = await media.with_ids(CALL)
    assert isinstance(call, Call)
    return call


@contextmanager
def without(query: str) -> Iterator[None]:
    """The database does not answer this query."""

    async def fail(*_: object) -> None:
        raise ConnectionResetError("the database was restarted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler.sending.media, query, fail)
        yield


async def test_an_id_that_many_calls_at_once_are_refused_for_is_renewed_once(
    engine: Engine, lane: OneLane
) -> None:
    media = shift_of(engine, lane)
    for call in [await sent_by(media) for _ in range(5)]:
        await media.note(call, [ID_REFUSED])
        await sent_by(media)
    assert lane.uploads == 2
    await sent_by(shift_of(engine, lane))
    assert lane.uploads == 2


@pytest.mark.parametrize("query", ["media_id_of", "find_media"])
async def test_without_the_database_nothing_is_sent_and_the_file_is_no_fault_of_the_adapter(
    engine: Engine, lane: OneLane, query: str
) -> None:
    media = shift_of(engine, lane)
    with without(query), pytest.raises(Unavailable):
        await media.with_ids(CALL)
    await sent_by(media)


@pytest.mark.parametrize("query", ["note_upload", "forget_upload"])
async def test_what_is_known_of_a_call_is_not_lost_with_what_cannot_be_stored_of_its_file(
    engine: Engine, lane: OneLane, query: str
) -> None:
    media = shift_of(engine, lane)
    with without(query):
        await media.note(await sent_by(media), [ID_REFUSED])
    await sent_by(media)
    assert lane.uploads == 2
