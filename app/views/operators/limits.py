"""The limits of the senders, as their providers show them now, or as stored where they cannot be asked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

from app.wiring.databases import opened
from app.wiring.probes import connected
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, NotFound, UsageError
from campaigns.frozen import field_names, frozen
from campaigns.time.clock import Now, utc_now
from providers.adapter import UNLIMITED
from scheduler.sending.limits import fetch_limits, keep_limits, keep_limits_problem
from storage.database.engine import Connection, Engine, reading
from storage.sending.limits import AccountLimit, SenderLimit, account_limit, find_limits, limit_of
from storage.sending.tier_and_ramp import tier_use

if TYPE_CHECKING:
    from app.views.answers.operators import LimitOfSender


@frozen
class ShownLimit:
    """One sender's. `problem` is why it is not known, or not as it is now."""

    account: str
    sender: str
    portfolio: str | None = None
    people: int | None = None
    """The most people whom its portfolio may reach in 24 hours outside a window; None: no limit, or not known."""
    unlimited: bool = False
    tier: int | None = None
    """The limit that is kept: the lower of that and the account's setting; None: none."""
    reached: int | None = None
    """How many of them were reached in the last 24 hours, by all accounts of the portfolio in this database."""
    quality: str | None = None
    throughput: str | None = None
    name: str | None = None
    name_status: str | None = None
    at: datetime | None = None
    problem: str = ""
    ok: bool = True
    """Whether the provider, if asked, answered."""

    @property
    def json(self) -> LimitOfSender:
        found = {name: getattr(self, name) for name in field_names(ShownLimit) if name != "ok"}
        return cast("LimitOfSender", found)


async def shown_limits(settings: Settings, name: str, now: Now = utc_now) -> list[ShownLimit]:
    """The account's senders. They are stored where there is a database. Raises NotFound for an unknown account."""
    settings.account(name)
    try:
        async with opened(settings, create=False) as engine:
            return await _asked(engine, settings, name, now())
    except NotFound:
        return await _asked(None, settings, name, now())


async def _asked(engine: Engine | None, settings: Settings, name: str, now: datetime) -> list[ShownLimit]:
    problem, ok, found = "", True, list[SenderLimit]()
    try:
        async with connected(settings, name) as account:
            try:
                shown = await fetch_limits(account)
            except UsageError:
                raise
            except DrumbeatError as error:
                if engine is not None:
                    await keep_limits_problem(engine, account, error)
                raise
            found = [
                SenderLimit(f"{name}/{sender}", name, limits.portfolio, limits.people, limits.quality,
                            limits.throughput, limits.verified_name, limits.name_status, now, None, limits.problem)
                for sender, limits in shown.items()
            ]  # fmt: skip
            if engine is not None:
                await keep_limits(engine, account, shown, now)
    except DrumbeatError as error:
        problem, ok = str(error).split("\n")[0], isinstance(error, UsageError)
    if engine is None:
        return _rows(settings, name, found, limit_of(name, found), None, problem, ok)
    async with reading(engine) as connection:
        found = found or [one for one in await find_limits(connection, [name]) if one.fetched_at]
        limit = await account_limit(connection, name)
        return _rows(settings, name, found, limit, await _reached(connection, limit, now), problem, ok)


async def _reached(connection: Connection, limit: AccountLimit, now: datetime) -> int:
    return (await tier_use(connection, limit.pool, (), now)).reached


def _rows(
    settings: Settings,
    name: str,
    found: list[SenderLimit],
    limit: AccountLimit,
    reached: int | None,
    problem: str,
    ok: bool,
) -> list[ShownLimit]:
    by_lane = {one.lane: one for one in found}
    own = settings.account(name).tier
    tier = min((most for most in (own, limit.people) if most is not None), default=None)
    return [
        _row(by_lane.get(f"{name}/{sender.name}"), name, sender.name, tier, reached, problem, ok)
        for sender in settings.account(name).senders
    ]


def _row(
    known: SenderLimit | None,
    name: str,
    sender: str,
    tier: int | None,
    reached: int | None,
    problem: str,
    ok: bool,
) -> ShownLimit:
    if known is None:
        return ShownLimit(name, sender, tier=tier, reached=reached, problem=problem, ok=ok)
    return ShownLimit(
        name,
        sender,
        known.portfolio,
        None if known.people == UNLIMITED else known.people,
        known.people == UNLIMITED,
        tier,
        reached,
        known.quality,
        known.throughput,
        known.verified_name,
        known.name_status,
        known.fetched_at,
        problem or known.problem or "",
        ok,
    )
