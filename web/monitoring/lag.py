"""The lag of a lane: how many seconds it is behind its allowed pace. The backlog of a long campaign is no lag."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from campaigns.spec.campaign_spec import PaceSpec
from storage.views.metrics_snapshot import LaneDue

TOLERANCE: Final = 2.0
"""Seconds that do not count as lag: messages are sent in slices, and a call takes some time."""
FASTEST: Final = float("inf")


def lane_lag(now: datetime, due: LaneDue, per_second: float) -> float:
    """The longer of two times: since its next call should have begun, and by how much its recent calls fall short, both
    at the allowed pace of `per_second`; 0 if it keeps that pace."""
    gap = 1 / per_second
    idle_since = max(due.since, due.last_begun_at or due.since)
    stalled = _seconds(idle_since, now) - gap
    short = _seconds(max(due.since, due.counted_since), now) - (due.begun + 1) * gap if gap else 0.0
    lag = max(stalled, short)
    return lag if lag > TOLERANCE else 0.0


def allowed_paces(
    due: Mapping[str, LaneDue],
    lanes: Mapping[str, float],
    accounts: Mapping[str, float],
    default_gaps: Mapping[str, timedelta],
) -> dict[str, float]:
    """Messages per second that each lane with due messages may send: by its own limit, its share of the account's, and
    its campaigns together. `default_gaps`: by account, what holds where a campaign names none."""
    sharing: dict[str, int] = {}
    for lane in due:
        account = _account(lane)
        sharing[account] = sharing.get(account, 0) + 1
    return {
        lane: min(
            lanes.get(lane, FASTEST),
            accounts.get(_account(lane), FASTEST) / sharing[_account(lane)],
            sum(_pace(pace, default_gaps.get(account, timedelta())) for account, pace in found.paces),
        )
        for lane, found in due.items()
    }


def _pace(pace: PaceSpec, default_gap: timedelta) -> float:
    """The slowest pace that the campaign allows: each gap with its full random addition."""
    gap = (default_gap if pace.gap is None else pace.gap) + (pace.jitter or timedelta())
    by_gap = 1 / gap.total_seconds() if gap else FASTEST
    return min(by_gap, pace.rate.per_second if pace.rate else FASTEST)


def _account(lane: str) -> str:
    return lane.partition("/")[0]


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
