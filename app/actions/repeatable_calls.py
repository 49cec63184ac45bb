"""Calls that may be repeated: with the same Idempotency-Key a call is done once, and its answer is given again.

A call's row is there before it begins. What it changes is committed together with the note `done_at` in that row, and
only by whoever began the call last: so a change without the note, or a second one, cannot be. If the process ends
after the commit and before the answer is stored, the note tells that it was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.frozen import frozen
from campaigns.time.clock import Now, utc_now
from storage.access import api_keys as store
from storage.access.api_keys import StoredAnswer
from storage.database.engine import Connection, Engine, beside_commits, writing

KEPT: Final = timedelta(hours=24)
ABANDONED: Final = timedelta(minutes=2)
"""A call that has no answer for so long was cut off: its process has ended."""


class OtherBody(DrumbeatError):
    """This Idempotency-Key was used for another call."""


class UnderWay(DrumbeatError):
    """The same call is still under way."""


class NotKnown(DrumbeatError):
    """The same call was cut off, and it is not known whether it was done: look before you call with a new key."""


@frozen
class RepeatableCall:
    """One call that has begun."""

    engine: Engine
    key_id: int
    idempotency_key: str
    begun_at: datetime
    asked_at: datetime
    """When it was asked for first."""
    now: Now

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Within it, what is committed is committed together with the note that the call is done."""

        async def note(connection: Connection) -> None:
            if not await store.note_done(
                connection, self.key_id, self.idempotency_key, self.begun_at, self.now()
            ):
                raise UnderWay

        with beside_commits(self.engine, note):
            yield

    async def end(self, status: int, body: str) -> None:
        """Keep its answer."""
        async with writing(self.engine) as connection:
            await store.store_answer(
                connection, self.key_id, self.idempotency_key, self.begun_at, status, body
            )

    async def forget(self) -> bool:
        """It failed: the same key may be used again at once. False: it has changed something."""
        async with writing(self.engine) as connection:
            return await store.forget_call(connection, self.key_id, self.idempotency_key, self.begun_at)


class AlreadyDone(DrumbeatError):
    """The same call was done, and its answer was lost."""

    def __init__(self, call: RepeatableCall) -> None:
        super().__init__()
        self.call = call


async def begin_call(
    engine: Engine, key_id: int, idempotency_key: str, request: str, *, again: bool, now: Now = utc_now
) -> StoredAnswer | RepeatableCall:
    """The answer that it got before, or the call, which is to be done now.

    `again`: whether one that was cut off without being noted as done is done anew. Raises OtherBody, UnderWay,
    AlreadyDone, NotKnown.
    """
    moment = now()
    async with writing(engine) as connection:
        found = await store.begin_call(connection, key_id, idempotency_key, request, moment, moment - KEPT)
        if found is None:
            return RepeatableCall(engine, key_id, idempotency_key, moment, moment, now)
        if found.request != request:
            raise OtherBody
        if found.status is not None:
            return found
        if moment - found.begun_at < ABANDONED:
            raise UnderWay
        if found.done_at is not None:
            raise AlreadyDone(
                RepeatableCall(engine, key_id, idempotency_key, found.begun_at, found.asked_at, now)
            )
        if not again:
            raise NotKnown
        if not await store.take_over_call(connection, key_id, idempotency_key, found.begun_at, moment):
            raise UnderWay
    return RepeatableCall(engine, key_id, idempotency_key, moment, found.asked_at, now)
