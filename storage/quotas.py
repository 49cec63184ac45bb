"""How many people an account has reached (its tier) and how many messages a campaign has sent today (its ramp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine import is_sqlite
from storage.tables import daily_sends, unique_recipients

TIER_WINDOW: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class TierUse:
    reached: int
    """People reached outside a window in the last 24 hours."""
    oldest_at: datetime | None
    already: frozenset[str]
    """Those of the asked phones that are among them."""


async def tier_use(
    connection: AsyncConnection, account: str, phones: Sequence[str], now: datetime
) -> TierUse:
    """How much of the account's tier is used. The caller holds the account's lock."""
    recent = (unique_recipients.c.account == account, unique_recipients.c.at > now - TIER_WINDOW)
    oldest = func.min(unique_recipients.c.at, type_=unique_recipients.c.at.type)
    reached, oldest_at = (await connection.execute(select(func.count(), oldest).where(*recent))).one()
    among = select(unique_recipients.c.phone).where(*recent, unique_recipients.c.phone.in_(phones))
    return TierUse(reached, oldest_at, frozenset((await connection.execute(among)).scalars()))


async def note_reached(
    connection: AsyncConnection, account: str, phones: Sequence[str], at: datetime
) -> None:
    """These people are reached outside a window now; who was before counts from now on."""
    if not phones:
        return
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement = insert(unique_recipients)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account", "phone"], set_={"at": statement.excluded.at}
        ),
        [{"account": account, "phone": phone, "at": at} for phone in sorted(phones)],
    )


async def sends_by_day(connection: AsyncConnection, lane: str, campaign_id: int) -> dict[str, int]:
    """How many the campaign has sent on the lane on each day, YYYY-MM-DD -> count, the first day first."""
    found = (
        select(daily_sends.c.day, daily_sends.c.sent)
        .where(daily_sends.c.lane == lane, daily_sends.c.campaign_id == campaign_id)
        .order_by(daily_sends.c.day)
    )
    return dict((await connection.execute(found)).all())


async def note_daily_sends(
    connection: AsyncConnection, lane: str, campaign_id: int, day: str, more: int
) -> None:
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement = insert(daily_sends).values(lane=lane, campaign_id=campaign_id, day=day, sent=more)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lane", "campaign_id", "day"],
            set_={"sent": daily_sends.c.sent + statement.excluded.sent},
        )
    )
