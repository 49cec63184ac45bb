"""People who were erased: known again only by a keyed hash of their number, which the log of opt-outs holds instead.

The key is made with the database and never changes: without it no erased person would be known again, and they would be
written to. It lies beside the hashes, so they hide numbers from readers of the log, not from owners of the whole
database.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.contacts import pseudonym_keys

ERASED: Final = "erased:"
"""Prefix of the pseudonym that replaces a number."""
KEY: Final = "optouts"
_known: WeakKeyDictionary[Engine, bytes] = WeakKeyDictionary()


def new_name() -> str:
    """The pseudonym of a person in rows that are kept for totals; the number cannot be derived from it."""
    return f"{ERASED}{token_hex(16)}"


def hash_of(key: bytes, phone: str) -> str:
    return f"{ERASED}{hmac.digest(key, phone.encode(), sha256).hex()}"


async def hashes_of(connection: AsyncConnection, phones: Iterable[str]) -> dict[str, str]:
    """Hash -> phone."""
    key = await _key(connection)
    return {} if key is None else {hash_of(key, phone): phone for phone in phones}


async def ensure_key(connection: AsyncConnection) -> bytes:
    """The database's key; a database that was filled without its migrations gets one now."""
    while (key := await _key(connection)) is None:
        made = upsert_into(is_sqlite(connection), pseudonym_keys).values(name=KEY, key=token_bytes(32))
        await connection.execute(made.on_conflict_do_nothing())
    return key


async def _key(connection: AsyncConnection) -> bytes | None:
    engine = connection.sync_connection.engine if connection.sync_connection is not None else None
    if engine is not None and engine in _known:
        return _known[engine]
    key: bytes | None = await connection.scalar(
        select(pseudonym_keys.c.key).where(pseudonym_keys.c.name == KEY)
    )
    if key is not None and engine is not None:
        _known[engine] = key
    return key
