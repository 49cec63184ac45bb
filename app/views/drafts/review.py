"""A draft before it is sent: what becomes of each row of its list, what that costs and how long it takes, and what
speaks against it. Nothing is stored."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app.actions.drafts.drafts import Draft
from app.actions.drafts.sending import review_key
from app.actions.loading import Flags, TooManyRejects
from app.actions.scheduling import schedule_warnings, start_flag
from app.views.drafts.preflight import Preflight, preflight
from app.wiring.databases import snapshot
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, Unavailable
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.intake.read import open_intake
from campaigns.money.costs import plain
from campaigns.rules.names import Rule, SkipReason
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.values import Category
from campaigns.states import CampaignState
from campaigns.time.clock import utc_now
from scheduler.audience.file_threads import WHOLE, in_thread
from scheduler.audience.load_report import LoadReport
from scheduler.forecast.durations import Limit
from scheduler.forecast.forecast import CostRange, Estimate
from storage.audience.campaigns import loaded_campaigns
from storage.audience.rates import load_cards
from storage.database.engine import Engine
from storage.views.uploads import EarlierUse, uses_of_list

SHORT: Final = 256 * 1024
"""Bytes of a list that is checked in less time than a process takes to start."""
MOST: Final = 500_000
"""Recipients up to which a review estimates."""


@frozen
class Loss:
    """Rows or people that get no message, or not at their turn."""

    kind: str
    """rejected, skipped, waits or left_out."""
    code: str
    count: int


@frozen
class Price:
    """What it costs in one currency."""

    currency: str
    low: Decimal
    high: Decimal


@frozen
class Card:
    name: str
    since: date
    source: str


@frozen
class Review:
    """A draft that can be sent, with what to expect."""

    spec: CampaignSpec
    key: str
    """What was reviewed; see `review_key`."""
    rows: int
    recipients: int
    rejected: Sequence[Loss]
    lost: Sequence[Loss]
    """Of the recipients."""
    messages: int | None
    """None: too many people to tell beforehand."""
    possible: int
    """As many, if every window that is not known turns out to be open."""
    forms: Sequence[tuple[str, int]]
    windows: Sequence[tuple[str, int]]
    prices: Sequence[Price]
    lines: Sequence[CostRange]
    unpriced: int
    card: Card | None
    at: datetime
    """When it begins: at its time, or now."""
    ends_at: datetime | None
    takes: timedelta
    binding: Limit | None
    starts_at: datetime | None
    """The time of its file; None: it starts when it is sent."""
    runs: Sequence[datetime]
    """The next ones, if it recurs."""
    needs_time: bool
    """Whether it cannot be sent without a time."""
    approval: str | None
    """Why it needs an approval."""
    warnings: Sequence[str]
    used_by: Sequence[EarlierUse]
    """Other campaigns that this list was loaded into."""


@frozen
class Refused:
    """A draft that cannot be sent, and why."""

    key: str
    problem: str
    hint: str
    rows: int = 0
    rejected: Sequence[Loss] = ()


async def review_draft(engine: Engine, settings: Settings, draft: Draft) -> Review | Refused:
    """Check the draft as a load would, and look ahead. Takes seconds for a long list, in a thread of its own."""
    key = review_key(draft)
    found = await in_thread(partial(_checked_apart, settings, draft, key), WHOLE)
    if isinstance(found, Refused):
        return found
    assert draft.spec is not None  # noqa: S101
    return await _review(engine, settings, draft, draft.spec, *found, key)


async def state_of(engine: Engine, name: str) -> CampaignState | None:
    """The state of the campaign that the draft has become; None: there is none yet, or it was only tested."""
    async with snapshot(engine) as connection:
        return (await loaded_campaigns(connection, [name])).get(name)


Checked = tuple[Preflight, Sequence[str]]
"""What is expected, and what loads of the list are recognized by."""


def _checked_apart(settings: Settings, draft: Draft, key: str) -> Checked | Refused:
    """In this thread if the list is short, else in a process, so that pages and sending go on meanwhile."""
    if draft.list_path is None or draft.list_path.stat().st_size <= SHORT:
        return _checked(settings, draft, key)
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(theirs, settings, draft, key), daemon=True)
    child.start()
    theirs.close()
    try:
        found: Checked | Refused = ours.recv()
        return found
    except EOFError as error:
        raise Unavailable(f"{draft.name} could not be reviewed.", hint="Open the review again.") from error
    finally:
        child.kill()
        child.join()


def _in_child(answer: Connection, settings: Settings, draft: Draft, key: str) -> None:
    """Behind everything else that this machine does, and not ended by the Ctrl-C of the server's terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)
    answer.send(_checked(settings, draft, key))


def _checked(settings: Settings, draft: Draft, key: str) -> Checked | Refused:
    """Errors as a value: not every error can be handed over by a process."""
    try:
        with TemporaryDirectory() as folder:
            flags = Flags(rejects=Path(folder) / "rejects.csv")
            found = asyncio.run(preflight(settings, draft.path, flags, most=MOST))
        assert draft.spec is not None  # noqa: S101
        assert draft.list_path is not None  # noqa: S101
        intake = open_intake(draft.list_path, draft.spec.audience.options(frozenset(), None))
    except TooManyRejects as error:
        return Refused(key, str(error), error.hint, error.report.rows, _rejected(error.report))
    except DrumbeatError as error:
        return Refused(key, str(error), error.hint)
    return found, (intake.digest, intake.file_digest)


async def _review(
    engine: Engine,
    settings: Settings,
    draft: Draft,
    spec: CampaignSpec,
    found: Preflight,
    digests: Sequence[str],
    key: str,
) -> Review:
    report, expected, start = found.loaded.report, found.expected, found.loaded.start_at
    async with snapshot(engine) as connection:
        rates = settings.account(spec.provider).rates
        at = expected.at if expected else start or utc_now()
        cards = await load_cards(connection, rates) if rates else []
        uses = await uses_of_list(connection, digests)
    valid = [card for card in cards if card.effective_from <= at.date()]
    card = max(valid, key=lambda each: each.effective_from, default=None)
    warnings = [*_warnings(spec, found), *schedule_warnings(spec.schedule, start, utc_now())]
    others = [use for use in uses if use.campaign != draft.name]
    return Review(
        spec=spec,
        key=key,
        rows=report.rows,
        recipients=report.accepted,
        rejected=_rejected(report),
        lost=_lost(expected) if expected else (),
        messages=expected.sends if expected else None,
        possible=_possible(expected) if expected else report.accepted,
        forms=[(form.value, count) for form, count in expected.forms.items()] if expected else (),
        windows=list(expected.windows.items()) if expected else (),
        prices=[Price(str(one.currency), one.low, one.high) for one in expected.totals()] if expected else (),
        lines=sorted(expected.costs.values(), key=lambda line: -line.high_micros) if expected else (),
        unpriced=expected.unpriced if expected else 0,
        card=Card(card.name, card.effective_from, card.source) if card else None,
        at=at,
        ends_at=expected.ends_at if expected else None,
        takes=expected.takes if expected else timedelta(),
        binding=expected.binding if expected else None,
        starts_at=start,
        runs=found.runs if spec.schedule.recurs else (),
        needs_time=start is None and "--at" in start_flag(spec.schedule),
        approval=found.approval,
        warnings=warnings,
        used_by=others,
    )


def _rejected(report: LoadReport) -> list[Loss]:
    found = [Loss("rejected", str(code), count) for code, count in report.reasons.items()]
    return [*found, *([Loss("left_out", "left_out", report.left_out)] if report.left_out else [])]


def _lost(expected: Estimate) -> list[Loss]:
    skips = [Loss("skipped", str(reason), count) for reason, count in expected.skips.most_common()]
    return skips + [Loss("waits", str(rule), count) for rule, count in expected.waits.most_common()]


def _possible(expected: Estimate) -> int:
    closed = expected.skips.get(SkipReason.WINDOW_CLOSED, 0) + expected.waits.get(Rule.WINDOW, 0)
    return expected.sends + min(closed, expected.windows.get("unknown", 0))


def _warnings(spec: CampaignSpec, found: Preflight) -> Iterator[str]:
    """What to think about; nothing of it hinders the sending."""
    expected, templates = found.expected, found.loaded.templates
    if expected is None:
        yield f"There are more than {MOST:,} people: cost and time are known once it is loaded."
    else:
        yield from expected.warnings
        if unknown := expected.windows.get("unknown", 0):
            yield (
                f"Of {counted(unknown, 'person').replace('persons', 'people')} it is not known whether their 24-hour "
                "window is open: the cost is a range for them."
            )
        if expected.unpriced:
            yield f"{counted(expected.unpriced, 'message')} have no known price, so the cost may be higher."
        for budget in expected.budgets:
            if not budget.enough:
                left = f"{plain(budget.left.amount)} {budget.left.currency}"
                yield f"The budget of the {budget.kind} may not be enough: {left} is left."
    if found.unknown:
        yield f"Opt-outs and earlier messages could not be looked up: {found.unknown}"
    if templates is not None and templates.problem:
        yield f"The account's templates could not be compared as they are now: {templates.problem}"
    if spec.category is Category.MARKETING and spec.needed_consent is None:
        yield "Whether the people agreed to marketing is not asked for: see the rules."
