"""Rule 8: a person receives at most a number of messages in a period, from all campaigns together.

A cap holds back only messages that it counts. In a rolling period, a message counts until it is exactly that old; a
calendar day or week is in the recipient's zone, or in each of several zones. If several caps are reached, one that
skips takes precedence; otherwise the message waits until none is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from campaigns.rules.caps import Calendar, Cap
from campaigns.rules.decision import SEND, Decision, Facts, PastMessage, Policy, Skip, Wait
from campaigns.rules.names import Rule, SkipReason
from campaigns.time.zones import instant_of


def frequency_cap(facts: Facts) -> Decision:
    full: list[datetime] = []
    for cap in facts.policy.caps:
        until = _frees_at(cap, facts) if _counts(cap, facts.policy) else None
        if until is not None and not cap.waits:
            return Skip(SkipReason.FREQUENCY_CAP)
        if until is not None:
            full.append(until)
    return Wait(max(full), Rule.FREQUENCY_CAP) if full else SEND


def _counts(cap: Cap, message: Policy | PastMessage) -> bool:
    return (
        cap.category in (None, message.category)
        and (cap.tag is None or cap.tag in message.tags)
        and cap.channel in (None, message.account)
    )


def _frees_at(cap: Cap, facts: Facts) -> datetime | None:
    """When the cap allows one more message; None: now."""
    sent = sorted(past.at for past in facts.history if _counts(cap, past))
    if len(sent) < cap.most:
        return None
    if isinstance(cap.per, timedelta):
        lapses = sent[-cap.most] + cap.per
        return lapses if lapses > facts.now else None
    zones = facts.zones or (ZoneInfo("UTC"),)
    return max(_full_until(cap.per, cap.most, sent, facts.now, zones), default=None)


def _full_until(
    per: Calendar, most: int, sent: Sequence[datetime], now: datetime, zones: Sequence[ZoneInfo]
) -> list[datetime]:
    """The end of the day or week in which the cap is reached, in each zone where it is."""
    periods = (_period(per, now.astimezone(zone).date(), zone) for zone in zones)
    return [end for start, end in periods if sent[-most] >= start]


@lru_cache(maxsize=4096)
def _period(per: Calendar, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the day, or its week, begins and ends in the zone."""
    week = per is Calendar.WEEK
    first = day - timedelta(days=day.weekday() if week else 0)
    after = first + timedelta(days=7 if week else 1)
    return instant_of(datetime.combine(first, time()), zone), instant_of(
        datetime.combine(after, time()), zone
    )
