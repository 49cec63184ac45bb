"""Pauses of a run that the engine makes, and their ends: guarded updates.

A pause ends by itself once its reason is gone. So another reason must not be forgotten meanwhile: one that is checked
anyway, with each message or at each launch, gives place to any other; those of templates stand side by side; and one
that only a person may end takes the place of all.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, case, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.approval import NEEDED
from campaigns.masking import masked
from campaigns.notify_events import NotifyEvent
from campaigns.states import CampaignState, RunState
from campaigns.untrusted import LONGEST_TEXT, clean
from storage.notify.events import Occurrence, add_event
from storage.runs.campaign_events import note_state
from storage.tables.audience import campaigns
from storage.tables.runs import runs

OUT_OF_BUDGET: Final = "budget_reached"
"""How the reason of a pause begins that a higher budget ends."""
UNFIT: Final = "template_mismatch"
"""The same of one that ends once the campaign fits its templates."""
TEMPLATE_STOPPED: Final = "template_stopped"
"""The same of one that ends once a template is approved again."""
CATEGORY_CHANGED: Final = "category_changed"
"""The same of one that ends once a template has the campaign's category again."""
CHECKED_ANYWAY: Final = (OUT_OF_BUDGET, NEEDED, UNFIT)
OF_TEMPLATES: Final = (TEMPLATE_STOPPED, CATEGORY_CHANGED)
BETWEEN: Final = "; "
_CAUSE: Final = re.compile(rf"{BETWEEN}(?=(?:{'|'.join(OF_TEMPLATES)}): )")


def by_a_person(reason: str) -> str:
    """What a person gives as the reason, so that it begins like none that ends by itself."""
    reason = clean(reason, LONGEST_TEXT)
    return f"by a person: {reason}" if reason.startswith(CHECKED_ANYWAY + OF_TEMPLATES) else reason


async def pause_run(connection: AsyncConnection, run_id: int, reason: str, now: datetime) -> None:
    """Pause a run that goes on, or would by itself, and its campaign; the reason is shown until it is resumed. A test
    is paused by itself."""
    paused = await connection.execute(
        update(runs)
        .where(runs.c.id == run_id, _goes_on(runs, RunState.RUNNING, RunState.PAUSED, reason))
        .values(state=RunState.PAUSED, reason=_with(reason))
        .returning(runs.c.campaign_id, runs.c.kind, runs.c.reason)
    )
    row = paused.first()
    if row is not None and row.kind != "test":
        await add_event(connection, of_run(NotifyEvent.PAUSED, run_id, row.campaign_id, row.reason), now)
        moved = await connection.execute(
            update(campaigns)
            .where(
                campaigns.c.id == row.campaign_id,
                _goes_on(campaigns, CampaignState.RUNNING, CampaignState.PAUSED, reason),
            )
            .values(state=CampaignState.PAUSED, reason=row.reason, updated_at=now)
        )
        if moved.rowcount:
            which = campaigns.c.id == row.campaign_id
            await note_state(connection, which, CampaignState.PAUSED, row.reason, now)


def _goes_on(table: Table, running: str, paused: str, reason: str) -> ColumnElement[bool]:
    """Whether it runs, or would once something is gone while `reason` is not."""
    if reason.startswith(CHECKED_ANYWAY):
        return table.c.state == running
    ends = _begins(table, CHECKED_ANYWAY)
    if reason.startswith(OF_TEMPLATES):
        known = table.c.reason.contains(reason.partition("(")[0], autoescape=True)
        ends = or_(ends, and_(_begins(table, OF_TEMPLATES), ~known))
    else:
        ends = or_(ends, _begins(table, OF_TEMPLATES))
    return or_(table.c.state == running, and_(table.c.state == paused, ends))


def _begins(table: Table, kinds: tuple[str, ...]) -> ColumnElement[bool]:
    return or_(*(table.c.reason.startswith(kind, autoescape=True) for kind in kinds))


def _with(reason: str) -> ColumnElement[Any]:
    """The reason, beside those of other templates."""
    if not reason.startswith(OF_TEMPLATES):
        return literal(reason)
    beside = and_(runs.c.state == RunState.PAUSED, _begins(runs, OF_TEMPLATES))
    return case((beside, runs.c.reason + literal(BETWEEN + reason)), else_=literal(reason))


def of_run(event: NotifyEvent, run_id: int, campaign_id: int, detail: str = "") -> Occurrence:
    """What has happened to a run."""
    return Occurrence(event, f"run:{run_id}", masked(detail), campaign_id=campaign_id, run_id=run_id)


async def resume_run(connection: AsyncConnection, run_id: int, reason: str, now: datetime) -> None:
    """What begins so is no reason for the run's pause any more. If it was the only one, the run is resumed; and its
    campaign, unless another run of it is paused, or this one is only a test."""
    columns = (runs.c.campaign_id, runs.c.kind, runs.c.reason)
    named = select(*columns).where(runs.c.id == run_id, runs.c.state == RunState.PAUSED)
    run = (await connection.execute(named.with_for_update())).first()
    causes = _CAUSE.split(run.reason or "") if run is not None else []
    left = [cause for cause in causes if not cause.startswith(reason)]
    if run is None or left == causes:
        return
    state, rest = (RunState.PAUSED, BETWEEN.join(left)) if left else (RunState.RUNNING, None)
    await connection.execute(update(runs).where(runs.c.id == run_id).values(state=state, reason=rest))
    if run.kind != "test":
        await _resume_campaign(connection, run.campaign_id, now)


async def _resume_campaign(connection: AsyncConnection, campaign_id: int, now: datetime) -> None:
    mine = update(campaigns).where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.PAUSED)
    others = select(runs.c.reason).where(
        runs.c.campaign_id == campaign_id, runs.c.state == RunState.PAUSED, runs.c.kind != "test"
    )
    other = (await connection.execute(others.limit(1))).first()
    if other is not None:
        await connection.execute(mine.values(reason=other.reason))
        return
    moved = await connection.execute(mine.values(state=CampaignState.RUNNING, reason=None, updated_at=now))
    if moved.rowcount:
        await note_state(connection, campaigns.c.id == campaign_id, CampaignState.RUNNING, "", now)
