"""Turn the messages that the rules allow into calls: equal messages together, each with its intent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from campaigns.frozen import frozen
from campaigns.message.content import Content, write_content
from providers.adapter import Call
from scheduler.sending.facts import Claim, Known
from scheduler.sending.reservations import Sending
from storage.sending.intents import Intent


@frozen
class PlannedCall:
    """One call whose intents are committed."""

    run_id: int
    call: Call
    intents: tuple[Intent, ...]


def plan_calls(claim: Claim, known: Known, sends: Sequence[Sending]) -> list[PlannedCall]:
    largest = 1 if claim.plan.jitter else known.lane.adapter.capabilities.batch
    slice_key, spacing = uuid4().hex, known.lane.pacer.spacing(claim.run.id)
    return [
        _plan_call(claim, known, group, f"{slice_key}{number:x}", spacing)
        for number, group in enumerate(_batches(sends, largest))
    ]


def _batches(sends: Sequence[Sending], largest: int) -> list[list[Sending]]:
    """Jobs of equal content together, at most `largest`; a job to be sent alone is alone."""
    if largest == 1:
        return [[one] for one in sends]
    groups: list[list[Sending]] = []
    filling: dict[Content, list[Sending]] = {}
    for one in sends:
        group = filling.get(one.content)
        if group is None or len(group) >= largest or one.job.goes_alone:
            group = []
            groups.append(group)
            if not one.job.goes_alone:
                filling[one.content] = group
        group.append(one)
    return groups


def _plan_call(
    claim: Claim, known: Known, group: Sequence[Sending], key: str, spacing: timedelta
) -> PlannedCall:
    run, content, marketing = claim.run, group[0].content, claim.plan.marketing
    call = Call(
        known.lane.sender,
        tuple([one.job.phone for one in group]),
        content,
        spacing,
        references=tuple([f"{run.token}.{one.job.id}" for one in group]),
        category=group[0].category,
        marketing_policy=marketing.policy if marketing else None,
        share_activity=marketing.share_activity if marketing else None,
    )
    stored = write_content(content)
    intents = [
        Intent(
            one.job,
            key,
            one.form,
            stored,
            run.campaign_id,
            one.price,
            known.begun_by,
            one.variant,
            call.category,
            claim.is_outside_test(one.job),
        )
        for one in group
    ]
    return PlannedCall(run.id, call, tuple(intents))
