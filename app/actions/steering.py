"""Actions on a loaded campaign: approve, pause, resume, cancel, retry, resolve, choose the winner. Each imports what it
needs: with all of it, to pause would take twice as long."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from app.wiring.rights import AUTHORING, act, current_actor
from scheduler.actions import control
from storage.database.engine import Engine, reading

if TYPE_CHECKING:
    from app.wiring.settings import Settings
    from scheduler.actions.budget import BudgetChange, Per
    from scheduler.actions.control import Resumed
    from scheduler.actions.retrying import Retry
    from storage.audience.approvals import Approval


@act("campaign.approve")
async def approve_campaign(engine: Engine, settings: Settings, name: str, by: str) -> tuple[Approval, bool]:
    """Approve it as it is now; also returns whether it was waiting for approval. Raises NotFound, InvalidInput, also if
    it does not fit its templates; Forbidden to who loaded it, where the settings ask for a second person."""
    from campaigns.errors import Forbidden
    from scheduler.actions import approving
    from storage.access.audit import who_did
    from storage.audience.campaigns import require

    async with reading(engine) as connection:
        campaign = await require(connection, name)
        author = (await who_did(connection, AUTHORING, [name])).get(name) if settings.second_person else None
    if author is not None and author == current_actor().name:
        raise Forbidden(
            f"{author} loaded {name}, so somebody else approves it.",
            hint="[approval] second_person of drumbeat.toml asks for two people.",
        )
    if campaign.has_templates:
        from app.actions.templates import refuse_stored

        await refuse_stored(engine, settings, campaign.spec)
    return await approving.approve(engine, name, by)


@act("campaign.pause")
async def pause_campaign(engine: Engine, name: str, reason: str) -> None:
    """Send nothing more from the next slice on. Raises NotFound, InvalidInput if it is not active."""
    await control.pause(engine, name, reason)


@act("campaign.resume")
async def resume_campaign(engine: Engine, settings: Settings, name: str) -> Resumed:
    """Resume it where it was paused. Raises Stopped if it has not started yet and needs approval."""
    from app.wiring.approval_guard import guard_of

    return await control.resume(engine, name, guard_of(settings))


@act("campaign.cancel")
async def cancel_campaign(engine: Engine, name: str) -> int:
    """End it for good; returns how many messages will not be sent. Raises NotFound, InvalidInput."""
    return await control.cancel(engine, name)


@act("campaign.budget")
async def set_budget(engine: Engine, name: str, amount: str, per: Per) -> BudgetChange:
    """Raise or lower a budget, also while it is sending. Raises NotFound, InvalidInput, SpecError."""
    from scheduler.actions.budget import change_budget

    return await change_budget(engine, name, amount, per)


@act("campaign.resolve")
async def resolve_doubts(
    engine: Engine,
    name: str,
    action: Literal["resend", "give-up"],
    *,
    phones: Collection[str] | None = None,
    expected: int | None = None,
) -> int:
    """Decide about messages in doubt, all or those to `phones`; returns how many there were. Raises NotFound, and
    InvalidInput, with nothing done, if they are not as many as `expected`, or one of the phones has none."""
    return await control.resolve(engine, name, action, phones=phones, expected=expected)


@act("campaign.retry")
async def retry_failed(engine: Engine, name: str, *, expired: bool, given_up: bool) -> Retry:
    """Send again to recipients whose failure may be temporary. Raises NotFound, InvalidInput."""
    from scheduler.actions import retrying

    return await retrying.retry_failed(engine, name, expired=expired, given_up=given_up)


@act("campaign.winner")
async def choose_winner(engine: Engine, name: str, variant: str) -> None:
    """Name the winner of the newest run's variants. Raises NotFound, InvalidInput."""
    from scheduler.clock import variants

    await variants.choose_winner(engine, name, variant)
