"""The occurrences of a campaign that were launched, and those that were missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Delete, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from storage.tables.runs import attempts, missed_runs, runs

SCHEDULED = runs.c.kind == "scheduled"


@frozen
class MissedRun:
    nominal_at: datetime
    """Its time by the schedule."""
    reason: str
    """Why it was not launched: late, overlap (the run before still went on) or list (its list could not be read)."""
    detail: str | None = None
    """What was wrong with its list; None: nothing."""

    @property
    def why(self) -> str:
        """The reason, and what is known beside it."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


async def count_runs(connection: AsyncConnection, campaign_id: int) -> int:
    """How many occurrences were launched."""
    counted = select(func.count()).select_from(runs).where(runs.c.campaign_id == campaign_id, SCHEDULED)
    return int((await connection.execute(counted)).scalar_one())


async def was_launched_at(connection: AsyncConnection, campaign_id: int, nominal_at: datetime) -> bool:
    found = select(runs.c.id).where(
        runs.c.campaign_id == campaign_id, runs.c.nominal_at == nominal_at, SCHEDULED
    )
    return (await connection.execute(found)).first() is not None


async def sending_ended_at(connection: AsyncConnection, campaign_id: int) -> datetime | None:
    """When the newest occurrence that was launched made its last call, or was over if that is later."""
    newest = select(runs.c.id, runs.c.ended_at).where(runs.c.campaign_id == campaign_id, SCHEDULED)
    run = (await connection.execute(newest.order_by(runs.c.nominal_at.desc()).limit(1))).first()
    if run is None:
        return None
    last = select(attempts.c.ended_at).where(attempts.c.run_id == run.id).order_by(attempts.c.id.desc())
    called = (await connection.execute(last.limit(1))).scalar()
    return max((moment for moment in (run.ended_at, called) if moment is not None), default=None)


async def record_missed(
    connection: AsyncConnection,
    campaign_id: int,
    missed: Sequence[tuple[datetime, str]],
    now: datetime,
    detail: str | None = None,
) -> None:
    """Store occurrences that are not launched, each once, with why. The caller holds the campaign's lock."""
    if not missed:
        return
    times = [nominal_at for nominal_at, _ in missed]
    await connection.execute(_without(campaign_id, times))
    rows = [
        {"campaign_id": campaign_id, "nominal_at": nominal_at, "reason": reason, "at": now, "detail": detail}
        for nominal_at, reason in missed
    ]
    await connection.execute(insert(missed_runs), rows)


async def list_missed(
    connection: AsyncConnection,
    campaign_id: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[MissedRun]:
    """The missed occurrences from `since` to `until`, both included, the oldest first."""
    columns = [missed_runs.c[name] for name in field_names(MissedRun)]
    found = select(*columns).where(missed_runs.c.campaign_id == campaign_id)
    if since is not None:
        found = found.where(missed_runs.c.nominal_at >= since)
    if until is not None:
        found = found.where(missed_runs.c.nominal_at <= until)
    return [MissedRun(*row) for row in await connection.execute(found.order_by(missed_runs.c.nominal_at))]


async def forget_missed(connection: AsyncConnection, campaign_id: int, times: Sequence[datetime]) -> None:
    """Delete missed occurrences that are now launched. The caller holds the campaign's lock."""
    await connection.execute(_without(campaign_id, times))


def _without(campaign_id: int, times: Sequence[datetime]) -> Delete:
    return delete(missed_runs).where(
        missed_runs.c.campaign_id == campaign_id, missed_runs.c.nominal_at.in_(times)
    )
