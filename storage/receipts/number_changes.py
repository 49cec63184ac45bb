"""A person has another number or user id: opt-outs, windows and history are theirs under the new one too.

Opt-outs and opt-ins are copied, so that they hold for both numbers: lists go on naming the former one. Windows, and
what was written in either direction, move: they belong to one number at a time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.receipts.user_ids import find_numbers, learn_numbers, name_of
from storage.sending.optouts import copy_preferences
from storage.sending.windows import Opening, extend_windows
from storage.tables import inbound, touches, windows


async def change_number(
    connection: AsyncConnection,
    account: str,
    old: tuple[str | None, str | None],
    new: tuple[str | None, str | None],
    now: datetime,
) -> None:
    """`old` and `new`: number and user id, as far as the provider names them. Repeating it changes nothing more."""
    (former, former_id), (phone, user_id) = old, new
    if former is None and former_id is not None:
        known = await find_numbers(connection, account, [former_id], now)
        former = known.get(former_id, name_of(account, former_id))
    if former is None:
        return
    if phone is not None and phone != former:
        await copy_preferences(connection, former, phone)
        await _move_windows(connection, former, phone, now)
        for table in (touches, inbound):
            await connection.execute(update(table).where(table.c.phone == former).values(phone=phone))
    if user_id is not None and (phone or former).startswith("+"):
        await learn_numbers(connection, account, {user_id: phone or former}, now)
    elif user_id is not None:
        await copy_preferences(connection, former, name_of(account, user_id))


async def _move_windows(connection: AsyncConnection, former: str, phone: str, now: datetime) -> None:
    theirs = select(windows.c.lane, windows.c.open_until, windows.c.known_by).where(windows.c.phone == former)
    moved = [Opening(phone, *window) for window in await connection.execute(theirs)]
    await extend_windows(connection, moved, now)
    await connection.execute(delete(windows).where(windows.c.phone == former))
