"""`refresh = "each_run"`: the list is read again when a run is launched, and whoever it names then is the audience."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from campaigns.errors import IntakeError, InvalidInput
from campaigns.message.templates import needed_variables
from campaigns.reject_codes import IntakeCode
from campaigns.spec.campaign_spec import CampaignSpec
from scheduler.audience.load import load_again
from scheduler.audience.sendability import Refuse, refuse_unsendable_variants
from scheduler.sending.lanes import Lane
from storage.database.engine import Connection
from storage.runs.runs import DueCampaign

Judge = Callable[[CampaignSpec], Refuse | None]
"""From a campaign to the check that each of its rows needs."""

UNREADABLE: Final = (InvalidInput, OSError, ValueError)
"""A list that is away, not fit to be loaded, or cut short while it is read."""


def no_judge(_spec: CampaignSpec) -> None:
    """No row is checked against the provider's limits."""


def judge_by(lanes: Mapping[str, Lane]) -> Judge:
    """The check by the provider of the campaign's lanes, as far as the settings name them."""

    def judge(spec: CampaignSpec) -> Refuse | None:
        lane = next((lanes[name] for name in spec.lanes if name in lanes), None)
        return refuse_unsendable_variants(spec.contents, lane.adapter) if lane else None

    return judge


async def refresh(
    connection: Connection, campaign: DueCampaign, spec: CampaignSpec, judge: Judge, now: datetime
) -> str | None:
    """Make the list as it is now the campaign's audience, for the run of its `start_at`.

    Where it cannot be read nothing is changed, and the answer says what is wrong. The caller holds the campaign's lock.
    """
    csv = spec.audience.csv
    if spec.audience.refresh is None or csv is None:
        return None
    try:
        async with connection.begin_nested():
            await load_again(
                connection,
                campaign.id,
                csv,
                spec.audience.options(
                    needed_variables(spec.contents),
                    spec.schedule.timezone,
                    spec.schedule.span_of_rows(campaign.start_at, campaign.start_at),
                ),
                max_reject_percent=spec.audience.max_reject_percent,
                rejects_path=_rejects_path(csv, campaign),
                refuse=judge(spec),
                now=lambda: now,
            )
    except UNREADABLE as error:
        return _told(error)
    return None


def _rejects_path(csv: Path, campaign: DueCampaign) -> Path | None:
    """Beside the list, named after the run; None where nothing may be written there."""
    name = f"{campaign.name}-rejects-{campaign.start_at:%Y%m%dT%H%M%SZ}.csv"
    return csv.parent / name if os.access(csv.parent, os.W_OK) else None


def _told(error: Exception) -> str:
    if isinstance(error, IntakeError) and error.code == IntakeCode.FILE_NOT_FOUND:
        return f"{error} The list is read where the clock runs, which is {socket.gethostname()}."
    return str(error)
