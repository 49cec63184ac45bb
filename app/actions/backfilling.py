"""Launch runs that were missed, on request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.actions.provider_checks import check_provider, read_user_ids
from app.actions.scheduling import instant_of_text
from app.actions.templates import Catalogue
from app.wiring.approval_guard import guard_of
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.frozen import frozen
from campaigns.intake.model import UserIds
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.clock import Now, utc_now
from scheduler.audience.sendability import Refuse
from scheduler.clock.backfill import backfill, missed_between
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading


@frozen
class MissedRuns:
    """How many runs a campaign missed between two moments, both included."""

    since: datetime
    until: datetime
    count: int


async def missed_runs(
    engine: Engine, name: str, since: str, until: str | None, *, now: Now = utc_now
) -> MissedRuns:
    """`since` and `until` as text, in the campaign's zone; without `until`: up to now.

    Raises NotFound if nothing was missed then, UsageError if one is not a time.
    """
    async with reading(engine) as connection:
        zone = (await require(connection, name)).spec.schedule.timezone
    begin = instant_of_text("--since", since, zone)
    end = instant_of_text("--until", until, zone) if until else now()
    return MissedRuns(begin, end, len(await missed_between(engine, name, begin, end)))


@act("campaign.backfill")
async def backfill_runs(
    engine: Engine, settings: Settings, name: str, missed: MissedRuns, *, now: Now = utc_now
) -> list[datetime]:
    """Launch them now, each as an ordinary run; returns their nominal times."""

    def check(
        spec: CampaignSpec, templates: Sequence[ProviderTemplate] | None
    ) -> tuple[Refuse | None, UserIds]:
        refuse = check_provider(settings, spec, templates=Catalogue(spec.provider, templates))
        return refuse, read_user_ids(settings, spec)

    return await backfill(
        engine, name, missed.since, missed.until, guard=guard_of(settings), check=check, now=now
    )
