"""Open one slice: in a single transaction, store what earlier calls came to, take what is due, decide from facts read
in that same transaction, put waits and skips aside, and commit the intents of the calls about to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never
from uuid import uuid4

import orjson

from campaigns.content import Content, write_content
from campaigns.errors import SpecError
from campaigns.outcomes import ALONE, AS_TEMPLATE, Accepted, FailureKind, Refused
from campaigns.rules import Facts, Form, Send, Skip, Wait, decide
from campaigns.states import JobState, RunState
from providers.base import Call
from scheduler.lanes import LEASE, Lane
from scheduler.pacing import SLICE
from scheduler.plans import Plan, Plans
from storage.dispatch import (
    Aside,
    DueJob,
    Intent,
    Outcome,
    claim_due,
    commit_intents,
    optout_scopes,
    put_aside,
    store_outcomes,
    withdraw_intents,
)
from storage.engine import Connection, Engine, writing
from storage.inbox import Word, add_words
from storage.lanes import hold_lane, note_sends, pause_lane
from storage.runs import RunRow, open_runs, pause_run
from storage.statuses import apply_unmatched
from storage.windows import open_windows


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call whose intents are committed."""

    run_id: int
    call: Call
    intents: tuple[Intent, ...]


@dataclass(slots=True)
class Ended:
    """What the calls since the last slice came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    withdrawn: list[Intent] = field(default_factory=list)
    """Intents whose calls were never made: the lane stopped before their turn."""
    lane_pause: tuple[str, datetime | None] | None = None
    run_pauses: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.withdrawn or self.lane_pause or self.run_pauses)

    def pause_lane(self, reason: str, until: datetime | None) -> None:
        """Of several waits the longest holds; whether the sender is well is asked again after it."""
        held = self.lane_pause
        if held is None or (until is not None and (held[1] is None or until > held[1])):
            self.lane_pause = (reason, until)

    def joined(self, later: Ended) -> Ended:
        """This and what ended later, together."""
        whole = Ended(
            self.outcomes + later.outcomes,
            self.withdrawn + later.withdrawn,
            self.lane_pause,
            {**later.run_pauses, **self.run_pauses},
        )
        if later.lane_pause is not None:
            whole.pause_lane(*later.lane_pause)
        return whole


@dataclass(frozen=True, slots=True)
class Slice:
    calls: list[PlannedCall]
    met: int
    """Jobs that were due and are dealt with: sent, put aside or ended."""
    runs: tuple[int, ...]
    """The running runs, whether or not they had anything due."""
    blocked: tuple[int, ...]
    """Those of them whose own limits let nothing go within this slice."""
    opened: tuple[int, ...]
    """The running and the paused runs: a pause must not make their limits forgotten."""


async def open_slice(
    engine: Engine, lane: Lane, epoch: int, plans: Plans, ended: Ended, *, idle: float
) -> Slice:
    """Commit the slice; raises LaneLost, with nothing written, where another holder has the lane."""
    now = lane.now()
    calls: list[PlannedCall] = []
    blocked: list[int] = []
    met = 0
    async with writing(engine) as connection:
        await _store(connection, lane, epoch, ended, now)
        opened = await open_runs(connection)
        running = [run for run in opened if run.state is RunState.RUNNING]
        for run in running:
            plan = await plans.of(connection, run.id)
            lane.pacer.admit(run.id, plan.gap, plan.rate, idle)
            if lane.pacer.ready_in(run.id) > SLICE:
                blocked.append(run.id)
                continue
            due = await _due(connection, lane, run, now, met)
            met += len(due)
            calls += await _prepare(connection, lane, epoch, run, plan, due, now)
        if calls:
            await note_sends(connection, lane.name, now + timedelta(seconds=SLICE))
    return Slice(
        calls, met, tuple(run.id for run in running), tuple(blocked), tuple(run.id for run in opened)
    )


async def store_ended(engine: Engine, lane: Lane, epoch: int, ended: Ended) -> None:
    """Store what calls came to without opening a slice."""
    async with writing(engine) as connection:
        await _store(connection, lane, epoch, ended, lane.now())


async def _store(connection: Connection, lane: Lane, epoch: int, ended: Ended, now: datetime) -> None:
    await hold_lane(connection, lane.name, epoch, now + LEASE)
    await store_outcomes(connection, ended.outcomes, now)
    await _apply_early_reports(connection, lane, ended, now)
    await add_words(connection, lane.account.name, _opt_outs(ended.outcomes))
    await withdraw_intents(connection, ended.withdrawn, now)
    if ended.lane_pause is not None:
        await pause_lane(connection, lane.name, *ended.lane_pause)
    for run_id, reason in ended.run_pauses.items():
        await pause_run(connection, run_id, reason, now)


async def _apply_early_reports(connection: Connection, lane: Lane, ended: Ended, now: datetime) -> None:
    """Webhooks about a message may come before the answer that names it: they are kept until here."""
    if lane.adapter.capabilities.webhooks:
        taken = [o.result.message_id for o in ended.outcomes if isinstance(o.result, Accepted)]
        await apply_unmatched(connection, lane.account.name, taken, now)


def _opt_outs(outcomes: Sequence[Outcome]) -> list[Word]:
    """Who has told the provider to be left alone: kept, so that no other campaign asks again."""
    return [
        Word(
            outcome.intent.job.phone,
            "out",
            "marketing",
            outcome.ended_at,
            f"refused with {outcome.result.code}",
        )
        for outcome in outcomes
        if isinstance(outcome.result, Refused) and outcome.result.kind is FailureKind.OPTED_OUT
    ]


async def _due(connection: Connection, lane: Lane, run: RunRow, now: datetime, met: int) -> list[DueJob]:
    limit = min(lane.pacer.slice_size(run.id), lane.pacer.slice_size() - met)
    return await claim_due(connection, run.id, lane.name, now, limit) if limit > 0 else []


async def _prepare(
    connection: Connection,
    lane: Lane,
    epoch: int,
    run: RunRow,
    plan: Plan,
    due: Sequence[DueJob],
    now: datetime,
) -> list[PlannedCall]:
    if not due:
        return []
    asides: list[Aside] = []
    sends: list[tuple[DueJob, Content]] = []
    for job, facts in await _facts(connection, lane, run, plan, due, now):
        aside_or_content = _decide(job, facts, plan)
        if isinstance(aside_or_content, Aside):
            asides.append(aside_or_content)
        else:
            sends.append((job, aside_or_content))
    calls = [_plan_call(run, lane, group) for group in _batches(sends, lane.adapter.capabilities.batch)]
    await put_aside(connection, asides, now)
    await commit_intents(
        connection, lane.name, epoch, [intent for call in calls for intent in call.intents], now
    )
    return calls


async def _facts(
    connection: Connection, lane: Lane, run: RunRow, plan: Plan, due: Sequence[DueJob], now: datetime
) -> list[tuple[DueJob, Facts]]:
    """All that the rules ask about the jobs, in one query to a kind of fact."""
    phones = [job.phone for job in due]
    opted_out = await optout_scopes(connection, phones)
    has_windows = lane.adapter.capabilities.windows
    windows = await open_windows(connection, lane.name, phones) if has_windows else {}
    return [
        (
            job,
            Facts(
                now,
                run.state,
                plan.policy,
                phone=job.phone,
                expires_at=run.expires_at,
                opted_out=opted_out.get(job.phone, frozenset()),
                has_windows=has_windows,
                window_until=windows[job.phone].until if job.phone in windows else None,
                refused_as_free=job.held_by == AS_TEMPLATE,
            ),
        )
        for job in due
    ]


def _decide(job: DueJob, facts: Facts, plan: Plan) -> Aside | Content:
    match decide(facts):
        case Wait(until=until, rule=rule):
            return Aside(job.id, JobState.PENDING, due_at=until, held_by=rule)
        case Skip(reason=reason, state=state):
            return Aside(job.id, state, reason=reason)
        case Send(form=form):
            return _render(job, plan, form)
        case other:
            assert_never(other)


def _render(job: DueJob, plan: Plan, form: Form) -> Aside | Content:
    try:
        return plan.renderer.render(orjson.loads(job.vars), template=form is Form.TEMPLATE)
    except SpecError as error:
        return Aside(job.id, JobState.FAILED, reason="not_rendered", detail=str(error))


def _batches(sends: Sequence[tuple[DueJob, Content]], largest: int) -> list[list[tuple[DueJob, Content]]]:
    """Jobs of equal content together, at most `largest`; a job to be sent alone is alone."""
    groups: list[list[tuple[DueJob, Content]]] = []
    filling: dict[Content, list[tuple[DueJob, Content]]] = {}
    for job, content in sends:
        group = filling.get(content)
        if group is None or len(group) >= largest or job.held_by == ALONE:
            group = []
            groups.append(group)
            if job.held_by != ALONE:
                filling[content] = group
        group.append((job, content))
    return groups


def _plan_call(run: RunRow, lane: Lane, group: Sequence[tuple[DueJob, Content]]) -> PlannedCall:
    content = group[0][1]
    key = uuid4().hex
    stored = write_content(content)
    call = Call(
        lane.sender,
        tuple(job.phone for job, _ in group),
        content,
        lane.pacer.spacing(run.id),
        references=tuple(f"{run.token}.{job.id}" for job, _ in group),
        category=run.category,
    )
    return PlannedCall(run.id, call, tuple(Intent(job, key, content.type.value, stored) for job, _ in group))
