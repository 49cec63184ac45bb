"""Pauses the runs that send what may not be sent now, and resumes those that were paused for it: a template that was
stopped, or has another category than the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from campaigns.frozen import frozen
from campaigns.message.content_spec import ContentSpec
from campaigns.message.provider_templates import ProviderTemplate, same_language
from campaigns.message.template_category import AUTO
from campaigns.message.template_match import CATEGORIES, UNSENDABLE
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import RunState
from storage.database.engine import Connection
from storage.runs.pausing import CATEGORY_CHANGED, TEMPLATE_STOPPED, pause_run, resume_run
from storage.runs.runs import RunRow, open_runs, run_spec

Sends = Callable[[ContentSpec], bool]
"""Whether a message of a run is one of those in question."""


@frozen
class Named:
    """A template by its name and language; without a language, in all of them."""

    name: str
    language: str | None

    def is_sent_by(self, content: ContentSpec) -> bool:
        used = content.template
        if used is None or used.name != self.name:
            return False
        return self.language is None or same_language(used.language.casefold(), self.language.casefold())

    def reason(self, kind: str) -> str:
        """How the reason of a pause begins that is due to the template."""
        language = (self.language or "").replace("-", "_").casefold()
        return f"{kind}: {self.name} " + (f"{language} " if language else "")


async def stop_template(
    connection: Connection, account: str, template: Named, why: str, now: datetime
) -> None:
    """Pause the account's runs that send the template."""
    reason = f"{template.reason(TEMPLATE_STOPPED)}({why}; it goes on once it is approved again)"
    await pause_runs(connection, account, reason, template.is_sent_by, now)


async def release_template(connection: Connection, account: str, template: Named, now: datetime) -> None:
    """Resume the runs that `stop_template` has paused."""
    reason = template.reason(TEMPLATE_STOPPED)
    await resume_runs(connection, account, reason, template.is_sent_by, now)


async def recategorize(
    connection: Connection, account: str, template: Named, category: str, now: datetime
) -> None:
    """The template has that category now: pause the runs of another one, and resume those of this one that were paused
    because it had another. Runs that take their category from it go on."""
    begins = template.reason(CATEGORY_CHANGED)
    for run, spec in await _runs_that_send(connection, account, template.is_sent_by):
        if spec.category == category and run.state is RunState.PAUSED:
            await resume_run(connection, run.id, begins, now)
        elif spec.category not in (category, AUTO):
            await pause_run(connection, run.id, f"{begins}({_other_category(spec, category)})", now)


def _other_category(spec: CampaignSpec, category: str) -> str:
    return (
        f"it is {category} now and charged as that, but the campaign is {spec.category}; load it under another name "
        f'with category = "{category}" or "{AUTO}", or resume it to go on under the rules of {spec.category}'
    )


async def apply_changes(
    connection: Connection, account: str, changed: Sequence[ProviderTemplate], now: datetime
) -> None:
    """The provider's list has these templates anew, or with another status or category than before."""
    if not changed:
        return
    used = [spec.contents.values() for _, spec in await _runs_that_send(connection, account, _any_template)]
    names = {content.template.name for contents in used for content in contents if content.template}
    for template in changed:
        if template.name in names:
            await _apply_change(connection, account, template, now)


async def _apply_change(
    connection: Connection, account: str, template: ProviderTemplate, now: datetime
) -> None:
    named = Named(template.name, template.language)
    if template.status in UNSENDABLE:
        await stop_template(connection, account, named, f"its status is {template.status}", now)
    elif template.status == "APPROVED":
        await release_template(connection, account, named, now)
    if template.category in CATEGORIES:
        await recategorize(connection, account, named, template.category, now)


def _any_template(content: ContentSpec) -> bool:
    return content.template is not None


async def pause_runs(connection: Connection, account: str, reason: str, sends: Sends, now: datetime) -> None:
    """Pause the account's runs with a message in question."""
    for run, _ in await _runs_that_send(connection, account, sends):
        await pause_run(connection, run.id, reason, now)


async def resume_runs(connection: Connection, account: str, reason: str, sends: Sends, now: datetime) -> None:
    """Resume those of them whose pause has a reason that begins so."""
    for run, _ in await _runs_that_send(connection, account, sends):
        await resume_run(connection, run.id, reason, now)


async def _runs_that_send(
    connection: Connection, account: str, sends: Sends
) -> list[tuple[RunRow, CampaignSpec]]:
    """The account's running and paused runs with a message in question."""
    found = []
    for run in await open_runs(connection):
        spec = CampaignSpec.from_json(await run_spec(connection, run.id))
        if spec.provider == account and any(map(sends, spec.contents.values())):
            found.append((run, spec))
    return found
