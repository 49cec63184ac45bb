"""What a person does to a campaign that is loaded: approve, pause, resume, cancel, test, retry, resolve, choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from scheduler.actions import approval, control, retrying, testing
from scheduler.actions.control import Resumed
from scheduler.actions.retrying import Retry
from scheduler.actions.testing import TestRun
from scheduler.clock import variants
from storage.audience.approvals import Approval
from storage.database.engine import Engine


async def approve_campaign(engine: Engine, name: str, by: str) -> tuple[Approval, bool]:
    """Approve it as it is now; and whether it had waited for that. Raises NotFound, InvalidInput."""
    return await approval.approve(engine, name, by)


async def pause_campaign(engine: Engine, name: str, reason: str) -> None:
    """Send nothing more from the next slice on. Raises NotFound, InvalidInput where it is not going."""
    await control.pause(engine, name, reason)


async def resume_campaign(engine: Engine, settings: Settings, name: str) -> Resumed:
    """Go on where it was paused. Raises Stopped where it has not started yet and needs approval."""
    return await control.resume(engine, name, guard_of(settings))


async def cancel_campaign(engine: Engine, name: str) -> int:
    """End it for good; how many messages will not be sent. Raises NotFound, InvalidInput."""
    return await control.cancel(engine, name)


async def resolve_doubts(engine: Engine, name: str, action: Literal["resend", "give-up"]) -> int:
    """Decide about all messages in doubt; how many there were. Raises NotFound."""
    return await control.resolve(engine, name, action)


async def retry_failed(engine: Engine, name: str, *, expired: bool, given_up: bool) -> Retry:
    """Send once more to those whose failure may pass. Raises NotFound, InvalidInput."""
    return await retrying.retry_failed(engine, name, expired=expired, given_up=given_up)


async def send_test(
    engine: Engine, name: str, numbers: Sequence[str], line: int | None, variant: str | None
) -> TestRun:
    """The message to named numbers, filled from one row, for a runner to send. Raises NotFound, InvalidInput."""
    return await testing.start_test(engine, name, numbers, line, variant=variant)


async def choose_winner(engine: Engine, name: str, variant: str) -> None:
    """Name the winner of the newest run's variants. Raises NotFound, InvalidInput."""
    await variants.choose_winner(engine, name, variant)
