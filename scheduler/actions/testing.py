"""`campaign test`: the campaign's message to named numbers, as a run of its own that no cap and no report counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.message.content_spec import ContentSpec
from campaigns.phones.phone import PhoneFault, bucket, read_phone
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.media_files import MediaFile
from campaigns.time.clock import Now, utc_now
from scheduler.actions.stored_media import keep_stored_media
from storage.audience.audience import Audience, add_recipients, lock_campaign, open_import
from storage.audience.campaigns import Campaign, create, find, lock_name, require_locked
from storage.audience.samples import Sample, first_rows, rows_on_line
from storage.database.engine import Connection, Engine, writing
from storage.runs.editions import begin_edition, current_edition
from storage.runs.side_runs import (
    OF_TEST,
    add_side_run,
    add_test_jobs,
    count_jobs_made,
    recipient_of_import,
    run_of_row,
)
from storage.sending.lanes import ensure_lanes
from storage.sending.media import keep_media

LIFETIME: Final = timedelta(hours=1)
"""A test that was not sent by then expires."""


@frozen
class TestRun:
    """What will be sent as a test."""

    run_id: int
    line: int
    """The row whose values fill the message."""
    phones: tuple[str, ...]
    expires_at: datetime


@frozen
class SampleRow:
    """The row of a list that fills the message of a test."""

    line: int
    phone: str
    vars: str
    """JSON: folded name -> text."""


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

    Raises NotFound without such a campaign, line or variant, InvalidInput where a number is none, there are no
    recipients, or a media file has been purged.
    """
    moment = now()
    async with writing(engine) as connection:
        campaign = await require_locked(connection, name)
        phones = _phones(numbers, campaign.spec)
        sample = await _sample(connection, campaign, line)
        spec = spec_for_test(campaign.spec, variant)
        await keep_stored_media(connection, spec, moment)
        return await _add_run(connection, campaign.id, spec, sample.id, sample.line, phones, moment)


async def start_draft_test(
    engine: Engine,
    spec: CampaignSpec,
    media: Sequence[MediaFile],
    row: SampleRow,
    numbers: Sequence[str],
    variant: str | None,
    press: str,
    *,
    now: Now = utc_now,
) -> TestRun:
    """The same of a campaign whose list is not loaded: its row alone is stored, in an edition that is nobody's
    audience. With the same `press` it is the run that was made before.

    Raises NotFound without such a variant, InvalidInput where a number is none.
    """
    moment = now()
    async with writing(engine) as connection:
        await lock_name(connection, spec.name)
        campaign = await find(connection, spec.name) or await create(connection, spec, moment)
        await lock_campaign(connection, campaign.id)
        phones = _phones(numbers, spec)
        earlier = await run_of_row(connection, campaign.id, press)
        if earlier is not None:
            return TestRun(earlier, row.line, phones, moment + LIFETIME)
        of_test = spec_for_test(spec, variant)
        await keep_media(connection, media, moment)
        current = await current_edition(connection, campaign.id)
        edition = await begin_edition(connection, current, empty=True)
        import_id = await open_import(connection, edition, source=OF_TEST, digest=press, now=moment)
        own = Audience([import_id], [row.line], [row.phone], [None], [bucket(row.phone)], [row.vars])
        await add_recipients(connection, edition, own)
        recipient_id = await recipient_of_import(connection, import_id)
        return await _add_run(connection, campaign.id, of_test, recipient_id, row.line, phones, moment)


async def _add_run(
    connection: Connection,
    campaign_id: int,
    spec: CampaignSpec,
    recipient_id: int,
    line: int,
    phones: tuple[str, ...],
    now: datetime,
) -> TestRun:
    lanes, expires_at = spec.lanes, now + LIFETIME
    await ensure_lanes(connection, lanes)
    run_id = await add_side_run(
        connection,
        campaign_id,
        "test",
        spec.to_json(),
        priority=spec.priority,
        expires_at=expires_at,
        now=now,
    )
    by_lane = [(phone, lanes[bucket(phone) % len(lanes)]) for phone in phones]
    await add_test_jobs(connection, run_id, recipient_id, by_lane, now)
    await count_jobs_made(connection, run_id, len(phones))
    return TestRun(run_id, line, phones, expires_at)


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
                f"{text!r} cannot be used: {phone.reason}", hint="Write it like +2290197000000."
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
