"""What a provider reports later that concerns more than its own message: a failure that concerns the person, the
number or the campaign; a template that was stopped or is back; an account that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from campaigns.message.content_spec import ContentSpec
from campaigns.outcomes import FailureKind
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import JobState
from providers.events import Effect
from scheduler.sending.lane_health import with_advice
from scheduler.sending.lanes import Account
from scheduler.sending.limits import change_limit
from scheduler.sending.template_pauses import (
    Named,
    pause_runs,
    recategorize,
    release_template,
    stop_template,
)
from storage.audience.templates import expire_list, note_change
from storage.database.engine import Connection
from storage.receipts.failures import LateFailure, newly_failed, send_as_templates
from storage.receipts.inbox import NewNotice
from storage.receipts.statuses import Reached
from storage.receipts.unmatched import Reported
from storage.receipts.user_ids import other_numbers
from storage.runs.pausing import pause_run
from storage.runs.runs import run_spec
from storage.sending.lanes import pause_lane, resume_lane
from storage.sending.limits import expire_limits
from storage.sending.optouts import PreferenceChange, add_preferences

ACCOUNT_STOPPED: Final = "account_stopped"
ACCOUNT_RESTRICTED: Final = "account_restricted"
_LIFTED: Final = "resume the campaign once the provider has lifted that"
ABOUT_LIMITS: Final = ("phone_number_", "business_capability_")
"""How the kinds of notices begin after which quality, throughput, name or limit of a number may be other ones."""
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a provider's clock may be ahead of ours."""


async def handle_failures(
    connection: Connection,
    account: Account,
    reports: Sequence[Reported],
    now: datetime,
    unsettled: Sequence[Reached],
) -> None:
    """Act on the failures that `reports` have just brought. The reports are applied already, to the jobs of
    `unsettled`, and not settled."""
    failing = {
        report.message_id: report for report in reports if report.state is JobState.FAILED and report.code
    }
    if not failing:
        return
    in_closed_windows = []
    for failure in await newly_failed(connection, failing, now):
        report = failing[failure.message_id]
        reason = f"{report.code}: {report.reason or report.status}"
        match account.adapter.failure_kind(report.code or ""):
            case FailureKind.OPTED_OUT:
                evidence = f"refused with {report.code}"
                others = await other_numbers(connection, [failure.phone])
                names = [failure.phone, *others.get(failure.phone, ())]
                changes = [PreferenceChange(name, "out", "marketing", now, evidence) for name in names]
                await add_preferences(connection, account.name, changes)
            case FailureKind.CAMPAIGN:
                await pause_run(connection, failure.run_id, with_advice(reason), now)
            case FailureKind.LANE:
                await pause_lane(connection, failure.lane, with_advice(reason), None, stays=True)
            case FailureKind.USE_TEMPLATE:
                in_closed_windows.append(failure)
            case _:
                pass
    if in_closed_windows:
        times = [report.at for report in failing.values() if report.at and report.at < now + CLOCK_SKEW]
        await _send_templates(connection, in_closed_windows, max([now, *times]), now, unsettled)


async def _send_templates(
    connection: Connection,
    failures: Sequence[LateFailure],
    refused_at: datetime,
    now: datetime,
    unsettled: Sequence[Reached],
) -> None:
    """As after a refusal in the answer: the template goes in the place of the free form, where there is one."""
    contents = {
        run_id: CampaignSpec.from_json(await run_spec(connection, run_id)).contents
        for run_id in {failure.run_id for failure in failures}
    }
    wanted = [one.job_id for one in failures if contents[one.run_id][one.variant].template is not None]
    moved = await send_as_templates(connection, wanted, refused_at, now) if wanted else set()
    for job in unsettled:
        job.sent_again = job.sent_again or job.id in moved


async def handle_notices(
    connection: Connection, account: Account, notices: Sequence[NewNotice], now: datetime
) -> None:
    """Pause what may not be sent now, and resume what may be sent again; a list of templates that has changed must be
    read again."""
    if any("template" in item.kind for item in notices):
        await expire_list(connection, account.name, now)
    if any(item.kind.startswith(ABOUT_LIMITS) for item in notices):
        await expire_limits(connection, account.name, now)
    for item in sorted(notices, key=lambda item: item.at):
        await _handle_notice(connection, account, item, now)


async def _handle_notice(connection: Connection, account: Account, item: NewNotice, now: datetime) -> None:
    name, template = account.name, Named(item.subject, item.language)
    change = partial(note_change, connection, name, item.subject, item.language)
    match item.effect:
        case Effect.TEMPLATE_STOPPED:
            await change(status=item.value)
            await stop_template(connection, name, template, item.text, now)
        case Effect.TEMPLATE_BACK:
            await change(status=item.value)
            await release_template(connection, name, template, now)
        case Effect.CATEGORY_CHANGED if item.value:
            await change(category=item.value)
            await recategorize(connection, name, template, item.value, now)
        case Effect.LIMIT_CHANGED if item.value:
            await change_limit(connection, name, item.value, now)
        case Effect.ACCOUNT_STOPPED:
            for lane in _lanes(account):
                await pause_lane(connection, lane, f"{_stopped(item.subject)}{item.text})", None, stays=True)
        case Effect.ACCOUNT_BACK:
            for lane in _lanes(account):
                await resume_lane(connection, lane, _stopped(item.undoes or item.subject))
        case Effect.TEMPLATES_RESTRICTED:
            reason = f"{ACCOUNT_RESTRICTED}: it may send no templates now ({item.text}); {_LIFTED}"
            await pause_runs(connection, name, reason, _sends_templates, now)
        case Effect.FREE_FORM_RESTRICTED:
            reason = f"{ACCOUNT_RESTRICTED}: it may send templates only now ({item.text}); {_LIFTED}"
            await pause_runs(connection, name, reason, _sends_free_form, now)


def _lanes(account: Account) -> list[str]:
    return [f"{account.name}/{sender.name}" for sender in account.settings.senders]


def _stopped(subject: str) -> str:
    """How the reason of the senders' pause begins."""
    return f"{ACCOUNT_STOPPED}: {subject} ("


def _sends_templates(content: ContentSpec) -> bool:
    return content.template is not None


def _sends_free_form(content: ContentSpec) -> bool:
    return content.free_form is not None
