"""Send a campaign's message to named numbers, and see what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.actions.provider_checks import refuse_unknown_senders
from app.actions.templates import refuse_stored
from app.wiring.needed_secrets import require_keys
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.states import AWAITING_RECEIPT, JobState
from scheduler.actions.testing import TestRun, spec_for_test, start_test
from scheduler.clock.one_run import send_run
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading
from storage.runs.side_runs import RunMessage

GONE = AWAITING_RECEIPT | {JobState.DELIVERED, JobState.READ}
UNSENT = (JobState.PENDING, JobState.SENDING)


@dataclass(frozen=True)
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
