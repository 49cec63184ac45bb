"""Keys of the API: make, revoke, and recognize them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.wiring.rights import Actor, Role, act, current_actor
from campaigns.errors import InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.time.clock import Now, utc_now
from storage.access import api_keys as store
from storage.access.api_keys import ApiKey
from storage.database.engine import Engine, reading, writing

PREFIX: Final = "db_"
SHOWN: Final = 11
"""Characters of a key that are stored, by which people know it."""
USED_EVERY: Final = timedelta(minutes=1)
API: Final = "API"


class Scope(StrEnum):
    """What a key may do; each includes those before it."""

    READ = "read"
    MANAGE = "manage"
    SEND = "send"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        return dict(zip(Scope, Role, strict=True))[self]


@frozen
class Caller:
    """Who calls: the key, and the actor that it stands for."""

    key: ApiKey
    actor: Actor


@act("key.create")
async def create_key(
    engine: Engine, name: str, scope: Scope, lasts: timedelta | None = None, *, now: Now = utc_now
) -> str:
    """The new key, which is shown once: the database holds its SHA-256. `lasts`: None, until it is revoked."""
    if not name.strip() or len(name) > 100:
        raise InvalidInput("A key needs a name of at most 100 characters, such as the program that uses it.")
    key = PREFIX + secrets.token_urlsafe(32)
    moment = now()
    async with writing(engine) as connection:
        await store.add_key(
            connection,
            name.strip(),
            key[:SHOWN],
            _digest(key),
            scope,
            current_actor().name,
            moment,
            None if lasts is None else moment + lasts,
        )
    return key


@act("key.revoke", about="key_id")
async def revoke_key(engine: Engine, key_id: int, *, now: Now = utc_now) -> None:
    """It is refused from now on. Raises NotFound."""
    async with writing(engine) as connection:
        if not await store.revoke_key(connection, key_id, now()):
            raise NotFound(f"There is no key {key_id} in force.", hint="drumbeat key list")


async def list_keys(engine: Engine) -> Sequence[ApiKey]:
    """The newest first."""
    async with reading(engine) as connection:
        return await store.list_keys(connection)


async def find_caller(engine: Engine, key: str, *, now: Now = utc_now) -> Caller | None:
    """None: no such key, or it is revoked or has expired."""
    moment = now()
    async with reading(engine) as connection:
        found = await store.find_key(connection, _digest(key))
    if found is None or found.revoked_at is not None:
        return None
    if found.expires_at is not None and found.expires_at <= moment:
        return None
    if found.last_used_at is None or moment - found.last_used_at >= USED_EVERY:
        async with writing(engine) as connection:
            await store.note_use(connection, found.id, moment)
    return Caller(found, Actor(f"key {found.name}", Scope(found.scope).role, API))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
