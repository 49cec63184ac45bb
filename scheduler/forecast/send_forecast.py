"""What holds one message, and when it would be sent: the rules asked as a shift asks them, with the facts of now and of
each later moment that a rule names, but without a lock and without a write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from campaigns.frozen import frozen
from campaigns.money.prices import Price
from campaigns.rules.decide import decide
from campaigns.rules.decision import Decision, Facts, Send, Wait
from campaigns.rules.names import WAITS_FOR_EVENT, Rule
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import RunState
from scheduler.forecast.durations import LaneLoad, Limit, pace_limits
from scheduler.forecast.next_run import next_run
from scheduler.forecast.waits import Waits, charge_of
from scheduler.sending.facts import Claim, gather
from scheduler.sending.lanes import Lane
from scheduler.sending.limits import tier_of
from scheduler.sending.plans import Plan, stored_plan
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.runs.runs import open_runs, run_spec
from storage.runs.variants import Experiment, experiment_of
from storage.views.timelines import JobHistory, Row, count_due, due_job, rows_before, stream_ahead

FOR_ALL: Final = (Rule.HOURS, Rule.BUDGET, Rule.TIER, Rule.RAMP, Rule.VARIANT)
"""Rules that usually also hold the messages before it, so that their turns come after the wait too."""
OF_LANE: Final = ("sender_rate", "account_rate")
"""The limits that all campaigns on a lane share."""


class Assumption(StrEnum):
    """The assumptions behind an estimated send time."""

    RUNNER = "runner"
    PACE = "pace"
    SHARED_RATE = "shared_rate"
    NO_NEWS = "no_news"
    BACK_OFF = "back_off"
    WINNER = "winner"
    ROOM_FOR_ALL = "room_for_all"


@frozen
class Prospects:
    """What would happen to a message, were its run not paused."""

    facts: Facts
    """Of now, or of when its run would start."""
    decision: Decision
    """What the rules decide about them."""
    end: Decision
    """What they decide once every wait that has a time is over."""
    end_facts: Facts
    end_at: datetime
    price: Price | None
    """Of what would be sent."""
    ahead: int
    """Messages that go before it."""
    pace: Limit | None
    """What limits those; None: nothing does."""
    assumes: tuple[Assumption, ...]
    too_late: bool = False
    """The launch skips it, because the run's time of day has passed in the person's zone; nothing else matters then."""

    @property
    def send_at(self) -> datetime | None:
        """The estimated time, to the second; None: it waits for a person to act, or is not sent at all."""
        is_sent = isinstance(self.end, Send) and not self.too_late
        return self.end_at.replace(microsecond=0) if is_sent else None


@frozen
class _Turn:
    """A message's place in its lane's queue."""

    at: datetime
    ahead: int


Queue = Callable[[datetime, Sequence[Wait]], Awaitable[_Turn]]
"""From when the rules let the message go, and their waits until then, to its turn."""


async def prospects_of_job(
    connection: Connection, lane: Lane, job: JobHistory, now: datetime
) -> Prospects | None:
    """Of a pending job on its lane; None: its run has been cancelled, and the clock ends the job."""
    opened = await open_runs(connection)
    own = next((run for run in opened if run.id == job.run_id), None)
    if own is None:
        return None
    others = [other for other in opened if other.state is RunState.RUNNING and other.id != own.id]
    sooner = [other.id for other in others if other.priority > own.priority]
    peers = [other.id for other in others if other.priority == own.priority]
    run = replace(own, state=RunState.RUNNING)
    spec = CampaignSpec.from_json(await run_spec(connection, run.id))
    plan = await stored_plan(connection, spec, lane)
    rest = plan.split is not None and plan.split.has_rest
    experiment = await experiment_of(connection, run.id) if rest else None
    claim = Claim(run, plan, (await due_job(connection, job.id),), (), experiment)
    due_at = now if job.held_by in WAITS_FOR_EVENT else job.due_at
    begins = max(filter(None, (now, job.lane_until)))

    async def queue(free: datetime, held: Sequence[Wait]) -> _Turn:
        stands = replace(job, due_at=free if held else due_at)
        first = free if _all_held(job, held) else begins
        intervals = _intervals(lane, plan)
        turn, own_ahead = await _turn(connection, stands, sooner, intervals, first)
        between = await _between(connection, stands, peers, own_ahead)
        return _Turn(turn.at + between * intervals.shared, turn.ahead + between)

    message = _Message(connection, lane, claim)
    if begins > now:
        message.assumes.append(Assumption.BACK_OFF)
    return await message.foresee(now, max(due_at, begins), queue)


async def prospects_of_row(
    connection: Connection, lane: Lane, campaign: Campaign, row: Row, now: datetime
) -> Prospects:
    """Of a recipient's message in the campaign's next run; of a draft's, were it started now."""
    spec, job = campaign.spec, row.job
    coming = await next_run(connection, campaign, now)
    starts_at, local = coming.begins_at, coming.own_times is not None
    due_at = coming.due_at(job.timezone, job.region, job.phone, row.send_at)
    plan = await stored_plan(connection, spec, lane)
    rest = plan.split is not None and plan.split.has_rest
    experiment = Experiment(0, starts_at, None, None) if rest else None

    async def queue(free: datetime, held: Sequence[Wait]) -> _Turn:
        ahead = await rows_before(connection, campaign.id, row, len(spec.lanes))
        begins = free if held and held[-1].rule in FOR_ALL else due_at if local and due_at else starts_at
        intervals = _intervals(lane, plan)
        return _Turn(max(free, begins + ahead * max(intervals.own, intervals.shared)), ahead)

    message = _Message(connection, lane, Claim(coming.run, plan, (job,), (), experiment))
    found = await message.foresee(starts_at, due_at or starts_at, queue)
    return replace(found, too_late=due_at is None)


class _Message:
    """One message, whose facts can be computed for any time."""

    def __init__(self, connection: Connection, lane: Lane, claim: Claim) -> None:
        self.connection = connection
        self.lane = lane
        self.claim = claim
        self.assumes = [Assumption.RUNNER, Assumption.NO_NEWS]

    async def foresee(self, now: datetime, due_at: datetime, queue: Queue) -> Prospects:
        facts, waits = await self._ask(now), Waits(due_at)
        end_facts = await self._outlast(waits)
        turn = _Turn(waits.at, 0)
        if isinstance(decide(end_facts), Send):
            turn = await queue(waits.at, waits.past)
            waits.at = max(turn.at, waits.at)
            end_facts = await self._outlast(waits)
        limits = pace_limits([LaneLoad(self.lane, self.claim.plan, 2, {})])
        return Prospects(
            facts,
            decide(facts),
            decide(end_facts),
            end_facts,
            waits.at,
            charge_of(self.claim.plan, end_facts, decide(end_facts)),
            turn.ahead,
            max(limits, key=lambda limit: limit.takes, default=None),
            self._assumes(turn, waits),
        )

    async def _outlast(self, waits: Waits) -> Facts:
        """The facts at the first time when no rule holds the message."""
        facts = await self._ask(waits.at, winner_assumed=waits.winner_assumed)
        while waits.outlast(decide(facts), facts):
            facts = await self._ask(waits.at, winner_assumed=waits.winner_assumed)
        return facts

    async def _ask(self, at: datetime, *, winner_assumed: bool = False) -> Facts:
        """The facts as they would be then, were nothing sent meanwhile."""
        [job] = self.claim.jobs
        claim = replace(self.claim, lines=self.claim.plan.budget_lines(self.claim.run, at))
        tier = await tier_of(self.connection, self.lane.account)
        facts = (await gather(self.connection, self.lane, tier, [claim], at)).facts(claim, job)
        return replace(facts, awaits_winner=False) if winner_assumed else facts

    def _assumes(self, turn: _Turn, waits: Waits) -> tuple[Assumption, ...]:
        account = self.lane.account.settings
        if waits.winner_assumed:
            self.assumes.append(Assumption.WINNER)
        if turn.ahead:
            self.assumes.append(Assumption.PACE)
        if account.rate is not None and len(account.senders) > 1:
            self.assumes.append(Assumption.SHARED_RATE)
        if any(wait.rule in (Rule.TIER, Rule.BUDGET, Rule.RAMP) for wait in waits.past):
            self.assumes.append(Assumption.ROOM_FOR_ALL)
        return tuple(self.assumes)


def _all_held(job: JobHistory, held: Sequence[Wait]) -> bool:
    """Whether the messages before it wait as long, so that their turns come after that too."""
    return (held[-1].rule if held else job.held_by) in FOR_ALL


@frozen
class _Intervals:
    """The time from one message to the next."""

    own: timedelta
    """By the campaign's limits."""
    shared: timedelta
    """By those of the lane and its account."""


async def _turn(
    connection: Connection, job: JobHistory, sooner: Sequence[int], intervals: _Intervals, begins: datetime
) -> tuple[_Turn, int]:
    """When those that fall due before it have gone, none of them before `begins`: its own run's at that run's pace,
    and all of them at the lane's. And how many are its own run's."""
    own_free = lane_free = begins
    count = own_count = 0
    async for ahead in stream_ahead(connection, job, sooner):
        lane_free = max(lane_free, ahead.due_at) + ahead.count * intervals.shared
        count += ahead.count
        if ahead.own:
            own_free = max(own_free, ahead.due_at) + ahead.count * intervals.own
            own_count += ahead.count
    return _Turn(max(own_free, lane_free), count), own_count


async def _between(connection: Connection, job: JobHistory, peers: Sequence[int], own_ahead: int) -> int:
    """How many messages of runs of equal priority come in between: they take turns with its own run's."""
    waiting = await count_due(connection, job.lane, peers, job.due_at)
    return sum(min(count, own_ahead) for count in waiting)


def _intervals(lane: Lane, plan: Plan) -> _Intervals:
    limits = pace_limits([LaneLoad(lane, plan, 2, {})])
    of_lane = [limit.takes for limit in limits if limit.name in OF_LANE]
    of_campaign = [limit.takes for limit in limits if limit.name not in OF_LANE]
    return _Intervals(max(of_campaign, default=timedelta()), max(of_lane, default=timedelta()))
