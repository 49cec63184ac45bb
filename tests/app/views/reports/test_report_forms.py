"""Reports in their forms: the funnel adds up, the page has the JSON's numbers to the last unit, files are safe."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import insert, text

from app.views.reports import workbooks
from app.views.reports.comparison import compare_campaigns
from app.views.reports.funnel import STEPS, funnel_report
from app.views.reports.not_reached import not_reached
from app.views.reports.parts import Report, Table
from app.views.reports.reports import count_recipients, delivery_report, failures_report, stream_recipients
from app.views.reports.summary import read_summary
from app.views.reports.workbooks import new_workbook, write_workbook
from app.wiring.settings import Settings
from campaigns.errors import NotFound, UsageError
from campaigns.figures import Share
from campaigns.states import CampaignState, JobState
from campaigns.time.period import Period
from storage.database.engine import Engine, is_sqlite, reading, writing
from storage.receipts.inbound import InboundMessage, keep_inbound
from storage.runs.campaign_events import list_pauses
from storage.runs.control import move_campaign
from storage.runs.replies import mark_answered
from storage.tables.runs import attempts, jobs
from terminal.recipient_list import write_recipient_page
from tests.storage.database.test_plans import statements
from tests.storage.views.test_reports import NOW, given_campaign, given_jobs, taken
from web.reports.html import report_html, summary_html

HOSTILE = '<script>alert(1)</script>"><img src=x>'
SETTINGS = Settings("sqlite://")
S = JobState
LATER = NOW + timedelta(minutes=3)
ROWS: tuple[dict[str, Any], ...] = (
    {"state": S.PENDING},
    {"state": S.SKIPPED, "reason": "opted_out"},
    {"state": S.EXPIRED, "reason": "expired"},
    {"state": S.CANCELLED, "reason": "given_up", "attempts": 1},
    {"state": S.CANCELLED, "reason": "run_cancelled"},
    {"state": S.FAILED, "reason": "not_rendered"},
    {"state": S.FAILED, "reason": "refused", "code": HOSTILE, "attempts": 1},
    {"state": S.IN_DOUBT, "reason": "no_trusted_answer", "code": "late", "attempts": 1},
    {"state": S.SENDING, "attempts": 1},
    taken(S.FAILED, reason="provider_failed", code="131026", accepted_at=NOW),
    taken(S.SENT, accepted_at=NOW, sent_at=NOW),
    taken(S.DELIVERED, accepted_at=NOW, delivered_at=LATER),
    taken(S.DELIVERED, accepted_at=LATER, delivered_at=LATER),
    taken(S.READ, accepted_at=NOW, delivered_at=NOW, read_at=LATER),
    taken(S.READ, accepted_at=NOW, delivered_at=LATER, read_at=LATER, cost=12_345),
)
STEPS_OF_ROWS = {
    "rows": 17, "accepted": 15, "eligible": 12, "attempted": 10, "taken": 6, "delivered": 4, "read": 2, "replied": 1,
}  # fmt: skip


async def given(engine: Engine) -> None:
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=len(ROWS), bad=2)
        await given_jobs(connection, campaign, *ROWS)
        refused = {"job_id": 7, "run_id": 1, "number": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1}
        await connection.execute(insert(attempts).values(**refused, intent_at=NOW, detail=HOSTILE))
        written = [InboundMessage(None, f"+4477009{n:05}", LATER, f"in{n}", HOSTILE) for n in (11, 13, 13)]
        await keep_inbound(connection, "ourvoice", written)
        await mark_answered(connection)


async def test_the_funnel_adds_up_with_each_loss_named(engine: Engine) -> None:
    await given(engine)
    async with reading(engine) as connection:
        found = (await funnel_report(connection, "spring")).json
    assert {step["step"]: step["count"] for step in found["steps"]} == STEPS_OF_ROWS
    assert tuple(STEPS) == tuple(STEPS_OF_ROWS)
    for before, after in zip(found["steps"], found["steps"][1:], strict=False):
        assert before["count"] == after["count"] + sum(loss["count"] for loss in after["losses"])
        assert all(loss["count"] > 0 and loss["name"] for loss in after["losses"])
    assert found["replied_unread"] == 1
    by_step = {step["step"]: {loss["name"] for loss in step["losses"]} for step in found["steps"]}
    assert by_step["taken"] == {"failed", "in doubt", "cancelled", "being sent"}
    assert by_step["eligible"] == {"skipped", "expired", "cancelled"}


async def test_a_campaign_that_was_not_sent_loses_everybody_to_waiting(engine: Engine) -> None:
    async with writing(engine) as connection:
        await given_campaign(connection, people=3, bad=1)
    async with reading(engine) as connection:
        found = (await funnel_report(connection, "spring")).json
        summary = await read_summary(connection, SETTINGS, "spring", NOW)
    assert [step["count"] for step in found["steps"]] == [4, 3, 3, 0, 0, 0, 0, 0]
    assert summary.verdict == "Not sent yet: 3 recipients wait."
    assert "Nothing was sent yet." in summary_html(summary, UTC)


class Read(HTMLParser):
    """What a page's tables and figures say: every exact number, and whether anything could act or come from outside."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[str] = []
        self.faults: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "data":
            self.numbers.append(named["value"] or "")
        if (
            tag in ("script", "img", "link", "iframe")
            or "style" in named
            or any(n[:2] == "on" for n in named)
        ):
            self.faults.append(self.get_starttag_text() or tag)
        if (named.get("href") or named.get("src") or "#")[0] != "#":
            self.faults.append(str(named))


def numbers_in(value: Any) -> Iterable[str]:
    """Every number of a report's JSON, as a page keeps it."""
    match value:
        case bool() | None | str() | datetime():
            return
        case int():
            yield str(value)
        case float():
            yield repr(value)
        case Decimal():
            yield f"{value:.2f}" if value == round(value, 2) else f"{value:f}"
        case dict():
            for key, each in value.items():
                if key not in ("made_at", "line", "run", "each_seconds", "limit_per_second"):
                    yield from numbers_in(each)
        case list() | tuple():
            for each in value:
                yield from numbers_in(each)


async def test_the_page_has_the_numbers_of_the_json_and_nothing_that_acts(engine: Engine) -> None:
    await given(engine)
    async with reading(engine) as connection:
        summary = await read_summary(connection, SETTINGS, "spring", NOW, zone=ZoneInfo("Europe/Paris"))
    page = summary_html(summary, ZoneInfo("Europe/Paris"))
    read = Read(page)
    assert read.faults == []
    assert "url(" not in page
    shown = set(read.numbers)
    parts = ("funnel", "cost", "time_line")
    missing = {
        number for part in parts for number in numbers_in(summary.json[part]) if number not in shown | {"0"}
    }
    assert missing == set()
    for state, count in summary.json["delivery"]["states"].items():
        assert str(count) in shown, state
    for reason in summary.reasons:
        assert str(reason.count) in shown
    assert "CET" in page, "times are the reader's"
    assert summary.json["provenance"]["files"] == [
        {"source": "spring.csv", "sha256": "d", "rows": 17, "loaded_at": NOW}
    ]
    words = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    for name in ("rows - rejected", "read / (delivered + read)", "the sum of what the provider has charged"):
        assert name in words, "each number has its formula"


class Text(HTMLParser):
    """What is left of a page where neither charts nor styles are shown: its words and numbers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._inside: list[str] = []
        self.words: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("svg", "style", "title"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words |= words_of(data)


def words_of(text: str) -> set[str]:
    return {word.strip(".,:;()") for word in text.split()}


def not_shown(summary: Any, words: set[str]) -> dict[str, str]:
    """The numbers of the JSON that people cannot read there, as they read them: 1,234 and 12.3%."""
    return dict(_unread(summary.json, "", words))


def _unread(value: Any, place: str, words: set[str]) -> Iterable[tuple[str, str]]:
    match value:
        case bool() | None | str() | datetime():
            return
        case int() | float() | Decimal():
            shown = f"{value:.1%}" if place.endswith("_rate") else f"{value:,}".removesuffix(".0")
            if not {shown, f"{value:,.2f}"} & words:
                yield place, shown
        case dict():
            for key, each in value.items():
                yield from _unread(each, f"{place}/{key}", words)
        case list() | tuple():
            for number, each in enumerate(value):
                yield from _unread(each, f"{place}/{number}", words)
        case _:
            yield from _unread(asdict(value), place, words)


async def test_a_browser_without_pictures_shows_every_number(engine: Engine, tmp_path: Path) -> None:
    await given(engine)
    async with reading(engine) as connection:
        summary = await read_summary(connection, SETTINGS, "spring", NOW)
    page = summary_html(summary, UTC)
    assert not_shown(summary, Text(page).words) == {}
    assert dict(_unread({"n": 987_654}, "", Text(page).words)) == {"/n": "987,654"}
    if w3m := shutil.which("w3m"):
        place = tmp_path / "report.html"
        place.write_text(page, encoding="utf-8")
        command = [w3m, "-dump", "-cols", "200", str(place)]
        run = partial(subprocess.run, command, check=True, capture_output=True, text=True, timeout=20)
        assert not_shown(summary, words_of((await asyncio.to_thread(run)).stdout)) == {}


async def test_every_report_is_a_page_with_its_formulas(engine: Engine) -> None:
    await given(engine)
    async with reading(engine) as connection:
        for build in (delivery_report, failures_report, funnel_report):
            made = await build(connection, "spring")
            read = Read(report_html(made, "spring", NOW, UTC))
            assert read.faults == []
            assert made.formulas
            assert made.json["formulas"] == made.formulas
            cells = [str(v) for t in made.tables for row in t.rows for v in row if type(v) is int]
            assert cells == [number for number in read.numbers if "." not in number]


async def test_what_to_do_is_named_with_the_providers_words(engine: Engine) -> None:
    await given(engine)
    async with reading(engine) as connection:
        summary = await read_summary(connection, SETTINGS, "spring", NOW)
    reasons = {(reason.outcome, reason.code): reason for reason in summary.reasons}
    assert reasons["failed", HOSTILE].provider_text == HOSTILE
    assert "campaign resolve spring" in (reasons["in_doubt", "late"].command or "")
    assert reasons["skipped", "opted_out"].advice.startswith("Nothing")
    assert "rejects file" in reasons["rejected", "phone_invalid"].advice
    assert len(summary.people) == 7
    assert "4 of 17 rows delivered (23.5%)" in summary.verdict


async def test_the_time_line_counts_every_message_and_marks_the_pauses(engine: Engine) -> None:
    await given(engine)
    async with writing(engine) as connection:
        running, paused = CampaignState.RUNNING, CampaignState.PAUSED
        await move_campaign(connection, "spring", [CampaignState.DRAFT], running, NOW)
        await move_campaign(connection, "spring", [running], paused, NOW, reason=HOSTILE)
        await move_campaign(connection, "spring", [paused], running, LATER)
        await move_campaign(connection, "spring", [running], paused, LATER, reason="again")
    async with reading(engine) as connection:
        pauses = await list_pauses(connection, 1)
        summary = await read_summary(connection, SETTINGS, "spring", NOW)
    assert [(pause.begin, pause.end, pause.reason) for pause in pauses] == [
        (NOW, LATER, HOSTILE),
        (LATER, None, "again"),
    ]
    assert summary.line is not None
    assert sum(each.sent for each in summary.line.stretches) == 6
    assert sum(each.received for each in summary.line.stretches) + summary.line.later == 4
    assert len(summary.line.stretches) <= 121
    assert summary.verdict.startswith("Paused (again)")
    assert Read(summary_html(summary, UTC)).faults == []


async def test_a_page_lists_the_first_recipients_and_counts_all(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    await given(engine)
    async with reading(engine) as connection:
        rows = [row async for row in await stream_recipients(connection, "spring")]
        with statements(engine) as asked:
            assert await count_recipients(connection, "spring") == len(rows) == len(ROWS)
        assert not any("FROM jobs" in statement for statement, _ in asked)
        missed = [row async for row in (await not_reached(connection, "spring", None, NOW)).rows]
        assert await count_recipients(connection, "spring", not_reached=True) == len(missed) == 7
        people = await not_reached(connection, "spring", None, NOW, limit=2)
        await write_recipient_page("Not reached", people.rows, 7)
    page = capsys.readouterr().out
    assert "The first 2 of 7; a .csv" in page
    assert [row["phone"] in page for row in missed] == [True] * 2 + [False] * 5


async def test_a_long_file_may_be_packed_before_the_server_ends_the_reader(engine: Engine) -> None:
    await given(engine)
    async with reading(engine) as connection:
        assert [row async for row in await stream_recipients(connection, "spring")]
        if not is_sqlite(connection):
            shown = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
            assert shown == "30min"
    async with reading(engine) as connection:
        assert [row async for row in await stream_recipients(connection, "spring", limit=1)]
        if not is_sqlite(connection):
            shown = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
            assert shown == "20s"


async def test_only_the_runs_of_a_range_of_dates_are_counted(engine: Engine) -> None:
    await given(engine)
    day = NOW.date()
    zone = ZoneInfo("Africa/Porto-Novo")
    async with reading(engine) as connection:
        inside = (await delivery_report(connection, "spring", None, Period.of_days(day, day, zone))).json
        assert inside["jobs"] == len(ROWS)
        with pytest.raises(NotFound, match="No run of spring began before"):
            await delivery_report(
                connection, "spring", None, Period.of_days(None, day - timedelta(days=1), zone)
            )
    with pytest.raises(ValueError, match="before it begins"):
        Period.of_days(day, day - timedelta(days=1), zone)


async def test_campaigns_are_compared_by_the_same_numbers(engine: Engine) -> None:
    await given(engine)
    async with writing(engine) as connection:
        from storage.audience import campaigns as store
        from tests.storage.views.test_reports import SPEC

        await store.create(connection, SPEC.model_copy(update={"name": "autumn"}), NOW)
    async with reading(engine) as connection:
        found = (await compare_campaigns(connection, ["spring", "autumn"])).json
        delivery = (await delivery_report(connection, "spring")).json
        with pytest.raises(UsageError):
            await compare_campaigns(connection, ["spring", "spring"])
    spring, autumn = found["campaigns"]
    assert spring["delivery_rate"] == delivery["delivery_rate"]
    assert {name: spring[name] for name in STEPS_OF_ROWS} == STEPS_OF_ROWS
    assert (autumn["rows"], autumn["delivery_rate"]) == (0, None)


REPORT = Report(
    {},
    [Table("a/b", (">n", "text"), [(1, "=1+1"), (Share(0.5), "+447700900001"), (Decimal("0.05"), "00123")])],
    Table(None, (), ()),
    ("=a note",),
    {"n": "=what"},
    HOSTILE,
)


def test_a_workbook_keeps_texts_as_texts_and_calculates_nothing(tmp_path: Path) -> None:
    place = tmp_path / "r.xlsx"
    write_workbook(place, replace(REPORT), "title", UTC)
    book = CalamineWorkbook.from_path(place)
    assert book.sheet_names == ["a b", "About"]
    rows = book.get_sheet_by_name("a b").to_python()
    assert rows == [["n", "text"], [1.0, "'=1+1"], [0.5, "+447700900001"], [0.05, "00123"]]
    about = book.get_sheet_by_name("About").to_python()
    assert ["n", "'=what"] in about
    assert ["note", "'=a note"] in about


def test_a_sheet_that_is_full_goes_on_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MOST_ROWS", 3)
    with new_workbook(tmp_path / "r.xlsx", UTC) as book:
        book.begin("People", ("phone",))
        for number in range(5):
            book.write((f"+44770090000{number}",))
    made = CalamineWorkbook.from_path(tmp_path / "r.xlsx")
    assert made.sheet_names == ["People", "People (2)", "People (3)"]
    assert [len(made.get_sheet_by_name(name).to_python()) for name in made.sheet_names] == [3, 3, 2]


def test_a_workbook_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    place = tmp_path / "r.xlsx"
    place.write_text("before")
    with pytest.raises(ZeroDivisionError), new_workbook(place, UTC) as book:
        book.begin("People", ("phone",) if 1 / 0 else ())
    assert [path.name for path in tmp_path.iterdir()] == ["r.xlsx"]
    assert place.read_text() == "before"


async def test_messages_of_one_kind_are_one_loss(engine: Engine) -> None:
    async with writing(engine) as connection:
        campaign = await given_campaign(connection, people=4)
        refused = {"state": S.FAILED, "reason": "refused", "code": "1", "attempts": 1}
        await given_jobs(connection, campaign, *[refused] * 4)
        assert await connection.scalar(jobs.select().where(jobs.c.state == "failed").limit(1))
    async with reading(engine) as connection:
        found = (await funnel_report(connection, "spring")).json
    assert found["steps"][4]["losses"] == [{"name": "failed", "code": "1", "count": 4, "open": False}]
