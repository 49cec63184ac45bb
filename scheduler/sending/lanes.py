"""The lanes of the configured accounts, ready to send: settings, adapter, connection and limits together."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from campaigns.rules.caps import Cap
from campaigns.time.clock import Now, utc_now
from providers.registry import open_adapter
from providers.settings import AccountSettings, SenderSettings
from scheduler.sending.instrumentation import Observe, ignore
from scheduler.sending.pacing import Pacer, RateSlots
from scheduler.sending.shared_rate import SharedRate
from scheduler.sending.slot_lead import SlotLead
from storage.database.engine import Engine

if TYPE_CHECKING:
    from providers.adapter import Adapter
    from providers.http.client import Http, Transport
    from scheduler.sending.buckets import Limit
    from storage.sending.lanes import LaneRow

LEASE = timedelta(seconds=30)
"""Duration of a lane's lease; it is renewed while the shift runs."""


UNANSWERED: Final = 5
"""Calls in a row without an answer that can be trusted, after which the lane rests: each leaves a message in doubt."""
CALLS: Final = 480
"""Calls under way at once from this process to an account: fewer than there are connections, and no more than a crash
may leave in doubt. At 0.3 seconds each that is more messages per second than a core sends."""
TRUSTED: Final = 60.0
"""Seconds for which a sender that can send is not checked again; a refusal of the sender ends this."""


@dataclass(slots=True)
class Reads:
    """One kind of what is read from an account, such as its limits."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    not_before: float = 0.0
    """Until when, by the monotonic clock, the account is not asked again."""


@dataclass(slots=True)
class Account:
    """One provider account: what its lanes share."""

    name: str
    settings: AccountSettings
    adapter: Adapter
    http: Http
    limit: Limit | None
    default_caps: tuple[Cap, ...] = ()
    """Caps of drumbeat.toml: every campaign that obeys caps obeys them."""
    shared_rate: SharedRate | None = None
    """Its rate, where other processes use it too."""
    reads: defaultdict[str, Reads] = field(default_factory=lambda: defaultdict(Reads))
    """Of each kind of what is read from it, how that goes."""
    under_way: int = 0
    """Calls begun and not ended, by all its lanes in this process."""
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    """Calls that wait to be begun, in the order in which they came."""

    @property
    def pair_gap(self) -> timedelta:
        """The least time between two messages from one sender to one person."""
        asked = self.settings.pair_gap
        return self.adapter.capabilities.pair_gap if asked is None else asked

    @property
    def calls_per_lane(self) -> int:
        """At most as many as are still free. So one lane gets half of all slots, n busy lanes get an (n + 1)th each,
        and an (n + 1)th stays free for another lane: calls that hang do not make other lanes wait."""
        return max(1, CALLS - self.under_way)

    async def begin_call(self) -> None:
        """Wait for a place for one call: even one call per lane may be too many."""
        if self.under_way < CALLS:
            self.under_way += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given a place
                self.end_call()
            raise

    def end_call(self) -> None:
        """Give its place to who has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.under_way -= 1

    @property
    def trusted_for(self) -> float:
        """Seconds until a sender is asked about again: that must not eat up an account that may seldom call."""
        return max(TRUSTED, 20 * len(self.settings.senders) / self.limit.per_second if self.limit else 0.0)


@dataclass(slots=True)
class Lane:
    """One sender identity at one account."""

    name: str
    account: Account
    sender: SenderSettings
    pacer: Pacer
    failures: int = 0
    """Calls in a row that did not reach the provider or were throttled: the back-off doubles with each."""
    unanswered: int = 0
    """Calls in a row that left without an answer to be trusted."""
    refusals: int = 0
    """Shifts in a row in which the sender was refused and no message taken, as `lanes.refusals` keeps it."""
    can_send_until: float = 0.0
    """Until when, by the monotonic clock, its sender need not be asked about."""
    ask_after: float = 0.0
    """Until when, by the monotonic clock, no receipts are asked for: the last `receipts_failed` passes failed."""
    receipts_failed: int = 0
    ask_windows_after: float = 0.0
    """Until when, by the monotonic clock, no windows are asked for: the last `windows_failed` passes failed."""
    windows_failed: int = 0
    looked_up_to: int = 0
    """The job in doubt that the last pass ended with: the next continues from there."""
    look_after: dict[tuple[int, int], datetime] = field(default_factory=dict)
    """Until when a message in doubt that was not seen need not be looked up: by job and attempt."""
    proven: dict[int, set[tuple[str, str | None]]] = field(default_factory=dict)
    """Of each run, the forms and variants of messages that the provider is known to take."""
    on_trial: set[int] = field(default_factory=set)
    """Runs of which nothing more goes until a call under way has been answered."""
    epoch: int = 0
    """That of this process's last shift: whether another process has sent since."""
    now: Now = utc_now
    observe: Observe = ignore

    @property
    def adapter(self) -> Adapter:
        return self.account.adapter

    @property
    def http(self) -> Http:
        return self.account.http

    @property
    def probes(self) -> bool:
        """Whether one message alone must show that the lane sends again, before others follow it."""
        return self.refusals > 0 or self.unanswered >= UNANSWERED

    def forget_runs(self, opened: Collection[int]) -> None:
        """Drop what is known of runs that have ended."""
        self.pacer.forget(opened)
        self.proven = {run_id: kinds for run_id, kinds in self.proven.items() if run_id in opened}

    def start(self, row: LaneRow) -> float:
        """Begin a shift where the last one, in whichever process, left the lane; how many seconds ago it last sent."""
        self.refusals = row.refusals
        self.on_trial.clear()
        another_has_sent = row.epoch != self.epoch + 1
        if another_has_sent:  # what is known here of the runs' limits is old
            self.pacer.forget(())
        self.epoch = row.epoch
        return self.prime(row.last_sent_at)

    def prime(self, last_sent_at: datetime | None) -> float:
        """Start the lane's limits where the last send left them; how many seconds ago that was."""
        idle = self.idle_since(last_sent_at)
        self.pacer.prime(idle)
        return idle

    def idle_since(self, last_sent_at: datetime | None) -> float:
        """Seconds since then. No send can be further ahead than the farthest slot: a clock was set back."""
        idle = (self.now() - last_sent_at).total_seconds() if last_sent_at else float("inf")
        return max(idle, -self.pacer.farthest.total_seconds())


def open_lanes(
    accounts: Mapping[str, AccountSettings],
    *,
    default_caps: tuple[Cap, ...] = (),
    transport: Transport | None = None,
    now: Now = utc_now,
    observe: Observe = ignore,
    shared_on: Engine | None = None,
) -> dict[str, Lane]:
    """Every sender of every account by its lane name, `account/sender`. Raises UsageError where a secret is missing.

    `shared_on`: the database by which other processes that use these accounts share their rates.
    """
    from scheduler.sending.buckets import rate_bucket

    lanes: dict[str, Lane] = {}
    for name, settings in accounts.items():
        shared = SharedRate(shared_on, name, settings.rate, now) if shared_on and settings.rate else None
        account = open_account(name, settings, transport=transport, shared_rate=shared, now=now)
        account.default_caps = default_caps
        for sender in settings.senders:
            own = rate_bucket(sender.rate)
            slots = (
                RateSlots(shared.rate, account.limit.exit, SlotLead(name))
                if shared and account.limit
                else None
            )
            pacer = Pacer([None if slots else account.limit, own], slots=slots)
            lane = Lane(f"{name}/{sender.name}", account, sender, pacer, now=now, observe=observe)
            lanes[lane.name] = lane
    return lanes


def open_account(
    name: str,
    settings: AccountSettings,
    *,
    transport: Transport | None = None,
    shared_rate: SharedRate | None = None,
    now: Now = utc_now,
) -> Account:
    """The account's adapter and its connection; every request but a send waits for the account's rate by itself."""
    # not loaded where only the limits of lanes are asked about
    from providers.http.client import Http
    from scheduler.sending.buckets import rate_bucket

    adapter = open_adapter(settings)
    limit = rate_bucket(settings.rate)
    http = Http(
        settings.base_url,
        adapter.credentials,
        timeout=settings.timeout.total_seconds(),
        transport=transport,
        before_request=shared_rate.wait if shared_rate else limit.wait if limit else None,
        now=now,
    )
    return Account(name, settings, adapter, http, limit, shared_rate=shared_rate)


async def close_lanes(lanes: Mapping[str, Lane]) -> None:
    for http in {id(lane.http): lane.http for lane in lanes.values()}.values():
        await http.aclose()
