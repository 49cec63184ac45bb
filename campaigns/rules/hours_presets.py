"""Times at which marketing may not arrive, by country: tables that a campaign names (`hours.preset`), each with where
it was read and when. Not legal advice, and never used unless a campaign names one."""

from __future__ import annotations

from datetime import date, time
from typing import Final

from campaigns.frozen import frozen
from campaigns.rules.decision import Spans

MONDAY_TO_SATURDAY: Final = frozenset(range(6))
EVERY_DAY: Final = frozenset(range(7))
SUNDAY: Final = 6


@frozen
class Preset:
    """When marketing may arrive, and why."""

    allow: Spans
    source: str
    read_on: date
    days: frozenset[int] = EVERY_DAY
    on_weekday: tuple[tuple[int, Spans], ...] = ()
    holidays: tuple[str, ...] = ()
    """Countries on whose public holidays nothing arrives."""


def _from(start: int, end: int) -> Spans:
    return ((time(start), time(end)),)


READ: Final = date(2026, 11, 29)
FEDERAL: Final = "47 CFR 64.1200 (telephone solicitation)"
STATE: Final = "state law on telephone solicitation, by one third party"

PRESETS: Final = {
    "fr-marketing": Preset(
        _from(8, 22),
        "a messaging provider's page on France: no marketing messages from 22:00 to 08:00, on Sundays and on public "
        "holidays",
        READ,
        days=MONDAY_TO_SATURDAY,
        holidays=("FR",),
    ),
    "in-marketing": Preset(
        _from(10, 21),
        "India's rules on commercial SMS and voice calls, off from 21:00 to 10:00 unless the person allows it; "
        "whether they cover WhatsApp is doubtful",
        READ,
    ),
    "us-marketing": Preset(_from(8, 21), FEDERAL, READ),
    "us-fl-marketing": Preset(_from(8, 20), f"Florida: {STATE}", READ),
    "us-md-marketing": Preset(_from(8, 20), f"Maryland: {STATE}", READ),
    "us-ok-marketing": Preset(_from(8, 20), f"Oklahoma: {STATE}", READ),
    "us-pa-marketing": Preset(
        _from(8, 21),
        f"Pennsylvania: {STATE}; no Sundays since 2026-10-18",
        READ,
        days=MONDAY_TO_SATURDAY,
    ),
    "us-tx-marketing": Preset(
        _from(8, 21), f"Texas: {STATE}", READ, on_weekday=((SUNDAY, _from(12, 21)),)
    ),
    "us-wa-marketing": Preset(_from(8, 20), f"Washington: {STATE}", READ),
    "us-wy-marketing": Preset(_from(8, 20), f"Wyoming: {STATE}", READ),
}  # fmt: skip
