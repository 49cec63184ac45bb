"""Notifications by hand: try out the ways to people, and deliver again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import uuid4

from app.wiring.rights import act
from app.wiring.settings import FILE_NAME, Settings
from campaigns.errors import NotFound, UsageError
from campaigns.frozen import frozen
from campaigns.nearest import nearest
from campaigns.time.clock import Now, utc_now
from providers.notify.settings import NotifySettings
from scheduler.notify.delivery import send
from scheduler.notify.messages import trial
from storage.database.engine import Engine, writing
from storage.notify import deliveries


@frozen
class Trial:
    """A test message to one target."""

    target: str
    ok: bool
    problem: str | None


@act("notify.test")
async def send_trials(settings: Settings, name: str | None = None, *, now: Now = utc_now) -> Sequence[Trial]:
    """Send a test message to the target of that name, or to all. Raises NotFound, UsageError where there is none."""
    trials = []
    for target in _chosen(settings, name):
        failure = await send(target, trial(uuid4().hex, now()), now())
        trials.append(Trial(target.name, failure is None, failure.problem if failure else None))
    return trials


def _chosen(settings: Settings, name: str | None) -> Sequence[NotifySettings]:
    if not settings.notify:
        where = settings.path.name if settings.path else FILE_NAME
        raise UsageError(f"{where} has no [[notify]] table.", hint="docs/how-to/notify.md shows one.")
    chosen = [target for target in settings.notify if name in (None, target.name)]
    if not chosen:
        guess = nearest((name or "").lower(), [target.name for target in settings.notify])
        names = ", ".join(target.name for target in settings.notify)
        raise NotFound(
            f"There is no [[notify]] table with that name: {name}.",
            hint=f"Did you mean {guess}?" if guess else f"There are: {names}.",
        )
    return chosen


@act("notify.resend", about=None)
async def resend(
    engine: Engine,
    settings: Settings,
    numbers: Collection[int] = (),
    *,
    failed: bool = False,
    now: Now = utc_now,
) -> int:
    """Have these delivered once more, or with `failed` all that were given up; how many. The runner delivers them.

    Raises NotFound where none of them can be: its number or its [[notify]] table does not exist.
    """
    targets = [target.name for target in settings.notify]
    async with writing(engine) as connection:
        if failed:
            return await deliveries.send_failed_again(connection, now(), targets)
        again = await deliveries.send_again(connection, numbers, now(), targets)
        if again < len(set(numbers)):
            raise NotFound(
                "One of these notifications does not exist, or its [[notify]] table does not: none is sent again.",
                hint="drumbeat notify list",
            )
    return again
