"""`retry-failed`: which failures are worth another try, and the child run that makes it, once however many ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.outcomes import AS_TEMPLATE, MESSAGE_REFUSED, SPARED, FailureKind
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, JobState
from campaigns.time.clock import Now, utc_now
from providers.meta.codes import kind_of, note_of
from scheduler.actions.stored_media import keep_stored_media
from scheduler.actions.template_checks import refuse_unfit
from storage.audience.campaigns import Campaign, require, require_locked
from storage.database.engine import Connection, Engine, writing
from storage.retention.purged_totals import runs_purged_since
from storage.runs.control import move_campaign
from storage.runs.retries import (
    GIVEN_UP,
    EndedGroup,
    Occurrence,
    add_retries,
    ended_groups,
    newest_occurrence,
)
from storage.runs.side_runs import add_side_run, count_jobs_made

K = FailureKind


class Again(StrEnum):
    """How a failed message is tried again."""

    NOW = "now"
    LATER = "later"
    """A day after the failure: until then the provider withholds messages from the person."""
    AS_TEMPLATE = "as_template"
    """The free form was refused because the window is closed."""


@frozen
class Verdict:
    """Whether a failure is tried again, and why or why not."""

    again: Again | None
    why: str


TEMPORARY: Final = {
    "message expired": "The phone was off for too long; it may be on now.",
    "12001": "Bird says that a service it depends on had failed.",
    "131014": "The medium's address may lead somewhere now.",
}
"""Codes and texts of failures that are temporary or can be fixed, besides those whose kind shows it."""

BY_KIND: Final[dict[FailureKind, Verdict]] = {
    **dict.fromkeys(
        (K.NOT_SENT, K.THROTTLED, K.UNKNOWN, K.PAIR, K.SPLIT),
        Verdict(Again.NOW, "The failure was temporary."),
    ),
    K.PASSING: Verdict(Again.NOW, "What it needed, such as its medium, may be there now."),
    **dict.fromkeys((K.LANE, K.CAMPAIGN), Verdict(Again.NOW, "The sender or the account may work again.")),
    K.LATER: Verdict(
        Again.LATER, "The provider withholds messages from this person for a day; it is sent after that."
    ),
    K.USE_TEMPLATE: Verdict(Again.AS_TEMPLATE, "The window was closed; it goes as the template."),
    K.OPTED_OUT: Verdict(None, "The person wants no more messages."),
    K.RECIPIENT: Verdict(None, "It would fail again."),
    K.MESSAGE: Verdict(Again.NOW, "What the provider refused in the message may have been fixed."),
}

FAILURES: Final[dict[str | None, Verdict]] = {
    "retries_exhausted": Verdict(Again.NOW, "The provider never accepted the message."),
    "opted_out": BY_KIND[K.OPTED_OUT],
    MESSAGE_REFUSED: BY_KIND[K.MESSAGE],
    "not_rendered": Verdict(
        None, "The message cannot be made from this row: correct the row and load it again."
    ),
}
"""By the reason of a failure, where no code of the provider's decides."""

NO_WHATSAPP: Final = Verdict(
    None, "The number has no WhatsApp: correct it in the list, or reach the person in another way."
)

SKIPPED: Final = Verdict(None, "A rule kept it from being sent, and would again.")
IN_DOUBT: Final = Verdict(None, "It may have arrived; drumbeat campaign resolve settles it.")
EXPIRED: Final = Verdict(None, "Its time had run out; --expired sends it all the same.")
GIVEN_UP_ONCE: Final = Verdict(None, "It may have arrived; --given-up sends it all the same.")
CANCELLED: Final = Verdict(None, "A person cancelled it.")
UNKNOWN_CODE: Final = Verdict(None, "No cure is known here: look the code up at the provider.")
NO_TEMPLATE: Final = Verdict(None, "The window was closed, and the campaign has no template.")
BY_NAME: Final = Verdict(Again.NOW, "Asked for by name.")


def retry_verdict(
    group: EndedGroup, *, has_template: bool, expired: bool = False, given_up: bool = False
) -> Verdict:
    """What to do with a group; `expired` and `given_up`: a person asked for those by name."""
    match group.state:
        case JobState.FAILED if group.reason in ("refused", "provider_failed"):
            verdict = _by_code(group.code or "")
            return NO_TEMPLATE if verdict.again is Again.AS_TEMPLATE and not has_template else verdict
        case JobState.FAILED:
            return FAILURES.get(group.reason, UNKNOWN_CODE)
        case JobState.EXPIRED:
            return BY_NAME if expired else EXPIRED
        case JobState.CANCELLED if group.reason == GIVEN_UP:
            return BY_NAME if given_up else GIVEN_UP_ONCE
        case JobState.CANCELLED:
            return CANCELLED
        case JobState.SKIPPED:
            return SKIPPED
        case _:
            return IN_DOUBT


def _by_code(code: str) -> Verdict:
    if reason := TEMPORARY.get(code.casefold()):
        return Verdict(Again.NOW, reason)
    if "not on whatsapp" in code.casefold():
        return NO_WHATSAPP
    number = int(code) if code.isascii() and code.isdecimal() else None
    kind = kind_of(number)
    if kind is None:
        return UNKNOWN_CODE
    verdict = BY_KIND[kind]
    return Verdict(verdict.again, note_of(number)) if kind is K.RECIPIENT else verdict


@frozen
class Judged:
    """A group of failures and what to do with it."""

    state: JobState
    """The state of its messages."""
    reason: str | None
    """Why they are in it; null: no reason is recorded."""
    code: str | None
    """The provider's code; null: it gave none."""
    count: int
    """Messages."""
    again: Again | None
    """How they are sent again; null: they are not."""
    why: str
    """Why they are or are not, as a sentence."""


@frozen
class Retry:
    """The retry that was made; no run if nothing can be tried again."""

    run_id: int | None
    retried: int
    groups: tuple[Judged, ...]


async def retry_failed(
    engine: Engine, name: str, *, expired: bool = False, given_up: bool = False, now: Now = utc_now
) -> Retry:
    """Make a child run of those that failed for a retryable reason; two callers at once make one.

    Raises NotFound, and InvalidInput where the campaign is not in a state to be sent, or a media file has been purged.
    """
    moment = now()
    async with writing(engine) as connection:
        campaign = await require_locked(connection, name)
        occurrence = await _occurrence(connection, campaign)
        await _refuse_purged(connection, name, occurrence)
        spec = CampaignSpec.from_json(occurrence.spec)
        expires_at = _deadline(spec, moment)
        await refuse_unfit(connection, spec, moment)
        groups = await ended_groups(connection, occurrence, given_up=given_up)
        has_template = any(content.template for content in spec.contents.values())
        known: Any = {"has_template": has_template, "expired": expired}
        judged = [(group, retry_verdict(group, given_up=given_up, **known)) for group in groups]
        verdicts = tuple(Judged(g.state, g.reason, g.code, g.count, v.again, v.why) for g, v in judged)
        if not any(verdict.again for _, verdict in judged):
            return Retry(None, 0, verdicts)
        await keep_stored_media(connection, spec, moment)
        run_id = await add_side_run(
            connection,
            campaign.id,
            "retry",
            _with_budget_of(campaign.spec, spec).to_json(),
            priority=occurrence.priority,
            expires_at=expires_at,
            now=moment,
            parent_id=occurrence.run_id,
        )
        retried = await _fill(connection, occurrence, run_id, judged, moment, given_up)
        ended = [CampaignState.COMPLETED, CampaignState.SCHEDULED]
        await move_campaign(connection, name, ended, CampaignState.RUNNING, moment)
    return Retry(run_id, retried, verdicts)


async def preview_retry(connection: Connection, name: str) -> tuple[Judged, ...]:
    """What `retry_failed` would do with each group of failures now. Raises as it does."""
    campaign = await require(connection, name)
    occurrence = await _occurrence(connection, campaign)
    await _refuse_purged(connection, name, occurrence)
    spec = CampaignSpec.from_json(occurrence.spec)
    has_template = any(content.template for content in spec.contents.values())
    groups = await ended_groups(connection, occurrence, given_up=False)
    judged = ((group, retry_verdict(group, has_template=has_template)) for group in groups)
    return tuple(Judged(g.state, g.reason, g.code, g.count, v.again, v.why) for g, v in judged)


async def _occurrence(connection: Connection, campaign: Campaign) -> Occurrence:
    occurrence = await newest_occurrence(connection, campaign.id)
    if occurrence is None:
        raise InvalidInput(
            f"{campaign.name} has not been sent yet; nothing of it can have failed.",
            hint=f"drumbeat campaign show {campaign.name}",
        )
    if campaign.state in (CampaignState.PAUSED, CampaignState.CANCELLED):
        then = "resume {0}" if campaign.state is CampaignState.PAUSED else "clone {0} NEW"
        raise InvalidInput(
            f"{campaign.name} is {campaign.state}; nothing of it is sent again.",
            hint=f"drumbeat campaign {then.format(campaign.name)}",
        )
    return occurrence


async def _refuse_purged(connection: Connection, name: str, occurrence: Occurrence) -> None:
    """Raise InvalidInput if the messages are purged: who already has the message is then unknown."""
    purged_at = await runs_purged_since(connection, occurrence.run_ids)
    if purged_at is not None:
        raise InvalidInput(
            f"The details of {name} were purged on {purged_at:%Y-%m-%d}; nothing of it is sent again.",
            hint=f"drumbeat report failures {name}",
        )


def _with_budget_of(now: CampaignSpec, then: CampaignSpec) -> CampaignSpec:
    """The run's file with the budget of today: people may have changed it since."""
    return then.model_copy(update={"budget": now.budget})


def _deadline(spec: CampaignSpec, now: datetime) -> datetime | None:
    expires_at = spec.schedule.deadline(now)
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(
            f"schedule.ends_at of {spec.name} has passed: nothing of it is sent any more.",
            hint=f"drumbeat campaign clone {spec.name} NEW",
        )
    return expires_at


async def _fill(
    connection: Connection,
    occurrence: Occurrence,
    run_id: int,
    judged: Sequence[tuple[EndedGroup, Verdict]],
    now: datetime,
    given_up: bool,
) -> int:
    retried = 0
    for again in Again:
        retried += await add_retries(
            connection,
            occurrence,
            run_id,
            [group for group, verdict in judged if verdict.again is again],
            now,
            after=SPARED if again is Again.LATER else timedelta(),
            held_by=AS_TEMPLATE if again is Again.AS_TEMPLATE else None,
            given_up=given_up,
        )
    await count_jobs_made(connection, run_id, retried)
    return retried
