"""From the rows of the file to replies: how many get to each step, and each loss on the way by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.views.reports.parts import Asked, Report, Table, find_asked, purged_remarks
from campaigns.figures import Share
from campaigns.frozen import frozen
from campaigns.states import JobState
from campaigns.time.period import ALWAYS, Period
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.runs.retries import GIVEN_UP
from storage.views import reports
from storage.views.reports import Delivery, Failure, RejectGroup

S = JobState
AFTER_ACCEPTANCE: Final = "provider_failed"
BEFORE_THE_CALL: Final = "not_rendered"
STEPS: Final = {
    "rows": "rows of the file; of several runs, their messages and the rejected rows",
    "accepted": "rows - rejected",
    "eligible": "accepted - skipped - expired - cancelled before it was sent",
    "attempted": "eligible - waiting - failed before the provider was called",
    "taken": "attempted - refused - in doubt - being sent now",
    "delivered": "taken - awaiting a receipt - failed after the provider took it",
    "read": "delivered - not read, or no read receipt",
    "replied": "read - not answered since; a stop word is no answer",
}
"""Each step and how it is counted."""


@frozen
class Loss:
    """Messages that do not get to the next step, for one reason."""

    name: str
    code: str | None
    count: int
    open: bool = False
    """They may still get there."""


@frozen
class Step:
    name: str
    count: int
    losses: Sequence[Loss]
    """Between the step before and this one: the count before is this one and these."""

    @property
    def by_name(self) -> dict[str, list[Loss]]:
        """The losses of one name together."""
        found: dict[str, list[Loss]] = {}
        for loss in self.losses:
            found.setdefault(loss.name, []).append(loss)
        return found


@frozen
class Funnel:
    steps: Sequence[Step]
    replied_unread: int
    """Messages that were answered and have no read receipt; they are not among `replied`."""

    def __getitem__(self, name: str) -> int:
        return next(step.count for step in self.steps if step.name == name)

    @property
    def json(self) -> dict[str, Any]:
        return {
            "steps": [
                {
                    "step": step.name,
                    "count": step.count,
                    "losses": [
                        {"name": loss.name, "code": loss.code, "count": loss.count, "open": loss.open}
                        for loss in step.losses
                    ],
                }
                for step in self.steps
            ],
            "replied_unread": self.replied_unread,
        }

    @property
    def table(self) -> Table:
        whole = self.steps[0].count
        rows: list[tuple[Any, ...]] = []
        for step in self.steps:
            for loss in step.losses:
                name = f"  {loss.name}" + (f" ({loss.code})" if loss.code else "")
                rows.append((name, -loss.count, Share.of(-loss.count, whole), ""))
            rows.append((step.name, step.count, Share.of(step.count, whole), STEPS[step.name]))
        return Table(
            "From the file to replies", ("step", ">count", ">of all rows", "how it is counted"), rows
        )

    @property
    def remarks(self) -> list[str]:
        if not self.replied_unread:
            return []
        return [
            f"{self.replied_unread:,} more were answered without a read receipt: the person has switched them off."
        ]


async def funnel_report(
    connection: Connection, name: str, run_id: int | None = None, period: Period = ALWAYS
) -> Report:
    """How many got how far; of some runs, or of all. Raises NotFound."""
    asked = await find_asked(connection, name, run_id, period)
    funnel = await read_funnel(connection, asked)
    purged_at = await purged_since(connection, asked.campaign.id)
    rows = [(step.name, loss.name, loss.code, loss.count) for step in funnel.steps for loss in step.losses]
    return Report(
        {
            "campaign": asked.campaign.name,
            **asked.json,
            **funnel.json,
            "purged_at": purged_at,
            "formulas": STEPS,
        },
        [funnel.table],
        Table(
            None,
            ("step", "lost", "code", "count"),
            [*((step.name, "", None, step.count) for step in funnel.steps), *rows],
        ),
        [*funnel.remarks, *purged_remarks(purged_at)],
        STEPS,
    )


async def read_funnel(connection: Connection, asked: Asked, found: Delivery | None = None) -> Funnel:
    """`found`: its delivery, where that was read already."""
    of = (connection, asked.campaign, asked.runs)
    return make_funnel(
        found or await reports.delivery(*of),
        await reports.failures(*of),
        await reports.reject_groups(*of),
        await reports.count_replies(*of),
    )


def make_funnel(
    found: Delivery,
    failures: Sequence[Failure],
    rejected: Sequence[RejectGroup],
    replies: Mapping[JobState, int],
) -> Funnel:
    """Each message is lost at exactly one step, or is in the last."""
    states = found.states
    losses = {name: list[Loss]() for name in STEPS}
    losses["accepted"] = [Loss("rejected", group.code, group.count) for group in rejected]
    for failure in failures:
        losses[_lost_before(failure)].append(_loss(failure))
    losses["attempted"] += _open(states, "waiting", S.PENDING)
    losses["taken"] += _open(states, "being sent", S.SENDING)
    losses["delivered"] += _open(states, "awaiting a receipt", S.ACCEPTED, S.HELD, S.SENT)
    losses["read"] += _open(states, "not read, or no read receipt", S.DELIVERED)
    replied = replies.get(S.READ, 0)
    losses["replied"] += [Loss("not answered", None, states.get(S.READ, 0) - replied, open=True)]
    steps, left = [], found.rows
    for name in STEPS:
        lost = [loss for loss in losses[name] if loss.count]
        left -= sum(loss.count for loss in lost)
        steps.append(Step(name, left, lost))
    return Funnel(steps, sum(replies.values()) - replied)


def _lost_before(failure: Failure) -> str:
    """The step that these messages did not get to."""
    match failure.state, failure.reason:
        case S.FAILED, reason if reason == AFTER_ACCEPTANCE:
            return "delivered"
        case S.FAILED, reason if reason == BEFORE_THE_CALL:
            return "attempted"
        case S.CANCELLED, reason if reason == GIVEN_UP:
            return "taken"
        case ((S.FAILED | S.IN_DOUBT), _):
            return "taken"
        case _:
            return "eligible"


def _loss(failure: Failure) -> Loss:
    if failure.state is S.IN_DOUBT:
        return Loss("in doubt", failure.code or failure.reason, failure.count, open=True)
    return Loss(failure.state.value, failure.code or failure.reason, failure.count)


def _open(states: Mapping[JobState, int], name: str, *of: JobState) -> Iterator[Loss]:
    yield Loss(name, None, sum(states.get(state, 0) for state in of), open=True)
