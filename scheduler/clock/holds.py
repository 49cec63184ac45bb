"""What holds the messages that wait: for each campaign by rule, as `why` would name it, and until when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from campaigns.rules.names import Rule
from campaigns.states import RunState
from campaigns.time.clock import NEVER
from scheduler.clock.progress import LANE_PAUSED, NO_SENDER, OWN_TIME, PACING, Left
from storage.database.engine import Connection
from storage.sending.lanes import LaneRow, read_lanes
from storage.views.idle_check import Pending, pending_by_rule

WINDOWS: Final = (Rule.WINDOW, Rule.WINDOW_UNKNOWN)
"""They end when the person writes or the provider answers; the time that is stored is the message's last."""


async def holds_by_campaign(
    connection: Connection, served: Collection[str], now: datetime, campaign_id: int | None = None
) -> dict[str, tuple[Left, ...]]:
    """The campaigns with open runs in which messages wait, of all or of one; `served`: the lanes of the settings."""
    found: dict[str, dict[str, Left]] = {}
    lanes = await read_lanes(connection)
    for pending in await pending_by_rule(connection, campaign_id):
        rule, until = _hold(pending, lanes.get(pending.lane), served, now)
        _add(found.setdefault(pending.campaign, {}), Left(rule, pending.messages, until))
    return {name: tuple(of[rule] for rule in sorted(of)) for name, of in found.items()}


def together(holds: Collection[tuple[Left, ...]]) -> tuple[Left, ...]:
    """The holds of several campaigns as one, by rule."""
    found: dict[str, Left] = {}
    for left in (left for each in holds for left in each):
        _add(found, left)
    return tuple(found[rule] for rule in sorted(found))


def _add(found: dict[str, Left], left: Left) -> None:
    before = found.get(left.rule, Left(left.rule, 0, left.until))
    sooner = min(filter(None, (before.until, left.until)), default=None)
    found[left.rule] = Left(left.rule, before.messages + left.messages, sooner)


def _hold(
    pending: Pending, lane: LaneRow | None, served: Collection[str], now: datetime
) -> tuple[str, datetime | None]:
    """The rule that holds these messages, and until when."""
    if pending.run_state is RunState.PAUSED:
        return Rule.RUN_STATE, None
    if pending.lane not in served:
        return NO_SENDER, None
    if lane is not None and lane.paused(now):
        return LANE_PAUSED, lane.paused_until and max(lane.paused_until, pending.due_at)
    rule = pending.held_by or (OWN_TIME if pending.due_at > now else PACING)
    return rule, None if pending.due_at >= NEVER or rule in WINDOWS else pending.due_at
