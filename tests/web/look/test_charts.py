"""The macros of charts: each shape has a title, a description and its numbers as a table, and no style of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as xml

import pytest

from web.look.chart_geometry import Band, Part, Series
from web.look.environment import environment

BEGIN = datetime(2026, 12, 1, 9, tzinfo=UTC)
END = BEGIN + timedelta(minutes=10)
HOSTILE = '<script>alert(1)</script>"><img src=x>'
PARTS = [Part("read", 9_990, "read", "/campaigns/x/people?state=read"), Part(HOSTILE, 10, "failed")]
SENT = Series(HOSTILE, "accent", [(BEGIN, 12.5), (BEGIN + timedelta(minutes=5), 0.25)])
PAUSE = Band(HOSTILE, BEGIN, BEGIN + timedelta(minutes=1))
CHARTS = {
    "stacked_bar": lambda parts: ("a", HOSTILE, parts),
    "horizontal_bars": lambda parts: ("a", HOSTILE, parts, "reason"),
    "sparkline": lambda parts: ("a", HOSTILE, [part.count for part in parts]),
    "step_line": lambda parts: ("a", HOSTILE, [SENT] if parts else [], BEGIN, END, UTC, 20.0, [PAUSE]),
}


def drawn(macro: str, parts: list[Part]) -> xml.Element:
    made = getattr(environment().get_template("look/charts.html").module, macro)(*CHARTS[macro](parts))
    return xml.fromstring(f"<main>{made}</main>")


@pytest.mark.parametrize("parts", [PARTS, []], ids=["some", "none"])
@pytest.mark.parametrize("macro", CHARTS)
def test_a_chart_is_described_beside_its_table_and_has_no_style_or_script(
    macro: str, parts: list[Part]
) -> None:
    chart = drawn(macro, parts)
    shapes = [svg for svg in chart.iter("svg") if svg.find("title") is not None]
    assert len(shapes) >= (1 if parts or macro != "horizontal_bars" else 0)
    for svg in shapes:
        assert svg.find("desc") is not None
        named = svg.get("aria-labelledby")
        assert named is None or set(named.split()) <= {str(part.get("id")) for part in svg}
    assert list(chart.iter("table"))
    for element in chart.iter():
        assert element.tag not in ("script", "img", "style")
        assert not {name for name in element.attrib if name == "style" or name.startswith("on")}


def test_the_numbers_of_a_table_are_exact() -> None:
    values = [data.get("value") for data in drawn("stacked_bar", PARTS).iter("data")]
    assert values == ["9990", "10"]
    assert [data.get("value") for data in drawn("step_line", PARTS).iter("data")] == ["12.5", "0.25"]


def test_a_count_links_to_its_people() -> None:
    links = [link.get("href") for link in drawn("stacked_bar", PARTS).iter("a")]
    assert links == ["/campaigns/x/people?state=read"]


def test_the_limit_and_the_pauses_are_drawn_and_named() -> None:
    chart = drawn("step_line", PARTS)
    assert [path.get("d") for path in chart.iter("path") if path.get("class") == "s-limit"] == [
        "M0 0.0H1000",
        "M0 5H18",
    ]
    assert [box.get("width") for box in chart.iter("rect") if box.get("class") == "f-pause"] == [
        "100.0",
        "18",
    ]
    assert re.search(r"limit: 20 messages per second", "".join(chart.itertext()))
