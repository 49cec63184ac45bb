"""What `estimate` says of each sample campaign is what the emulator then sees: how many, for how much, for how long.

Days pass on a clock that leaps to what comes next. What would last for minutes is told smaller: of a long list every
thirty-second person is taken, and the pace is a tenth of a second. The estimate reckons with the same. `make soak`
leaves the samples as they are, on the loop that the command runs on.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from app.actions.loading import Flags, load_campaign
from app.actions.scheduling import TimeFlags
from app.wiring.settings import load_settings
from campaigns.money.costs import from_micros
from campaigns.money.prices import RateCard
from campaigns.money.rate_files import read_rates
from campaigns.spec.campaign_spec import load_spec
from emulators.settings import Settings as EmulatorSettings
from providers.settings import AccountSettings
from scheduler.clock.runner import SWEEP, run
from scheduler.clock.variants import choose_winner
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import replace_spec, require
from storage.audience.rates import store_card
from storage.database.engine import Engine, open_engine, reading, writing
from storage.tables.audience import recipients
from storage.tables.runs import attempts, jobs, runs
from storage.views.costs import read_costs
from terminal.running import run_loop
from tests.acceptance.conftest import InMemory
from tests.support.paths import ROOT

SAMPLES = ROOT / "sample_data"
CAMPAIGNS = sorted(path.name for path in SAMPLES.glob("*.toml") if path.name != "drumbeat.toml")
LONGEST = ("spring_sale.toml", "weekly_news.toml")
"""Only in `make test-all`."""
CARD = SAMPLES / "rates" / "meta-usd-2026-01-01.csv"
SUNDAY = datetime(2026, 11, 1, 12, tzinfo=UTC)
GAP = 100
"""Milliseconds."""
LONG = 100
"""Recipients."""
TO_BEGIN = 0.5
"""Seconds that a runner may take from a moment that it has to wait for to its next message."""


class Clock:
    """Runs as the real one does, and leaps when told to."""

    def __init__(self) -> None:
        self._zero = SUNDAY - timedelta(seconds=time.monotonic())

    def __call__(self) -> datetime:
        return self._zero + timedelta(seconds=time.monotonic())

    def leap(self, to: datetime) -> None:
        self._zero += max(to - self(), timedelta())


def _emulator() -> InMemory:
    return InMemory(EmulatorSettings.parse({"sent_after": 0.01, "delivered_after": 0.02}))


@dataclass
class Sample:
    """One sample campaign, loaded as the command does."""

    name: str
    engine: Engine
    account: AccountSettings
    clock: Clock
    emulator: InMemory = field(default_factory=_emulator)
    leaps: int = 0
    leapt: timedelta = timedelta()

    async def estimate(self) -> Estimate:
        async with reading(self.engine) as connection:
            campaign = await require(connection, self.name)
            return await estimate(connection, campaign, self.account, now=self.clock)

    async def send(self) -> None:
        """Run it until its first run has nothing left to send, whatever it has to wait for."""
        await self._run()
        while (ahead := await self._next()) is not None:
            before = self.clock()
            self.clock.leap(ahead)
            self.leapt += self.clock() - before
            self.leaps += 1
            await self._run()
        await self._run(timedelta(seconds=1))

    async def _run(self, wait_receipts: timedelta = timedelta()) -> None:
        accounts = {self.account.adapter: self.account}
        asked = {"until_idle": True, "wait_receipts": wait_receipts, "now": self.clock}
        await run(self.engine, accounts, transport=self.emulator, **asked)

    async def _next(self) -> datetime | None:
        """When the next message of the first run may go, or that run begins; None: nothing is left of it."""
        async with reading(self.engine) as connection:
            campaign = await require(connection, self.name)
            if (run_id := await connection.scalar(select(func.min(runs.c.id)))) is None:
                assert campaign.start_at is not None
                return campaign.spec.schedule.opens_at(campaign.start_at)
            pending = select(jobs.c.due_at, jobs.c.held_by).where(
                jobs.c.run_id == run_id, jobs.c.state == "pending"
            )
            row = (await connection.execute(pending.order_by(jobs.c.due_at).limit(1))).first()
            undecided = runs.c.winner_reason.is_not(None) & runs.c.winner.is_(None)
            asks = await connection.scalar(select(runs.c.id).where(runs.c.id == run_id, undecided))
        if row is None:
            return None
        if asks is not None:
            await choose_winner(
                self.engine, self.name, "plain", now=self.clock
            )  # nobody answered: tie = "hand"
            return self.clock()
        due_at: datetime = row.due_at
        return due_at

    async def seconds(self, begin: datetime) -> float:
        """From `begin`, or where nothing had to be waited for from the first message, to the last."""
        if self.leaps:
            async with reading(self.engine) as connection:
                last = await connection.scalar(select(func.max(attempts.c.intent_at)))
            assert last is not None
            return (last - begin).total_seconds()
        left = sorted(message["left_at"] for message in await self.emulator.ledger())
        return float(left[-1] - left[0])

    async def tried(self) -> int:
        async with reading(self.engine) as connection:
            return await connection.scalar(select(func.count(func.distinct(attempts.c.job_id)))) or 0

    async def cost(self) -> tuple[int, int]:
        """In micro-units: what was charged or will be, and what was not because the message failed."""
        lost = select(func.coalesce(func.sum(jobs.c.price_micros), 0)).where(
            jobs.c.state == "failed", func.coalesce(jobs.c.cost_micros, 0) == 0
        )
        async with reading(self.engine) as connection:
            lines = (await read_costs(connection, (await require(connection, self.name)).id)).by("category")
            not_charged = await connection.scalar(lost) or 0
        return sum(round((line.actual + line.unsettled) * 1_000_000) for line in lines), int(not_charged)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OURVOICE_API_KEY", "META_API_KEY"):
        monkeypatch.setenv(name, "test-key")


@asynccontextmanager
async def engine_with_card(url: str) -> AsyncIterator[Engine]:
    engine = open_engine(url)
    card = RateCard(0, "meta-usd", date(2026, 1, 1), "USD", "a test", read_rates(CARD, "USD"))
    async with writing(engine) as connection:
        await store_card(connection, card, SUNDAY)
    yield engine
    await engine.dispose()


async def loaded(engine: Engine, file: str, folder: Path, *, smaller: bool) -> Sample:
    settings, clock, path = load_settings(SAMPLES / "drumbeat.toml"), Clock(), SAMPLES / file
    spec = load_spec(path)
    times = TimeFlags(now=not spec.schedule.recurs)
    await load_campaign(engine, settings, path, Flags(times=times, rejects=folder / "rejects.csv"), now=clock)
    if smaller:
        await make_smaller(engine, spec.name, clock())
    account = settings.account(spec.provider)
    path_of = account.base_url.partition("8899")[2]
    reached = account.model_copy(update={"base_url": f"http://emulator{path_of}"})
    return Sample(spec.name, engine, reached, clock)


async def make_smaller(engine: Engine, name: str, now: datetime) -> None:
    async with writing(engine) as connection:
        campaign = await require(connection, name)
        people = await connection.scalar(select(func.count()).select_from(recipients)) or 0
        if people > LONG:
            await connection.execute(delete(recipients).where(recipients.c.id % 32 != 0))
        if campaign.spec.provider == "ourvoice":
            scaled = campaign.spec.changed(pace={"delay_between": GAP})
            await replace_spec(connection, campaign.id, scaled, now)


@pytest.mark.alone
@pytest.mark.parametrize(
    "file", [pytest.param(file, marks=pytest.mark.large if file in LONGEST else ()) for file in CAMPAIGNS]
)
async def test_the_result_matches_the_estimate(tmp_path: Path, sqlite_url: str, file: str) -> None:
    async with engine_with_card(sqlite_url) as engine:
        await compare(await loaded(engine, file, tmp_path, smaller=True), TO_BEGIN)


@pytest.mark.soak
@pytest.mark.parametrize("file", CAMPAIGNS)
def test_an_unchanged_sample_matches_its_estimate(tmp_path: Path, sqlite_url: str, file: str) -> None:
    """Its whole list at its own pace, in real time but for the waits: within 10 %, and one sweep of the runner a leap.

    `order_news` has no limit that takes time: its 12 messages need only be sent within a tenth of a second.
    """

    async def main() -> None:
        async with engine_with_card(sqlite_url) as engine:
            await compare(await loaded(engine, file, tmp_path, smaller=False), SWEEP)

    run_loop(main())


async def compare(sample: Sample, to_begin: float) -> None:
    """`to_begin`: seconds for each leap besides the 10 % of what was not leapt over."""
    foreseen = await sample.estimate()
    await sample.send()
    assert await sample.tried() == foreseen.sends
    assert foreseen.recipients == foreseen.sends + foreseen.skips.total()
    (total,) = foreseen.totals()
    charged, not_charged = await sample.cost()
    assert total.low_micros <= charged + not_charged
    assert charged <= total.high_micros
    takes = foreseen.takes.total_seconds()
    took = await sample.seconds(foreseen.at)
    print(f"{sample.name}: {took:.2f} s, estimated {takes:.2f} s, {sample.leaps} leaps")
    sending = max(0.0, takes - sample.leapt.total_seconds())
    assert abs(took - takes) <= 0.1 * sending + (to_begin * sample.leaps if takes else 0.1)
    assert from_micros(total.high_micros) > 0
