"""A person has another number or user id: opt-outs, windows and history are theirs under the new one too.

Opt-outs and opt-ins are copied, so that they hold for both numbers: lists go on naming the former one. Windows, and
what was written in either direction, move: they belong to one number at a time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.phones.user_ids import PREFIX, name_of
from storage.receipts.user_ids import find_numbers, learn_numbers
from storage.sending.optouts import copy_preferences
from storage.sending.windows import move_windows
from storage.tables.contacts import inbound, touches


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
    unknown = name_of(account, user_id) if user_id is not None and former.startswith(PREFIX) else former
    current = phone or unknown
    if current != former:
        await copy_preferences(connection, former, current)
        await move_windows(connection, {former: current}, now)
        for table in (touches, inbound):
            theirs = update(table).where(table.c.phone == former).values(phone=current)
            await connection.execute(theirs.values(counted=False) if table is inbound else theirs)
    if user_id is not None and not current.startswith(PREFIX):
        await learn_numbers(connection, account, {user_id: current}, now)
