"""What `campaign check` shows of a campaign file before anything is stored: who would get what, when, at what price."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from app.actions.loading import Checked, Flags, Loaded, Progress, check_campaign
from app.views.message.sampling import Choice, Preview, preview_json, preview_messages
from app.wiring.databases import opened, snapshot
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, NotFound
from campaigns.frozen import frozen
from campaigns.intake.model import REJECT_COLUMNS
from campaigns.intake.names import fold
from campaigns.intake.recipient_columns import CODES
from campaigns.message.templates import renderers_of
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.clock import utc_now
from scheduler.clock.calendar import occurrences
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from scheduler.forecast.planning import planning_lanes
from scheduler.forecast.worst_case import worst_case
from storage.audience.campaigns import Campaign, replace_spec, require
from storage.database.engine import Connection, reading, writing
from storage.database.scratch import NAME
from storage.views.estimates import count_recipients

FEW: Final = 3
"""Runs and messages that are shown."""
MOST: Final = 50_000
"""Recipients up to which a check also estimates; it takes about twice the time of the rest."""
_WITH_MEANING: Final = ("country_code", *CODES)
"""Columns that Drumbeat itself reads, beside the number."""


@frozen
class Preflight:
    """The check of a campaign file."""

    loaded: Loaded
    runs: Sequence[datetime]
    """The next times it would run; empty: no time is given."""
    hours: str | None
    """When its messages may arrive; None: at any time."""
    used: Sequence[str]
    """Columns of the list that the message or Drumbeat uses, the number first."""
    unused: Sequence[str]
    expected: Estimate | None
    """None: the settings have no account to send through, or there are more than MOST recipients."""
    previews: Sequence[Preview]
    unknown: str | None = None
    """Why opt-outs, earlier messages and rate cards were not looked up; None: they were, or there are none yet."""
    approval: str | None = None
    """Why it will need an approval, by the numbers of this check; None: it will not, or that cannot be known."""

    @property
    def json(self) -> dict[str, Any]:
        return {
            **self.loaded.json,
            "next_runs": self.runs,
            "hours": self.hours,
            "columns": {"used": self.used, "unused": self.unused},
            "expected": self._expected(),
            "preview": [message for each in self.previews for message in preview_json(each)],
            "not_looked_up": self.unknown,
            "needs_approval": self.approval,
        }

    def _expected(self) -> dict[str, Any] | None:
        if self.expected is None:
            return None
        totals = self.expected.totals()
        return {
            "messages": self.expected.sends,
            "skips": self.expected.skips,
            "waits": self.expected.waits,
            "held_back": self.expected.held,
            "cost": [{"currency": one.currency, "low": one.low, "high": one.high} for one in totals],
            "unpriced": self.expected.unpriced,
            "warnings": self.expected.warnings,
            "duration_seconds": round(self.expected.takes.total_seconds(), 3),
            "ends_at": self.expected.ends_at,
        }


async def preflight(
    settings: Settings, path: Path, flags: Flags, *, most: int | None = None, progress: Progress | None = None
) -> Preflight:
    """Check the file and its list as a load would, and look ahead; stores only the rejects. `most`: recipients up to
    which it also estimates; default: MOST."""
    seen: list[_Seen] = []

    async def look(checked: Checked) -> None:
        seen.append(await _look(settings, checked, MOST if most is None else most, progress))

    loaded = await check_campaign(settings, path, flags, look=look, progress=progress)
    [found] = seen
    used, unused = _columns(found.spec, loaded)
    runs = _runs(found.spec, loaded.start_at)
    hours = found.spec.hours.text if found.spec.hours else None
    return Preflight(
        loaded, runs, hours, used, unused, found.expected, found.previews, found.unknown, found.approval
    )


@frozen
class _Seen:
    spec: CampaignSpec
    expected: Estimate | None
    previews: Sequence[Preview]
    unknown: str | None
    approval: str | None = None


async def _look(settings: Settings, checked: Checked, most: int, progress: Progress | None) -> _Seen:
    """Forecast with the audience of the temporary database and the facts of the real one."""
    async with writing(checked.engine) as connection:
        await replace_spec(connection, checked.campaign_id, checked.spec, utc_now())
    async with reading(checked.engine) as audience, _facts(settings) as (facts, unknown):
        known = checked.templates.used_by(checked.spec) if checked.templates else ()
        previews = await preview_messages(audience, NAME, Choice.FIRST, FEW, 0, templates=known)
        account = settings.accounts.get(checked.spec.provider)
        if account is None:
            return _Seen(checked.spec, None, previews, unknown)
        stored = await require(audience, NAME)
        campaign = replace(stored, name=checked.spec.name, start_at=checked.start_at)
        approval = await _approval(settings, audience, facts or audience, campaign)
        if await count_recipients(audience, stored.id) > most:
            return _Seen(checked.spec, None, previews, unknown, approval)
        expected = await estimate(
            audience,
            campaign,
            account,
            default_caps=settings.caps,
            progress=progress,
            facts=facts,
            templates=known if checked.templates and checked.templates.templates is not None else None,
        )
        return _Seen(checked.spec, expected, previews, unknown, approval)


async def _approval(
    settings: Settings, audience: Connection, facts: Connection, campaign: Campaign
) -> str | None:
    """Why the campaign will need an approval, with the prices that `facts` has."""
    limits, spec = settings.approval, campaign.spec
    cost = None
    if limits.amount is not None:
        lane = planning_lanes(spec, settings.account(spec.provider), settings.caps)[spec.lanes[0]]
        at = max(utc_now(), campaign.start_at or utc_now())
        cost = await worst_case(audience, campaign, lane, at, prices=facts)
    return limits.reason(await count_recipients(audience, campaign.id), cost)


@asynccontextmanager
async def _facts(settings: Settings) -> AsyncIterator[tuple[Connection | None, str | None]]:
    """The project's database, or why it cannot be read; neither: there is none yet."""
    async with AsyncExitStack() as stack:
        found: tuple[Connection | None, str | None]
        try:
            engine = await stack.enter_async_context(opened(settings, create=False))
            found = await stack.enter_async_context(snapshot(engine)), None
        except NotFound:
            found = None, None
        except DrumbeatError as error:
            found = None, str(error)
        yield found


def _runs(spec: CampaignSpec, start_at: datetime | None) -> list[datetime]:
    if start_at is None:
        return []
    later = occurrences(spec.schedule, start_at) if spec.schedule.recurs else iter(())
    return list(islice(chain([start_at], later), min(FEW, spec.schedule.max_runs or FEW)))


def _columns(spec: CampaignSpec, loaded: Loaded) -> tuple[list[str], list[str]]:
    """The columns of the list that are used, the number first, and the others; both as the file spells them."""
    detected = loaded.report.detected
    names = {name for renderer in renderers_of(spec.contents).values() for name in renderer.names}
    renamed = {fold(column): fold(name) for column, name in spec.audience.map.items()}
    used, unused = [detected.phone_column], list[str]()
    for column in detected.header:
        variable = renamed.get(fold(column), fold(column))
        if not column or column == detected.phone_column or variable in REJECT_COLUMNS:
            continue
        (used if variable in names or variable in _WITH_MEANING else unused).append(column)
    return used, unused
