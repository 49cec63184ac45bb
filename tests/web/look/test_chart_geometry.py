"""The shapes of charts: parts add up to the whole, nothing is negative, and no data is no shape."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.look.chart_geometry import (
    LEAST,
    WIDTH,
    Band,
    across,
    band_box,
    bar_widths,
    height_of,
    round_top,
    spark_points,
    stacked,
    step_path,
)

BEGIN = datetime(2026, 12, 1, 9, tzinfo=UTC)
END = BEGIN + timedelta(hours=1)
COUNTS = st.lists(st.integers(0, 10**9), max_size=12)


@given(COUNTS)
def test_a_stacked_bar_adds_up_and_shows_every_part(counts: list[int]) -> None:
    boxes = stacked(counts)
    shown = [box for box in boxes if box is not None]
    assert [box is not None for box in boxes] == [count > 0 for count in counts]
    assert all(box.width >= LEAST - 0.02 for box in shown)
    assert sum(box.width for box in shown) == pytest.approx(WIDTH if shown else 0, abs=0.001)
    edge = 0.0
    for box in shown:
        assert box.x == pytest.approx(edge, abs=0.001), "neighbours meet"
        edge = box.x + box.width


def test_a_tiny_part_takes_its_least_width_from_the_large_ones() -> None:
    large, tiny = stacked([999_999, 1])
    assert large is not None
    assert tiny is not None
    assert (large.width, tiny.width) == (WIDTH - LEAST, LEAST)


def test_more_parts_than_there_is_room_for_share_it_alike() -> None:
    assert {box.width for box in stacked([1, 5, 9, 100], width=12, least=6) if box} == {3.0}


def test_a_negative_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        stacked([3, -1])


@given(st.lists(st.floats(0, 1e12), max_size=9))
def test_bars_are_as_long_as_their_values(values: list[float]) -> None:
    widths = bar_widths(values)
    assert all(0 <= width <= WIDTH for width in widths)
    assert [width > 0 for width in widths] == [value > 0 for value in values]
    if any(values):
        assert widths[values.index(max(values))] == WIDTH


@given(st.lists(st.floats(0, 1e9), max_size=5))
def test_the_top_of_an_axis_is_a_round_number_above_all_values(values: list[float]) -> None:
    top = round_top(*values)
    assert top >= max(values, default=0) * 0.99999
    assert re.fullmatch(r"[125](\.0)?e[+-]\d+", f"{top:.0e}")


@given(st.lists(st.tuples(st.integers(-100, 5000), st.floats(-5, 1e6)), max_size=9))
def test_a_line_never_leaves_its_field(points: list[tuple[int, float]]) -> None:
    placed = [(BEGIN + timedelta(seconds=second), value) for second, value in sorted(points)]
    path = step_path(placed, BEGIN, END, 100.0, 160.0)
    numbers = [float(number) for number in re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", path)]
    assert all(0 <= number <= WIDTH for number in numbers)
    assert bool(path) == bool(points)


def test_a_value_holds_until_the_next() -> None:
    points = [(BEGIN, 10.0), (BEGIN + timedelta(minutes=30), 5.0)]
    assert step_path(points, BEGIN, END, 10.0, 100.0) == "M0 0H500V50H1000"


def test_no_time_at_all_is_drawn_at_the_left() -> None:
    assert across(BEGIN, BEGIN, BEGIN) == 0.0
    assert height_of(3, 0, 100) == 100


def test_a_short_pause_can_be_seen_also_at_the_right_edge() -> None:
    box = band_box(Band("paused", END, END), BEGIN, END)
    assert (box.x, box.width) == (WIDTH - 2, 2)


def test_a_sparkline_of_nothing_and_of_one_value() -> None:
    assert spark_points([], 20) == ""
    assert spark_points([7], 20) == "0,0 1000,0"
    assert spark_points([0, 10], 20) == "0,20 1000,0"
