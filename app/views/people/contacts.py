"""All that is known of one person, and everybody who is opted out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from campaigns.frozen import frozen
from campaigns.phones.stop_words import Scope
from campaigns.rules.caps import CALENDAR_REACH, Calendar, Cap
from campaigns.rules.decision import Facts, PastMessage, Policy, Wait
from campaigns.rules.frequency_cap import frequency_cap
from campaigns.states import RunState
from campaigns.time.pace import write_duration
from storage.audience.contacts import (
    GotMessage,
    KnownWindow,
    WroteMessage,
    messages_from,
    messages_to,
    windows_of,
)
from storage.database.engine import Connection, Engine, reading
from storage.sending import optouts
from storage.sending.contact_history import recent_history
from storage.sending.optouts import LogEntry, log_of, opt_outs_in_force

if TYPE_CHECKING:
    from app.views.answers.people import CapRoom, OpenWindow, ShownPerson

LATELY: Final = 20
"""How many messages are shown in each direction."""


@frozen
class Room:
    """How many more messages a cap of drumbeat.toml allows for a person now."""

    cap: Cap
    left: int
    frees_at: datetime | None
    """When the cap allows more; None: it does now."""

    @property
    def label(self) -> str:
        """`2 per 7d of the category marketing`"""
        per = self.cap.per.value if isinstance(self.cap.per, Calendar) else write_duration(self.cap.per)
        kinds = (("category", self.cap.category), ("tag", self.cap.tag), ("account", self.cap.channel))
        only = [f"of the {kind} {name}" for kind, name in kinds if name is not None]
        return " ".join([f"{self.cap.most:,} per {per}", *only])


@frozen
class Person:
    """All that is known of a person."""

    phone: str
    at: datetime
    log: Sequence[LogEntry]
    windows: Sequence[KnownWindow]
    got: Sequence[GotMessage]
    wrote: Sequence[WroteMessage]
    rooms: Sequence[Room]

    @property
    def opt_outs(self) -> Sequence[LogEntry]:
        """Those in force."""
        return opt_outs_in_force(self.log)

    @property
    def json(self) -> ShownPerson:
        rooms: list[CapRoom] = [
            {"cap": room.label, "left": room.left, "frees_at": room.frees_at} for room in self.rooms
        ]
        return {
            "phone": self.phone,
            "opted_out": [entry.scope for entry in self.opt_outs],
            "log": self.log,
            "windows": [_window_json(window, self.at) for window in self.windows],
            "caps": rooms,
            "messages": self.got,
            "inbound": self.wrote,
        }


def _window_json(window: KnownWindow, now: datetime) -> OpenWindow:
    return {
        "lane": window.lane,
        "open_until": window.open_until,
        "known_by": window.known_by,
        "open": window.open_until > now,
    }


async def person_overview(connection: Connection, phone: str, caps: Sequence[Cap], now: datetime) -> Person:
    """What is known of the phone; `caps` are those of drumbeat.toml."""
    reach = max((_reach(cap) for cap in caps), default=timedelta())
    past_messages = (await recent_history(connection, [phone], now - reach)).get(phone, [])
    counted = tuple(
        PastMessage(past.at, past.category, past.tags, past.lane.partition("/")[0])
        for past in past_messages
        if past.counts
    )
    return Person(
        phone,
        now,
        await log_of(connection, phone),
        await windows_of(connection, phone),
        await messages_to(connection, phone, LATELY),
        await messages_from(connection, phone, LATELY),
        [room_under(cap, phone, counted, now) for cap in caps],
    )


def _reach(cap: Cap) -> timedelta:
    return CALENDAR_REACH if isinstance(cap.per, Calendar) else cap.per


def room_under(cap: Cap, phone: str, history: Sequence[PastMessage], now: datetime) -> Room:
    """The room that is left, by the rule itself: as many messages count as the smallest cap that would be full."""
    from campaigns.phones.phone_zones import zones_of

    tags = frozenset({cap.tag} if cap.tag else ())

    def full_until(most: int) -> datetime | None:
        waiting = replace(cap, most=most, waits=True)
        policy = Policy(cap.category or "", tags, cap.channel or "", caps=(waiting,))
        known = Facts(now, RunState.RUNNING, policy, zones=zones_of(phone), history=tuple(history))
        decision = frequency_cap(known)
        return decision.until if isinstance(decision, Wait) else None

    used = bisect_left(range(1, len(history) + 1), True, key=lambda most: full_until(most) is None)
    return Room(cap, max(0, cap.most - used), full_until(cap.most))


async def stream_opted_out(connection: Connection, scope: Scope | None) -> AsyncIterator[LogEntry]:
    """Everybody who is opted out now, of one scope or of any, oldest opt-out first."""
    async for entry in optouts.stream_opted_out(connection, scope):
        yield entry


@frozen
class OptedOutPage:
    """Some of those who are opted out now, the oldest opt-out first."""

    opted_out: Sequence[LogEntry]
    """The opt-outs that are in force."""
    next: int | None
    """Where the next page begins; None: this is the last."""


async def opted_out_page(engine: Engine, scope: Scope | None, after: int, size: int) -> OptedOutPage:
    """`after`: the `next` of the page before, or 0; then the audit has a row of it. Raises Forbidden."""
    from app.actions.personal_data import allow_list

    if not after:
        await allow_list(engine, "contacts", "everybody who is opted out")
    async with reading(engine) as connection:
        found = await optouts.opted_out_after(connection, scope, after, size + 1)
    entries = [entry for _, entry in found[:size]]
    return OptedOutPage(entries, found[size - 1][0] if len(found) > size else None)
