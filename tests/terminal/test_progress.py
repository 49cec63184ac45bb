"""The line of progress: the count and the share at every width, the states in the order of their journey."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scheduler.clock.progress import Ended, Left, Snapshot, Upcoming
from terminal.progress import News, progress_line
from tests.support.cases import each

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
STATES = {"read": 346, "failed": 4, "delivered": 605, "pending": 200_000, "sent": 3, "skipped": 0}
SNAPSHOT = Snapshot(NOW, 200_958, STATES, 80.0, 2500.0)


@each("width", range(20, 200, 7))
def test_the_count_and_the_share_are_there_at_every_width(width: int) -> None:
    line = progress_line(SNAPSHOT, width)
    assert "958/200,958 (0%)" in line
    assert len(line) <= width


def test_everything_is_there_where_there_is_room() -> None:
    line = progress_line(SNAPSHOT, 140)
    assert line.startswith("Sending ───")
    states = "200,000 pending, 3 sent, 605 delivered, 346 read, 4 failed"
    assert line.endswith(f"958/200,958 (0%)  41:40 left  80.0/s  {states}")


def test_it_is_complete_only_when_nothing_is_left() -> None:
    assert "(99%)" in progress_line(Snapshot(NOW, 1000, {"pending": 1, "sent": 999}), 80)
    assert "(100%)" in progress_line(Snapshot(NOW, 1000, {"sent": 1000}), 80)


def test_news_is_shown_once() -> None:
    at = NOW + timedelta(hours=2)
    held = (Left("hours", 5, at), Left("pacing", 2, at))
    first = Snapshot(
        NOW,
        7,
        {"pending": 7},
        notices=("shop is paused: no balance",),
        ended=(Ended("spring", {"failed": 1, "read": 2}),),
        upcoming=Upcoming("weekly", at),
        held=held,
    )
    news = News()
    assert list(news.of(first)) == [
        "spring is done: 2 read, 1 failed.",
        "Waiting: shop is paused: no balance",
        "Waiting: 5 messages held by hours, the first until 2026-12-01 11:00:00 UTC. "
        "It is outside the allowed hours in the person's time zone.",
        "Next run: weekly, at 2026-12-01 11:00:00 UTC, in 2 h 0 min.",
    ]
    again = replace(first, ended=(), held=(Left("hours", 4, at),))
    assert list(news.of(again)) == []
    tomorrow = at + timedelta(days=1)
    assert list(news.of(replace(again, upcoming=Upcoming("weekly", tomorrow)))) == [
        "Next run: weekly, at 2026-12-02 11:00:00 UTC, in 1 d 2 h."
    ]
