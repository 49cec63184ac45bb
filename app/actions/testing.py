"""Send a campaign's message to named numbers, and see what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import orjson

from app.actions.campaign_media import with_media
from app.actions.drafts.drafts import open_draft
from app.actions.provider_checks import check_provider, refuse_unknown_senders
from app.actions.templates import refuse_stored
from app.wiring.needed_secrets import require_keys
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.message.templates import needed_variables
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import AWAITING_RECEIPT, JobState
from scheduler.actions.testing import SampleRow as SampleRow
from scheduler.actions.testing import TestRun, spec_for_test, start_draft_test, start_test
from scheduler.audience.sendability import Refuse
from scheduler.clock.one_run import send_run
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading
from storage.runs.side_runs import RunMessage

if TYPE_CHECKING:
    from providers.http.client import Transport

PATIENCE: Final = timedelta(seconds=10)
"""How long a page waits for a test; what is not sent by then, a runner sends."""
GONE = AWAITING_RECEIPT | {JobState.DELIVERED, JobState.READ}
UNSENT = (JobState.PENDING, JobState.SENDING)


@frozen
class TestResult:
    """A test, and what became of each of its messages."""

    run: TestRun
    messages: tuple[RunMessage, ...]

    @property
    def all_accepted(self) -> bool:
        """Whether the provider has accepted every message, and none has failed."""
        return all(message.state in GONE for message in self.messages)

    @property
    def waiting(self) -> bool:
        """Whether a message is still to be sent."""
        return any(message.state in UNSENT for message in self.messages)


@act("draft.test")
async def send_draft_test(
    engine: Engine,
    settings: Settings,
    name: str,
    row: SampleRow,
    number: str,
    variant: str | None,
    press: str,
    *,
    longest: timedelta = PATIENCE,
    transport: Transport | None = None,
) -> TestResult:
    """Send the message of a draft to one number, filled from a row of its list, before the list is loaded. `press`:
    with the same one it is sent once, however often it is asked for. Waits for the result at most `longest`; a runner
    at work sends it.

    Raises as `send_test` does, and what is wrong with the draft.
    """
    draft = await open_draft(settings, name)
    if draft.spec is None:
        raise draft.problem or InvalidInput(f"The draft {name} is not complete.")
    spec, media = await asyncio.to_thread(with_media, draft.spec, draft.folder)
    _refuse_unfit(row, spec, check_provider(settings, spec, draft.path))
    account = settings.account(spec.provider)
    require_keys(settings, spec.provider)
    await refuse_stored(engine, settings, spec_for_test(spec, variant))
    key = sha256(f"{name} {press}".encode()).hexdigest()
    run = await start_draft_test(engine, spec, media, row, [number], variant, key)
    messages = await send_run(
        engine,
        {spec.provider: account},
        run.run_id,
        default_caps=settings.caps,
        longest=longest,
        receipts=timedelta(),
        transport=transport,
    )
    return TestResult(run, tuple(messages))


def _refuse_unfit(row: SampleRow, spec: CampaignSpec, refuse: Refuse | None) -> None:
    """Raise InvalidInput where a load would reject the row."""
    vars = orjson.loads(row.vars)
    blank = sorted(name for name in needed_variables(spec.contents) if not vars.get(name))
    problem = f"{blank[0]} is blank in it." if blank else refuse(row.vars) if refuse else None
    if problem is not None:
        raise InvalidInput(
            f"The message of line {row.line} cannot be sent: {problem}", hint="Choose another row."
        )


@act("campaign.test")
async def send_test(
    engine: Engine,
    settings: Settings,
    name: str,
    numbers: Sequence[str],
    line: int | None,
    variant: str | None,
    *,
    begun: Callable[[TestRun], None] = lambda _: None,
) -> TestResult:
    """Send the message to the given numbers, filled from one row, and wait for the result. Sends nothing else; a runner
    at work sends it. `begun` is called once the messages are queued.

    Raises NotFound, InvalidInput, SpecError where the templates do not fit, UsageError where the account's key is
    missing.
    """
    async with reading(engine) as connection:
        spec = (await require(connection, name)).spec
    account = settings.account(spec.provider)
    refuse_unknown_senders(spec, account)
    require_keys(settings, spec.provider)
    await refuse_stored(engine, settings, spec_for_test(spec, variant))
    run = await start_test(engine, name, numbers, line, variant=variant)
    begun(run)
    messages = await send_run(engine, {spec.provider: account}, run.run_id, default_caps=settings.caps)
    return TestResult(run, tuple(messages))
