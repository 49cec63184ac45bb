"""The log of opt-outs only grows and its newest words hold; what is known of a person is found across campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from app.actions.contacts import add_preference, import_preferences
from app.views.people.contacts import person_overview, room_under
from campaigns.errors import IntakeError
from campaigns.intake.model import IntakeOptions
from campaigns.phones.stop_words import StopWord
from campaigns.rules.caps import Calendar, Cap
from storage.database.engine import Connection, Engine, reading, writing
from storage.sending.optouts import (
    AppendResult,
    NewPreference,
    append_preferences,
    log_of,
)
from storage.sending.windows import Opening, extend_windows
from storage.tables.contacts import inbound, touches
from storage.tables.runs import jobs, runs
from tests.support.campaigns import EPOCH, later, phone, spec, store_campaign
from tests.support.facts import DAY, HOUR, NOW, TICK, past_messages
from tests.support.optouts import opted_out

OUT, IN = StopWord("out", "marketing"), StopWord("in", "all")
OPTIONS = IntakeOptions(default_country="GB", landlines="accept")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rejects.csv goes where the command runs."""
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


async def test_a_file_is_read_as_campaigns_read_theirs(engine: Engine, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "name;Mobile Number\nA;+447700900001\nB;07700 900002\nC;020 7946 0018\nA2;447700900001\nM;nobody\n",
    )
    rejects = tmp_path / "bad.csv"
    for changed in (3, 0):
        report = await import_preferences(
            engine, path, OPTIONS, "out", None, "import:me", rejects=rejects, now=lambda: later(1)
        )
        assert (report.rows, report.changed, report.unchanged, report.rejected) == (
            5,
            changed,
            4 - changed,
            1,
        )
    assert report.rejects_file == rejects
    assert '"M";"nobody";"6";"Mobile Number";"phone_not_a_number"' in rejects.read_text("utf-8")
    async with reading(engine) as connection:
        log = await log_of(connection, "+447700900001")
    assert [(e.source, e.evidence, e.at) for e in log] == [("import:me", "people.csv, line 2", later(1))]
    assert await opted_out(engine) == [
        (number, "marketing") for number in ("+447700900001", "+447700900002", "+442079460018")
    ]


async def test_a_number_far_below_in_the_file_is_still_shown_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.bounded_files.BLOCK", 1 << 12)
    numbers, parts = [phone(number) for number in range(900)], list[int]()
    path = write(tmp_path, "\n".join(["phone", *numbers, *numbers, *numbers]))
    report = await import_preferences(engine, path, OPTIONS, "out", None, "import:me", progress=parts.append)
    assert len(parts) > 6
    assert (report.changed, report.unchanged) == (len(numbers), 2 * len(numbers))
    assert report.rejects_file is None


async def test_what_was_read_before_a_failure_holds_and_the_rest_follows(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.bounded_files.BLOCK", 1 << 15)
    numbers = [phone(1000 + number) for number in range(400)]
    path = write(tmp_path, "\n".join(["phone,note", *(f"{number},{'x' * 400}" for number in numbers)]))
    calls = iter([append_preferences])

    async def break_down(connection: Connection, given_words: Sequence[NewPreference]) -> list[AppendResult]:
        return await next(calls)(connection, given_words)

    with monkeypatch.context() as patch:
        patch.setattr("app.actions.contacts.append_preferences", break_down)
        with pytest.raises(RuntimeError):
            await import_preferences(engine, path, OPTIONS, "out", None, "import:me")
    before = len(await opted_out(engine))
    assert 0 < before < len(numbers)
    report = await import_preferences(engine, path, OPTIONS, "out", None, "import:me")
    assert (report.changed, report.unchanged) == (len(numbers) - before, before)


async def test_a_file_that_cannot_be_read_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path, "name\nAda\n")
    with pytest.raises(IntakeError) as caught:
        await import_preferences(engine, path, OPTIONS, "out", None, "import:me")
    assert caught.value.file == "people.csv"
    assert await opted_out(engine) == []


async def test_a_person_is_known_across_campaigns(engine: Engine) -> None:
    for name in ("spring", "summer"):
        await store_campaign(engine, spec(name), 2)
    async with writing(engine) as connection:
        await connection.execute(
            insert(runs), [{"campaign_id": 1, "nominal_at": EPOCH, "state": "running", "priority": 0, "spec": "{}",
                            "jobs": 2, "launched_at": EPOCH}]
        )  # fmt: skip
        due = {"run_id": 1, "lane": "ourvoice/shop", "state": "read", "due_at": EPOCH, "updated_at": EPOCH}
        await connection.execute(
            insert(jobs), [{**due, "recipient_id": n + 1, "phone": phone(n)} for n in range(2)]
        )
        touch = {"phone": phone(0), "lane": "ourvoice/shop", "category": "marketing", "tags": "[]"}
        rows = [(1, 1, 10, True), (77, 2, 20, False), (78, 99, 30, True)]
        await connection.execute(
            insert(touches),
            [
                {**touch, "job_id": job, "campaign_id": of, "at": later(at), "counts": counts}
                for job, of, at, counts in rows
            ],
        )
        await extend_windows(
            connection, [Opening(phone(0), f"ourvoice/{name}", later(at), "inbound") for name, at in
                         (("shop", 90), ("desk", 200))], EPOCH
        )  # fmt: skip
        wrote = [
            {
                "account": "ourvoice",
                "lane": None,
                "phone": phone(n),
                "at": later(at),
                "message_id": str(at),
                "text": text,
            }
            for n, at, text in ((0, 5, "Hi"), (0, 6, "STOP"), (1, 7, "other"))
        ]
        await connection.execute(insert(inbound), wrote)
        await add_preference(connection, phone(0), OUT, "hand:ada", "STOP", later(6))
    async with reading(engine) as connection:
        person = await person_overview(connection, phone(0), [Cap(5, timedelta(days=7))], later(100))
        nobody = await person_overview(connection, phone(500), [], later(100))
    assert [(m.campaign, m.state, m.at) for m in person.got] == [
        (None, None, later(30)),
        ("summer", None, later(20)),
        ("spring", "read", later(10)),
    ]
    assert [(w.lane, w.open_until) for w in person.windows] == [
        ("ourvoice/desk", later(200)),
        ("ourvoice/shop", later(90)),
    ]
    assert [window["open"] for window in person.json["windows"]] == [True, False]
    assert [(m.text, m.at) for m in person.wrote] == [("STOP", later(6)), ("Hi", later(5))]
    assert [(entry.scope, entry.evidence) for entry in person.opt_outs] == [("marketing", "STOP")]
    assert [(room.left, room.frees_at) for room in person.rooms] == [(3, None)]
    assert nobody.json == {
        "phone": phone(500), "opted_out": [], "log": [], "windows": [], "caps": [], "messages": [], "inbound": [],
    }  # fmt: skip


WEEK = timedelta(days=7)
LONDON = "+447700900001"


@given(st.lists(st.integers(1, 24 * 9), max_size=8), st.integers(1, 6))
def test_the_room_of_a_rolling_cap_is_what_counting_leaves(hours: list[int], most: int) -> None:
    room = room_under(Cap(most, WEEK), LONDON, past_messages([n * HOUR for n in hours]), NOW)
    used = sum(n < 24 * 7 for n in hours)
    assert room.left == max(0, most - used)
    assert (room.frees_at is None) == (room.left > 0)


def test_the_room_of_a_calendar_cap_is_that_of_their_day() -> None:
    got = past_messages([11 * HOUR, 12 * HOUR + TICK, DAY])  # it is noon in London
    room = room_under(Cap(1, Calendar.DAY), LONDON, got, NOW)
    assert (room.left, room.frees_at) == (0, NOW + 12 * HOUR)
    assert room_under(Cap(3, Calendar.DAY), LONDON, got, NOW).left == 2


def test_a_cap_of_one_kind_counts_that_kind() -> None:
    got = past_messages([HOUR]) + past_messages([HOUR], "utility", ["news"], "desk")
    assert room_under(Cap(1, WEEK, category="utility"), LONDON, got, NOW).left == 0
    assert room_under(Cap(2, WEEK, tag="news"), LONDON, got, NOW).left == 1
    assert room_under(Cap(2, WEEK, channel="shop"), LONDON, got, NOW).left == 1
    assert room_under(Cap(2, WEEK, category="service"), LONDON, got, NOW).left == 2
    words = room_under(
        Cap(1000, timedelta(hours=12), category="utility", channel="shop"), LONDON, (), NOW
    ).label
    assert words == "1,000 per 12h of the category utility of the account shop"
