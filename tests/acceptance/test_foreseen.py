"""What `why` and an estimate foresee for campaigns of many kinds, against what the engine then does to each person: the
end and its reason, the time and the form."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest
from sqlalchemy import select, update

from app.views.people.recipient_timeline import recipient_timeline
from app.wiring.settings import Settings
from campaigns.rules.names import Rule
from campaigns.states import LEFT, JobState
from scheduler.clock.launch import launch_due
from scheduler.clock.runner import run
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.sending.windows import open_window
from storage.tables.audience import campaigns, recipients
from storage.tables.runs import jobs, runs
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import phone, spec, store_campaign

START: Final = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
SIZE: Final = 5
STEPS: Final = 25
"""Times at which something may happen in nine days."""


class TakesAll(httpx.AsyncBaseTransport):
    """A provider that accepts every message."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        to = orjson.loads(request.content or b"{}").get("to")
        message = {"id": f"wamid.{random.getrandbits(64)}"}
        return httpx.Response(200, json={"contacts": [{"input": to, "wa_id": to}], "messages": [message]})


def some_campaign(draw: random.Random) -> dict[str, Any]:
    """The tables of a campaign file."""

    def maybe(share: float, **tables: Any) -> dict[str, Any]:
        return tables if draw.random() < share else {}

    content: dict[str, Any] = {
        "template": {"template": TEMPLATE},
        "both": {"text": "Hi", "template": TEMPLATE},
        "text": {"text": "Hi", "closed_window": draw.choice(["wait", "skip"])},
    }[draw.choice(["template", "both", "text"])]
    local = draw.random() < 0.3
    schedule = maybe(0.4, expires_after=draw.choice(["2h", "10h", "30h"]))
    schedule |= {"recipient_local_time": True, "timezone": "Europe/Paris"} if local else {}
    cap = {"max": draw.choice([1, 2]), "per": draw.choice(["12h", "1d", "day", "week"])}
    variants = [
        {"name": name, "share": 50, "content": {**content, **({"text": name} if "text" in content else {})}}
        for name in ("a", "b")
    ]
    return {
        "content": content,
        "category": draw.choice(["marketing", "utility"]),
        "schedule": schedule,
        **maybe(0.4, hours={"allow": draw.choice(["09:00-18:00", "20:00-07:00", "07:30-08:00"])}),
        **maybe(0.3, consent={"required": True, **maybe(0.5, max_age="30d")}),
        **maybe(0.3, holdout={"percent": 40}),
        **maybe(0.5, caps=[{**cap, "on_cap": draw.choice(["wait", "skip"])}]),
        **maybe(0.2, pace={"delay_between": 0, "contact_gap": "5h"}),
        **maybe(0.3, variants=variants),
    }


class Case:
    """One campaign to five people, of whom something is known or not."""

    def __init__(self, engine: Engine, folder: Path, draw: random.Random) -> None:
        self.engine = engine
        self.accounts = {"meta": account_at("meta", folder / "key", pair_gap="0s")}
        self.draw = draw
        self.now = START
        self.spec = spec("spring", provider="meta", senders=["one"], **some_campaign(draw))

    async def store(self) -> None:
        if self.draw.random() < 0.6:
            self.now = START - self.draw.choice([2, 8, 15, 30]) * HOUR
            earlier = spec("earlier", provider="meta", senders=["one"], content={"template": TEMPLATE})
            await store_campaign(self.engine, earlier, 3, start_at=self.now)
            await self.send()
            self.now = START
        start_at = START + self.draw.choice([0, 0, 1, -1]) * HOUR
        campaign_id = await store_campaign(self.engine, self.spec, SIZE, start_at=start_at)
        for number in range(SIZE):
            await self._know(campaign_id, phone(number))

    async def _know(self, campaign_id: int, number: str) -> None:
        draw, row = self.draw, dict[str, Any]()
        if draw.random() < 0.3:
            row["timezone"] = draw.choice(["Asia/Tokyo", "America/New_York", "Pacific/Auckland"])
        if draw.random() < 0.6:
            row["consent_at"] = START - timedelta(days=draw.choice([1, 29.9, 40]))
        if draw.random() < 0.2:
            row["send_at"] = START + draw.choice([1, 5, 20]) * HOUR
        mine = (recipients.c.phone == number, recipients.c.campaign_id == campaign_id)
        scope, until = draw.choice(["all", "marketing"]), START + draw.choice([-1, 0.5, 3, 23]) * HOUR
        opted_out = PreferenceChange(number, "out", scope, START - HOUR, "STOP")
        async with writing(self.engine) as connection:
            if row:
                await connection.execute(update(recipients).where(*mine).values(**row))
            if draw.random() < 0.2:
                await add_preferences(connection, "webhook:meta", [opted_out])
            if draw.random() < 0.4:
                await open_window(connection, number, "meta/one", until, "inbound", START - HOUR)

    async def send(self) -> None:
        no_wait = timedelta(0)
        transport, now = TakesAll(), lambda: self.now
        await run(
            self.engine, self.accounts, until_idle=True, wait_receipts=no_wait, transport=transport, now=now
        )

    async def why(self) -> list[dict[str, Any]]:
        settings = Settings("", self.accounts)
        async with reading(self.engine) as connection:
            return [
                (
                    await recipient_timeline(
                        connection, settings, "spring", phone(number), now=lambda: self.now
                    )
                ).json
                for number in range(SIZE)
            ]

    async def estimate(self) -> Estimate:
        async with reading(self.engine) as connection:
            campaign = await require(connection, "spring")
            return await estimate(connection, campaign, self.accounts["meta"], now=lambda: self.now)

    async def jobs(self) -> list[Any]:
        mine = select(jobs).join(runs, runs.c.id == jobs.c.run_id)
        mine = mine.join(campaigns, campaigns.c.id == runs.c.campaign_id)
        async with reading(self.engine) as connection:
            found = await connection.execute(mine.where(campaigns.c.name == "spring").order_by(jobs.c.phone))
            return list(found)

    async def run_on(self) -> AsyncIterator[bool]:
        """Until nothing happens any more; True each time when its run has just been launched."""
        for _ in range(STEPS):
            yield bool(await launch_due(self.engine, now=lambda: self.now))
            await self.send()
            found = await self.jobs()
            dues = [job.due_at for job in found if job.state == JobState.PENDING and job.due_at > self.now]
            opens_at = self.spec.schedule.opens_at(START + HOUR)
            next_at = min(dues if found else [opens_at], default=None)
            if next_at is None or next_at > START + timedelta(days=9):
                return
            self.now = next_at + timedelta(seconds=1)


def outcome(job: Any) -> tuple[str, str | None]:
    """How it ends; of one that waits for an event, that it waits or has expired by then."""
    if job.state in LEFT:
        return "send", "template" if job.form == "template" else "free"
    return ("wait", job.held_by) if job.state == JobState.PENDING else (job.state, job.reason)


def foreseen(shown: dict[str, Any], job: Any) -> tuple[str, str | None]:
    if shown["state"] != JobState.PENDING:
        return shown["state"], shown["reason"]
    expected = shown["expected"]
    ended = outcome(job)
    match expected["decision"]:
        case "send":
            late = (job.accepted_at - shown["estimated_send_at"]) if job.accepted_at else timedelta(days=99)
            return "send" if abs(late) < timedelta(minutes=2) else f"send {late} off", expected["form"]
        case "wait":
            by_event = expected["rule"] in (Rule.WINDOW, Rule.VARIANT) and ended == ("expired", "expired")
            return ended if by_event else ("wait", expected["rule"])
        case decision:
            return decision, expected["reason"]


@pytest.mark.parametrize("seed", [4, 22, 25])
async def test_what_is_foreseen_is_what_happens(sqlite_engine: Engine, tmp_path: Path, seed: int) -> None:
    case = Case(sqlite_engine, tmp_path, random.Random(seed))
    await case.store()
    before, estimates = await case.why(), [await case.estimate()]
    after: list[dict[str, Any]] = []
    async for launched in case.run_on():
        if launched:
            after = await case.why()
            estimates.append(await case.estimate())
    found = await case.jobs()
    ends = [outcome(job) for job in found]
    for shown in (before, after):
        assert [foreseen(one, job) for one, job in zip(shown, found, strict=True)] == ends
    sends = sum(how == "send" for how, _ in ends)
    assert [each.sends for each in estimates] == [sends, sends]
    skipped_at_launch = sum(reason == "too_late" for _, reason in ends)
    lost = [each.skips.total() + each.waits.total() for each in estimates]
    assert lost == [SIZE - sends, SIZE - sends - skipped_at_launch]
