"""What a report is about: a campaign with all its runs, or some of its runs with the retries of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import RunState
from storage.audience.campaigns import Campaign
from storage.retention.purged_totals import JobGroup, PurgedRejects, purged_reject_groups, purged_states
from storage.runs.editions import counted_rejects
from storage.runs.occurrences import SCHEDULED
from storage.runs.retries import ALREADY_ARRIVED
from storage.tables.audience import imports, rejects
from storage.tables.runs import jobs, runs

FEW: Final = 50
"""Runs that are named one by one."""


@frozen
class ScheduledRun:
    """One occurrence of the campaign's schedule."""

    id: int
    nominal_at: datetime
    state: RunState
    edition: int
    """The reading of the list that it was made from."""


@frozen
class Scope:
    """The campaign, and which of its runs count."""

    campaign: Campaign
    runs: Sequence[ScheduledRun]
    """Every scheduled run of the campaign, or those that were asked for; the oldest first."""
    chosen: bool = False
    """Whether the report is about these runs only, not about all of them."""
    few: Sequence[int] | None = None
    """The ids of the runs that count where they are few: named one by one, each is looked up in an index."""

    @property
    def launched(self) -> bool:
        return bool(self.runs)

    @property
    def run_ids(self) -> Select[tuple[int]] | Sequence[int]:
        """The ids of the runs that count: without tests, with retries."""
        return self.select_run_ids() if self.few is None else self.few

    def select_run_ids(self) -> Select[tuple[int]]:
        real = select(runs.c.id).where(runs.c.campaign_id == self.campaign.id, runs.c.kind != "test")
        return real.where(self._of_occurrences) if self.chosen else real

    @property
    def jobs(self) -> ColumnElement[bool]:
        """Restricts jobs to those that count: no tests, and of a person's tries in one occurrence the newest."""
        needed = jobs.c.reason.is_distinct_from(ALREADY_ARRIVED)
        return and_(jobs.c.run_id.in_(self.run_ids), needed, ~jobs.c.tried_again)

    @property
    def rejects(self) -> ColumnElement[bool]:
        """Restricts rejects to those of the lists that the runs were made from."""
        if not self.chosen:
            return counted_rejects(self.campaign.id)
        files = select(imports.c.id).where(
            imports.c.campaign_id == self.campaign.id,
            imports.c.edition.in_({run.edition for run in self.runs}),
        )
        return and_(rejects.c.campaign_id == self.campaign.id, rejects.c.import_id.in_(files))

    async def purged_jobs(self, connection: AsyncConnection) -> list[JobGroup]:
        only = self._of_occurrences if self.chosen else None
        return await purged_states(connection, self.campaign.id, only)

    async def purged_rejects(self, connection: AsyncConnection) -> list[PurgedRejects]:
        """Of some runs among several that each read the list: none, because they are kept together only."""
        if self.chosen and self.campaign.spec.audience.refresh is not None:
            return []
        return await purged_reject_groups(connection, self.campaign.id)

    @property
    def _of_occurrences(self) -> ColumnElement[bool]:
        ids = [run.id for run in self.runs]
        return or_(runs.c.id.in_(ids), runs.c.parent_id.in_(ids))


async def scope_of(
    connection: AsyncConnection, campaign: Campaign, chosen: Sequence[ScheduledRun] | None = None
) -> Scope:
    """The whole campaign, or some of its runs."""
    known = chosen if chosen is not None else await scheduled_runs(connection, campaign.id)
    scope = Scope(campaign, known, chosen is not None)
    return replace(scope, few=await few_of(connection, scope.select_run_ids()))


async def few_of(connection: AsyncConnection, run_ids: Select[tuple[int]]) -> list[int] | None:
    """The ids if they are few."""
    ids = [row.id for row in await connection.execute(run_ids.limit(FEW + 1))]
    return ids if len(ids) <= FEW else None


async def scheduled_runs(connection: AsyncConnection, campaign_id: int) -> list[ScheduledRun]:
    """The campaign's runs by its schedule, the oldest first."""
    columns = (runs.c.id, runs.c.nominal_at, runs.c.state, runs.c.edition)
    found = select(*columns).where(runs.c.campaign_id == campaign_id, SCHEDULED).order_by(runs.c.nominal_at)
    return [
        ScheduledRun(row.id, row.nominal_at, RunState(row.state), row.edition)
        for row in await connection.execute(found)
    ]


async def kind_of_run(connection: AsyncConnection, campaign_id: int, run_id: int) -> tuple[str, int | None]:
    """`scheduled`, `retry` or `test`, and the run that it belongs to; `none`: the campaign has no such run."""
    found = select(runs.c.kind, runs.c.parent_id).where(
        runs.c.campaign_id == campaign_id, runs.c.id == run_id
    )
    row = (await connection.execute(found)).first()
    return (row.kind, row.parent_id) if row else ("none", None)
