"""Calls that may be repeated: with the same Idempotency-Key a call is done once, and its answer is given again."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from campaigns.errors import DrumbeatError
from campaigns.time.clock import Now, utc_now
from storage.access import api_keys as store
from storage.access.api_keys import StoredAnswer
from storage.database.engine import Engine, writing

KEPT: Final = timedelta(hours=24)
ABANDONED: Final = timedelta(minutes=2)
"""A call that has no answer for so long was cut off: its process has ended."""


class OtherBody(DrumbeatError):
    """This Idempotency-Key was used for another call."""


class UnderWay(DrumbeatError):
    """The same call is still under way."""


class NotKnown(DrumbeatError):
    """The same call was cut off, and it is not known whether it was done: look before you call with a new key."""


async def begin_call(
    engine: Engine, key_id: int, idempotency_key: str, request: str, *, again: bool, now: Now = utc_now
) -> StoredAnswer | None:
    """None: do it now. Else the answer that it got before.

    `again`: a call that was cut off is made again, because its use case refuses what is done already; so it is done
    once. Raises OtherBody, UnderWay, NotKnown.
    """
    moment = now()
    async with writing(engine) as connection:
        found = await store.begin_call(connection, key_id, idempotency_key, request, moment, moment - KEPT)
        if found is None:
            return None
        if found.request != request:
            raise OtherBody
        if found.status is not None:
            return found
        if moment - found.begun_at < ABANDONED:
            raise UnderWay
        if not again:
            raise NotKnown
        if not await store.take_over_call(connection, key_id, idempotency_key, found.begun_at, moment):
            raise UnderWay
    return None


async def end_call(engine: Engine, key_id: int, idempotency_key: str, status: int, body: str) -> None:
    """Keep its answer."""
    async with writing(engine) as connection:
        await store.store_answer(connection, key_id, idempotency_key, status, body)
