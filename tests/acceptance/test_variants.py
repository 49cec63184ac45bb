"""Variants through the whole engine: a test on a part of the list, a winner, and the rest that waits for it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from app.actions.personal_data import erase_person
from app.views.reports.variants import variants_report
from campaigns.errors import InvalidInput, NotFound
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import JobState
from emulators.settings import Settings
from scheduler.actions.control import cancel
from scheduler.actions.retrying import retry_failed
from scheduler.actions.testing import start_test
from scheduler.clock.runner import run
from scheduler.clock.variants import choose_winner, end_variant_tests, experiment_status
from scheduler.clock.watch import Watch
from scheduler.receipts.inbox import mark_answers
from scheduler.sending.deciding import NEVER
from scheduler.sending.lanes import open_lanes
from storage.database.changes import noticing_changes
from storage.database.engine import Engine, reading, writing
from storage.runs.variants import running_experiment, store_winner
from storage.sending.intents import Deferral, defer_or_skip
from storage.tables.contacts import inbound, optouts
from storage.tables.runs import jobs, runs
from tests.acceptance.conftest import InMemory, World
from tests.storage.database.test_plans import statements
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, phone, spec, store_campaign
from tests.support.cases import each_once

SIZE = 60
VARIANTS = [
    {"name": "a", "share": 50, "content": {"text": "a for {{ first_name }}"}},
    {"name": "b", "share": 50, "content": {"text": "b for {{ first_name }}"}},
]
AFTER = timedelta(hours=4)


def on_trial(**winner: Any) -> CampaignSpec:
    asked = {"by": "replied", "after": "4h", "test_percent": 20, "minimum": 1, **winner}
    return spec(variants=VARIANTS, winner={key: value for key, value in asked.items() if value is not None})


BY_HAND = on_trial(by="hand", after=None)


def assigned(wanted: CampaignSpec, numbers: Sequence[int] = range(SIZE)) -> dict[str, str]:
    """Who is in the test, and with which variant."""
    split = wanted.split
    assert split is not None
    return {
        phone(number): split.variant_of(phone(number)) for number in numbers if split.in_test(phone(number))
    }


def everybody(wanted: CampaignSpec, winner: str) -> dict[str, str]:
    return {phone(number): assigned(wanted).get(phone(number), winner) for number in range(SIZE)}


async def received(world: World) -> dict[str, str]:
    """What each person got, by the emulator's own book; nobody got two."""
    ledger = await world.ledger()
    found = {f"+{message['to']}": message["content"][0] for message in ledger}
    assert len(found) == len(ledger)
    return found


async def write_back(engine: Engine, phones: Sequence[str], at: datetime | None = None) -> None:
    said = {"account": "ourvoice", "at": at or datetime.now(UTC) + timedelta(minutes=1), "text": "Nice!"}
    async with writing(engine) as connection:
        await connection.execute(insert(inbound), [{**said, "phone": phone} for phone in phones])
    await mark_answers(engine)


async def result(engine: Engine) -> tuple[str | None, str | None]:
    async with reading(engine) as connection:
        row = (await connection.execute(select(runs.c.winner, runs.c.winner_reason))).one()
    return row.winner, row.winner_reason


def after_the_test() -> datetime:
    return datetime.now(UTC) + AFTER + timedelta(minutes=1)


async def test_a_fifth_tries_both_and_the_rest_gets_the_winner(world: World) -> None:
    wanted = on_trial()
    await world.campaign(wanted, SIZE)
    await world.send()
    trying = assigned(wanted)
    assert Counter(trying.values()).keys() == {"a", "b"}
    assert await received(world) == trying
    waiting = [row for row in await world.jobs() if row.phone not in trying]
    assert {(row.state, row.held_by, row.variant, row.attempts) for row in waiting} == {
        ("pending", "variant", None, 0)
    }
    async with reading(world.engine) as connection:
        launched_at = await connection.scalar(select(runs.c.launched_at))
    assert launched_at
    assert {row.due_at for row in waiting} == {launched_at + AFTER}
    await write_back(world.engine, [person for person, variant in trying.items() if variant == "b"])
    await world.send(now=after_the_test)
    assert await received(world) == everybody(wanted, "b")
    assert {row.phone: row.variant for row in await world.jobs()} == everybody(wanted, "b")
    counts = Counter(trying.values())
    assert await result(world.engine) == (
        "b",
        f"most replied: a 0 of {counts['a']}, b {counts['b']} of {counts['b']}",
    )


async def test_a_run_does_not_end_between_the_end_of_the_test_and_the_choice_of_the_winner(
    world: World,
) -> None:
    """As `run --until-idle` finds it when a shift looked just before the sweep."""
    await world.campaign(on_trial(), SIZE)
    await world.send()
    async with writing(world.engine) as connection:
        waiting = update(jobs).where(jobs.c.state == JobState.PENDING)
        await connection.execute(waiting.values(due_at=NEVER, held_by="variant"))
        launched_at = await connection.scalar(select(runs.c.launched_at))
    assert launched_at
    lanes = open_lanes({"ourvoice": world.account}, transport=world.transport)

    async def is_idle(at: datetime) -> Any:
        async with noticing_changes(world.engine) as changes:
            return await Watch(world.engine, lanes, lambda: at, changes).idle(timedelta())

    assert await is_idle(launched_at + AFTER - timedelta(seconds=1))
    assert not await is_idle(launched_at + AFTER)
    assert not await is_idle(launched_at + AFTER + timedelta(seconds=30))
    assert await is_idle(
        launched_at + AFTER + timedelta(hours=1)
    )  # nobody chooses it: that is no reason to run on


async def test_the_test_ends_while_the_runner_runs(world: World) -> None:
    wanted = on_trial(by="delivered", after="4s")
    await world.campaign(wanted, SIZE)
    await world.run()
    winner, reason = await result(world.engine)
    assert winner == "a"
    assert reason
    assert reason.startswith("a and b are equal (delivered: a ")
    assert await received(world) == everybody(wanted, "a")


@pytest.mark.large  # that a variant is the number's own is in tests/campaigns/test_variants, kills are in test_kill
async def test_a_killed_engine_changes_no_recipients_variant(world: World) -> None:
    wanted = on_trial(tie="first")
    await world.campaign(wanted, SIZE)
    for clock, deaths in ((lambda: datetime.now(UTC), 3), (after_the_test, 3)):
        for number in range(deaths):
            await _die_at(world, 4 + 3 * number, clock)
        await world.run(now=clock)
    assert await received(world) == everybody(wanted, "a")
    assert {row.phone: row.variant for row in await world.jobs()} == everybody(wanted, "a")


async def _die_at(world: World, calls: int, clock: Any) -> None:
    """Run until that many messages were sent, and lose the answers of all that are under way then."""
    stop, sent = asyncio.Event(), []

    async def die(_request: httpx.Request) -> None:
        sent.append(1)
        if len(sent) >= calls:
            stop.set()
            raise asyncio.CancelledError

    world.transport.before_send = die
    await world.run(stop=stop, now=clock)
    world.transport.before_send = None


async def test_a_retry_keeps_its_variant(world: World) -> None:
    wanted = on_trial()
    for kind in ("503", "reset_before", "429"):
        await world.tell(
            "POST", "/_faults", {"kind": kind, "times": 1, "method": "POST", "path": "/messages"}
        )
    await world.campaign(wanted, SIZE)
    await world.send()
    assert await received(world) == assigned(wanted)
    assert any(row.attempts > 1 for row in await world.jobs())


async def test_the_winner_is_named_by_hand(world: World) -> None:
    await world.campaign(BY_HAND, SIZE)
    await world.send()
    assert await result(world.engine) == (None, None)
    summary = await world.send(now=after_the_test)
    assert [(left.rule, left.until) for left in summary.left] == [("variant", None)]
    assert await received(world) == assigned(BY_HAND)
    assert {row.due_at for row in await world.jobs() if row.state == "pending"} == {NEVER}
    with pytest.raises(NotFound, match="no variant 'c'"):
        await choose_winner(world.engine, "spring", "c")
    await choose_winner(world.engine, "spring", "b")
    with pytest.raises(InvalidInput, match="is b already"):
        await choose_winner(world.engine, "spring", "a")
    assert {row.held_by for row in await world.jobs()} == {None}
    await world.send()
    assert await received(world) == everybody(BY_HAND, "b")
    assert await result(world.engine) == ("b", "chosen by a person")


@pytest.mark.parametrize(("minimum", "tie"), each_once([1, 1000], ["first", "hand"]))
async def test_the_configured_tie_rule_decides_a_tie_and_too_few_messages(
    world: World, tie: str, minimum: int
) -> None:
    winner = "a" if tie == "first" else None
    wanted = on_trial(tie=tie, minimum=minimum)
    await world.campaign(wanted, SIZE)
    await world.send()
    await world.send(now=after_the_test)
    named, reason = await result(world.engine)
    assert named == winner
    assert reason
    assert reason.startswith("a and b are equal" if minimum == 1 else "fewer than 1000 messages of a")
    assert await received(world) == (everybody(wanted, "a") if winner else assigned(wanted))
    if winner is None:
        await choose_winner(world.engine, "spring", "b")
        await world.send(now=after_the_test)
        assert await received(world) == everybody(wanted, "b")


async def test_without_a_winner_everybody_is_in_the_test(sqlite_world: World) -> None:
    wanted = spec(variants=VARIANTS)
    await sqlite_world.campaign(wanted, SIZE)
    await sqlite_world.send()
    assert wanted.split is not None
    assert await received(sqlite_world) == {phone(n): wanted.split.variant_of(phone(n)) for n in range(SIZE)}
    with pytest.raises(InvalidInput, match="nobody waits"):
        await choose_winner(sqlite_world.engine, "spring", "a")


async def test_only_replies_after_the_message_count_and_no_opt_out(world: World) -> None:
    wanted = on_trial(test_percent=80)
    await world.campaign(wanted, SIZE)
    await world.send()
    a, b = ([who for who, variant in assigned(wanted).items() if variant == name] for name in ("a", "b"))
    at = datetime(2099, 1, 1, tzinfo=UTC)
    async with writing(world.engine) as connection:
        stop = {"scope": "marketing", "action": "out", "source": "webhook:ourvoice", "at": at}
        await connection.execute(insert(optouts), [{**stop, "phone": person} for person in a[:4]])
        await connection.execute(
            insert(inbound), [{"account": "another", "phone": person, "at": at} for person in a[10:]]
        )
    await write_back(world.engine, a, datetime(2020, 1, 1, tzinfo=UTC))
    await write_back(world.engine, [*a[:5], *b[:3]], at)
    await end_variant_tests(world.engine, now=lambda: at)
    assert await result(world.engine) == ("b", f"most replied: a 1 of {len(a)}, b 3 of {len(b)}")


async def test_recipients_deferred_while_the_winner_is_chosen_are_not_missed(world: World) -> None:
    """A slice has seen that there is no winner; it is named before the slice is committed."""
    await world.campaign(BY_HAND, 3)
    await world.send()
    async with writing(world.engine) as connection:
        await connection.execute(update(jobs).values(state="pending", held_by=None, provider_message_id=None))
        run_id, campaign_id = (await connection.execute(select(runs.c.id, runs.c.campaign_id))).one()

    async def name() -> None:
        async with writing(world.engine) as connection:
            assert await store_winner(
                connection, campaign_id, run_id, "b", "so", datetime.now(UTC), by_hand=True
            )

    async with writing(world.engine) as connection:
        assert (await running_experiment(connection, campaign_id, run_id)).winner is None
        naming = asyncio.create_task(name())
        await asyncio.wait({naming}, timeout=0.3)
        assert not naming.done()
        aside = [
            Deferral(row.id, JobState.PENDING, due_at=NEVER, held_by="variant")
            for row in await job_rows(world.engine)
        ]
        await defer_or_skip(connection, aside, datetime.now(UTC))
    await naming
    assert {row.due_at < NEVER for row in await world.jobs()} == {True}


async def test_who_expired_while_waiting_gets_the_winner_of_the_first_run(world: World) -> None:
    await world.campaign(BY_HAND, SIZE)
    await world.send()
    async with writing(world.engine) as connection:
        await connection.execute(
            update(jobs).where(jobs.c.state == "pending").values(state="expired", held_by=None)
        )
    await world.send()
    assert (await retry_failed(world.engine, "spring", expired=True)).retried == SIZE - len(assigned(BY_HAND))
    await world.send()
    assert await received(world) == assigned(BY_HAND)
    await choose_winner(world.engine, "spring", "b")
    await world.send()
    assert await received(world) == everybody(BY_HAND, "b")


async def test_a_cancelled_campaign_waits_for_nothing(sqlite_world: World) -> None:
    await sqlite_world.campaign(BY_HAND, SIZE)
    await sqlite_world.send()
    await cancel(sqlite_world.engine, "spring")
    assert {row.state for row in await sqlite_world.jobs() if row.variant is None} == {"cancelled"}


async def test_a_test_message_does_not_wait(sqlite_world: World) -> None:
    await sqlite_world.campaign(BY_HAND, SIZE, start_at=None)
    stranger = "+447700900999"
    await start_test(sqlite_world.engine, "spring", [stranger], variant="b")
    await sqlite_world.send()
    assert await received(sqlite_world) == {stranger: "b"}


async def test_each_variant_has_its_own_forms(engine: Engine, tmp_path: Path) -> None:
    """Outside the window the one with a template goes and the other is skipped."""
    both = [
        {"name": "a", "share": 50, "content": {"text": "Hello", "template": TEMPLATE}},
        {"name": "b", "share": 50, "content": {"text": "Hello"}},
    ]
    wanted = spec(provider="meta", senders=["one"], variants=both)
    await store_campaign(engine, wanted, 20)
    accounts = {"meta": account_at("meta", tmp_path / "key")}
    await run(engine, accounts, until_idle=True, wait_receipts=timedelta(0), transport=InMemory(Settings()))
    assert wanted.split is not None
    ends = {
        (wanted.split.variant_of(row.phone), row.variant, row.form, row.reason)
        for row in await job_rows(engine)
    }
    assert ends == {("a", "a", "template", None), ("b", None, None, "window_closed")}


async def test_the_report_keeps_the_test_and_the_rest_apart(world: World) -> None:
    """It looks at no message, and who is erased afterwards stays where they were."""
    wanted = on_trial()
    await world.campaign(wanted, 2 * SIZE)
    await world.send()
    trying = assigned(wanted, range(2 * SIZE))
    counts = Counter(trying.values())
    await write_back(world.engine, [person for person, variant in trying.items() if variant == "b"])
    async with reading(world.engine) as connection:
        before = await experiment_status(connection, "spring")
    assert before.waiting == 2 * SIZE - len(trying)
    await world.send(now=after_the_test)
    with statements(world.engine) as asked:
        async with reading(world.engine) as connection:
            report = (await variants_report(connection, "spring")).json
    assert not [one for one, _ in asked if re.search(r"\bjobs\.", one)]
    assert [(each["variant"], each["sent"], each["replied"]) for each in report["variants"]] == [
        ("a", counts["a"], 0),
        ("b", counts["b"], counts["b"]),
    ]
    assert (report["rest"]["sent"], report["winner"], report["waiting"]) == (2 * SIZE - len(trying), "b", 0)
    replied = next(each for each in report["comparisons"] if each["measure"] == "replied")
    assert (replied["better"], replied["counts"]) == ("b", (counts["b"], 0))
    assert replied["p_value"] < 0.001
    assert replied["meaning"].startswith("most likely a real difference")
    for number in range(20):
        await erase_person(world.engine, phone(number), after_the_test())
    async with reading(world.engine) as connection:
        assert (await variants_report(connection, "spring")).json == report
