"""`refresh = "each_run"`: the list is read again when a run is launched, and the people on it then are the audience.

It is read before the launch's transaction, which only puts it in its place.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from campaigns.errors import IntakeError, InvalidInput
from campaigns.frozen import frozen
from campaigns.intake.model import UserIds
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.templates import needed_variables
from campaigns.reject_codes import IntakeCode
from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.actions.template_checks import usable_templates
from scheduler.audience.load import prepared_edition
from scheduler.audience.sendability import Refuse, refuse_unsendable_variants, user_ids_of
from scheduler.audience.staging import Stage
from scheduler.sending.lanes import Lane
from storage.database.engine import Connection, Engine, reading
from storage.runs.runs import DueCampaign

Templates = Sequence[ProviderTemplate] | None
Check = Callable[[CampaignSpec, Templates], tuple[Refuse | None, UserIds]]
"""From a campaign, and its account's templates if they are known, to the check that each of its rows needs, and how the
list names people by user id."""

UNREADABLE: Final = (InvalidInput, OSError, ValueError)
"""The list is missing, cannot be loaded, or was truncated while it was read."""


def no_check(spec: CampaignSpec, _templates: Templates) -> tuple[None, UserIds]:
    """No row is checked against the provider's limits."""
    return None, UserIds(spec.provider)


def judge_by(lanes: Mapping[str, Lane]) -> Check:
    """The check by the provider of the campaign's lanes, as far as the settings name them."""

    def check(spec: CampaignSpec, templates: Templates) -> tuple[Refuse | None, UserIds]:
        lane = next((lanes[name] for name in spec.lanes if name in lanes), None)
        if lane is None:
            return no_check(spec, templates)
        refuse = refuse_unsendable_variants(spec.contents, lane.adapter, templates)
        return refuse, user_ids_of(spec, lane.adapter)

    return check


@frozen
class Reading:
    """The result of reading the list for one run."""

    campaign: DueCampaign
    stage: Stage | None
    trouble: str = ""
    """Why there is no stage."""

    async def take_place(self, connection: Connection, after: Reading | None = None) -> bool:
        """Make it the audience, in the place of what was that at the beginning, or of the reading `after`; False where
        another list has become that meanwhile."""
        earlier = after.stage if after else None
        return self.stage is not None and await self.stage.take_place(connection, earlier)


def reads_list(spec: CampaignSpec) -> bool:
    """Whether the list is read again for each run."""
    return spec.audience.refresh is not None and spec.audience.csv is not None


@asynccontextmanager
async def read_list(
    engine: Engine,
    campaign: DueCampaign,
    spec: CampaignSpec,
    check: Check,
    now: datetime,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Reading]:
    """The list as it is now, for the run of the campaign's `start_at`, to be used while the context lasts.

    Raises Stopping at a stop.
    """
    csv = spec.audience.csv
    assert csv is not None  # noqa: S101
    async with reading(engine) as connection:
        templates = await usable_templates(connection, spec, now)
    async with AsyncExitStack() as stack:
        try:
            refuse, user_ids = check(spec, templates)
            found = Reading(
                campaign,
                await stack.enter_async_context(
                    prepared_edition(
                        engine,
                        campaign.id,
                        csv,
                        spec.audience.options(
                            needed_variables(spec.contents),
                            spec.schedule.timezone,
                            spec.schedule.span_of_rows(campaign.start_at, campaign.start_at),
                            spec.optional_variables,
                            user_ids,
                        ),
                        max_reject_percent=spec.audience.max_reject_percent,
                        rejects_path=_rejects_path(csv, campaign),
                        refuse=refuse,
                        stop=stop,
                        now=now,
                    )
                ),
            )
        except UNREADABLE as error:
            found = Reading(campaign, None, _problem_of(error))
        yield found


def _rejects_path(csv: Path, campaign: DueCampaign) -> Path | None:
    """Beside the list, named after the run; None where nothing may be written there."""
    name = f"{campaign.name}-rejects-{campaign.start_at:%Y%m%dT%H%M%SZ}.csv"
    return csv.parent / name if os.access(csv.parent, os.W_OK) else None


def _problem_of(error: Exception) -> str:
    if isinstance(error, IntakeError) and error.code == IntakeCode.FILE_NOT_FOUND:
        return f"{error} The list is read where the clock runs, which is {socket.gethostname()}."
    return str(error)
