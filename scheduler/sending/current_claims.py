"""What others may have changed about claimed jobs, read once the slice holds the locks of `lock_shared`: it may have
waited for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from campaigns.spec.rules_spec import BudgetSpec
from scheduler.sending.facts import Claim
from scheduler.sending.lanes import Lane
from storage.database.engine import Connection, is_sqlite
from storage.receipts.same_person import one_for_each_person
from storage.runs.budget_limits import budgets_of_runs
from storage.runs.retries import arrived_before
from storage.sending.due_runs import runs_now


async def as_they_are_now(
    connection: Connection, lane: Lane, claims: Sequence[Claim], now: datetime
) -> list[Claim]:
    """The claims with the state of their runs, their budgets and what is known of their people as it is now."""
    if not is_sqlite(connection):  # which has one writer
        claims = await _with_current_runs(connection, claims)
        claims = [await _with_current_people(connection, lane, claim) for claim in claims]
    claims = [await _with_arrivals(connection, claim) for claim in claims]
    return await _with_current_budgets(connection, claims, now)


async def _with_current_runs(connection: Connection, claims: Sequence[Claim]) -> Sequence[Claim]:
    if not claims:
        return []
    runs = await runs_now(connection, [claim.run.id for claim in claims])
    return [replace(claim, run=runs[claim.run.id]) for claim in claims]


async def _with_current_people(connection: Connection, lane: Lane, claim: Claim) -> Claim:
    """Without those whose number has become known: the locks are of the name that they had."""
    if not claim.plan.names_user_ids:
        return claim
    jobs = await one_for_each_person(connection, lane.account.name, claim.run.id, claim.jobs)
    phones = {job.id: job.phone for job in claim.jobs}
    return replace(claim, jobs=tuple(job for job in jobs if job.phone == phones[job.id]))


async def _with_arrivals(connection: Connection, claim: Claim) -> Claim:
    parent_id = claim.run.parent_id
    if parent_id is None:
        return claim
    arrived = await arrived_before(connection, parent_id, [job.phone for job in claim.jobs])
    return replace(claim, jobs=tuple(replace(job, has_arrived=job.phone in arrived) for job in claim.jobs))


async def _with_current_budgets(
    connection: Connection, claims: Sequence[Claim], now: datetime
) -> list[Claim]:
    """People may change the limits of a run."""
    limited = {claim.run.id for claim in claims if claim.lines}
    budgets = await budgets_of_runs(connection, limited)
    return [
        replace(claim, lines=claim.plan.budget_lines(claim.run, now, BudgetSpec.model_validate(budget)))
        if (budget := budgets.get(claim.run.id))
        else claim
        for claim in claims
    ]
