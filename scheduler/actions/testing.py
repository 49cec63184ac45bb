"""`campaign test`: the campaign's message to named numbers, as a run of its own that no cap and no report counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import InvalidInput, NotFound
from campaigns.message.content_spec import ContentSpec
from campaigns.phones.phone import PhoneFault, bucket, read_phone
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.clock import Now, utc_now
from storage.audience.audience import lock_campaign
from storage.audience.campaigns import Campaign, require
from storage.audience.samples import Sample, first_rows, rows_on_line
from storage.database.engine import Connection, Engine, writing
from storage.runs.side_runs import add_side_run, add_test_jobs, count_jobs_made
from storage.sending.lanes import ensure_lanes

LIFETIME: Final = timedelta(hours=1)
"""A test that was not sent by then expires."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """What will be sent as a test."""

    run_id: int
    line: int
    """The row whose values fill the message."""
    phones: tuple[str, ...]
    expires_at: datetime


async def start_test(
    engine: Engine,
    name: str,
    numbers: Sequence[str],
    line: int | None = None,
    *,
    variant: str | None = None,
    now: Now = utc_now,
) -> TestRun:
    """Make a test run for a runner to send, whatever state the campaign is in. `variant` None: the first.

    Raises NotFound without such a campaign, line or variant, InvalidInput where a number is none or there are no
    recipients.
    """
    moment = now()
    async with writing(engine) as connection:
        campaign = await require(connection, name)
        await lock_campaign(connection, campaign.id)
        phones = _phones(numbers, campaign.spec)
        sample = await _sample(connection, campaign, line)
        await ensure_lanes(connection, campaign.spec.lanes)
        expires_at = moment + LIFETIME
        run_id = await add_side_run(
            connection,
            campaign.id,
            "test",
            spec_for_test(campaign.spec, variant).to_json(),
            priority=campaign.spec.priority,
            expires_at=expires_at,
            now=moment,
        )
        lanes = campaign.spec.lanes
        by_lane = [(phone, lanes[bucket(phone) % len(lanes)]) for phone in phones]
        await add_test_jobs(connection, run_id, sample.id, by_lane, moment)
        await count_jobs_made(connection, run_id, len(phones))
    return TestRun(run_id, sample.line, phones, expires_at)


def spec_for_test(spec: CampaignSpec, variant: str | None = None) -> CampaignSpec:
    """The campaign without the rules that choose its audience and its hours: a test is wanted here and now. Of its
    variants one is sent.

    Opt-outs, the window, the budget and every limit of pace hold for tests too. Raises NotFound.
    """
    nobody_held_back = {"caps": [], "obeys_caps": False, "counts_toward_caps": False}
    anybody_at_any_time = {"hours": None, "holdout": None, "consent": None}
    pace = spec.pace.model_copy(update={"ramp": None, "contact_gap": None})
    one = {"content": _content(spec, variant), "variants": [], "winner": None}
    return spec.model_copy(update={**nobody_held_back, **anybody_at_any_time, **one, "pace": pace})


def _content(spec: CampaignSpec, variant: str | None) -> ContentSpec:
    contents = spec.contents
    chosen = next(iter(contents)) if variant is None else variant
    if chosen not in contents:
        names = ", ".join(each.name for each in spec.variants) or "none"
        raise NotFound(f"{spec.name} has no variant {variant!r}.", hint=f"Its variants: {names}.")
    return contents[chosen]


def _phones(numbers: Sequence[str], spec: CampaignSpec) -> tuple[str, ...]:
    found = []
    for text in numbers:
        phone = read_phone(text, spec.audience.default_country, landlines=True)
        if isinstance(phone, PhoneFault):
            raise InvalidInput(
                f"--to {text!r} cannot be used: {phone.reason}", hint="Write it like +2290197000000."
            )
        found.append(phone.number)
    return tuple(dict.fromkeys(found))


async def _sample(connection: Connection, campaign: Campaign, line: int | None) -> Sample:
    if line is not None:
        rows = await rows_on_line(connection, campaign.id, line)
        if not rows:
            raise no_such_line(campaign.name, line)
        return rows[0]
    rows = await first_rows(connection, campaign.id, 1)
    if not rows:
        raise InvalidInput(
            f"{campaign.name} has no recipients whose values could fill the message.",
            hint="drumbeat campaign load SPEC",
        )
    return rows[0]


def no_such_line(name: str, line: int) -> NotFound:
    return NotFound(
        f"No recipient of {name} is on line {line}.",
        hint=f"drumbeat report failures {name} shows which rows were rejected.",
    )
