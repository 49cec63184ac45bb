"""What a provider tells later that concerns more than its own message: a failure that speaks against the person, the
number or the campaign; a template that was stopped or is back; an account that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from campaigns.outcomes import FailureKind
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import JobState, RunState
from providers.events import Effect, Report
from scheduler.sending.lanes import Account
from storage.database.engine import Connection
from storage.receipts.failures import newly_failed
from storage.receipts.inbox import News
from storage.runs.control import resume_run
from storage.runs.runs import open_runs, pause_run, run_spec
from storage.sending.lanes import pause_lane
from storage.sending.optouts import Word, add_words

TEMPLATE_STOPPED: Final = "template_stopped"


async def heed_failures(
    connection: Connection, account: Account, reports: Sequence[Report], now: datetime
) -> None:
    """Act on the failures that `reports` have just brought. The reports are applied already."""
    failing = {
        report.message_id: report for report in reports if report.state is JobState.FAILED and report.code
    }
    if not failing:
        return
    for failure in await newly_failed(connection, failing, now):
        report = failing[failure.message_id]
        said = f"{report.code}: {report.reason or report.status}"
        match account.adapter.failure_kind(report.code or ""):
            case FailureKind.OPTED_OUT:
                word = Word(failure.phone, "out", "marketing", now, f"refused with {report.code}")
                await add_words(connection, account.name, [word])
            case FailureKind.CAMPAIGN:
                await pause_run(connection, failure.run_id, said, now)
            case FailureKind.LANE:
                await pause_lane(connection, failure.lane, said, None)
            case _:
                pass


async def heed_news(connection: Connection, account: Account, news: Sequence[News], now: datetime) -> None:
    """Pause what may not be sent now, and go on with what may again."""
    for item in news:
        match item.effect:
            case Effect.TEMPLATE_STOPPED:
                await _pause_template(connection, account, item, now)
            case Effect.TEMPLATE_BACK:
                await _resume_template(connection, account, item.subject, now)
            case Effect.ACCOUNT_STOPPED:
                for sender in account.settings.senders:
                    lane = f"{account.name}/{sender.name}"
                    await pause_lane(connection, lane, f"{item.kind}: {item.subject}", None)


async def _pause_template(connection: Connection, account: Account, item: News, now: datetime) -> None:
    reason = f"{TEMPLATE_STOPPED}: {item.subject} ({item.text})"
    for run_id in await _runs_with(connection, account, item.subject, RunState.RUNNING):
        await pause_run(connection, run_id, reason, now)


async def _resume_template(connection: Connection, account: Account, template: str, now: datetime) -> None:
    for run_id in await _runs_with(connection, account, template, RunState.PAUSED):
        await resume_run(connection, run_id, f"{TEMPLATE_STOPPED}: {template} ", now)


async def _runs_with(connection: Connection, account: Account, template: str, state: RunState) -> list[int]:
    """The runs in that state that send the template through the account."""
    found = []
    for run in await open_runs(connection):
        if run.state is state:
            spec = CampaignSpec.from_json(await run_spec(connection, run.id))
            names = {content.template.name for content in spec.contents.values() if content.template}
            if spec.provider == account.name and template in names:
                found.append(run.id)
    return found
