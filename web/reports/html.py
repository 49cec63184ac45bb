"""Reports as HTML: one file that holds all it needs, with no script and no address but its own text, to be sent on,
printed and kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from app.views.reports.parts import Report
from app.views.reports.summary import Summary
from campaigns.figures import Share
from storage.views.reports import Delivery
from web.look.chart_geometry import Band, Part, Series
from web.look.environment import WEB, render
from web.look.state_parts import parts_of
from web.reports.cells import cell, is_numeric

_FONT: Final = re.compile(r"@font-face \{[^}]*\}")


def report_html(report: Report, title: str, made_at: datetime, zone: tzinfo) -> str:
    """Any report: its tables and notes, and how each number is counted."""
    values = {"report": report, "made_at": made_at, **_shown(zone)}
    return _page("reports/tables.html", title, **values)


def summary_html(summary: Summary, zone: tzinfo) -> str:
    return _page("reports/summary_file.html", f"{summary.name}: report", **summary_values(summary, zone))


def summary_values(summary: Summary, zone: tzinfo) -> dict[str, Any]:
    """What `reports/summary.html` shows, in a file and in a page alike."""
    return {
        "summary": summary,
        "parts": state_parts(summary.delivery),
        "rates": {
            "delivery rate": Share.from_rate(summary.delivery.delivery_rate),
            "read rate": Share.from_rate(summary.delivery.read_rate),
        },
        "line": summary.line,
        "series": _series(summary),
        "bands": _bands(summary),
        **_shown(zone),
    }


def _shown(zone: tzinfo) -> dict[str, Any]:
    """How values are shown."""
    return {"cell": partial(cell, zone=zone), "is_numeric": is_numeric, "zone": zone}


def state_parts(found: Delivery, people: Callable[[str], str] | None = None) -> list[Part]:
    """The parts of the bar: together the rows. `people`: where those of some states are listed."""
    rejected = Part("rejected", found.rejected, "skipped", people("rejected") if people else None)
    return [*parts_of(found.states, people), rejected]


def _series(summary: Summary) -> list[Series]:
    stretches = summary.line.stretches if summary.line else ()
    return [
        Series("sent", "accent", [(each.at, each.sent) for each in stretches]),
        Series("delivered", "delivered", [(each.at, each.received) for each in stretches]),
    ]


def _bands(summary: Summary) -> list[Band]:
    """The pauses that the chart's time has."""
    if summary.line is None:
        return []
    begin, end = summary.line.stretches[0].at, summary.line.end
    return [
        Band(f"paused: {pause.reason}", max(begin, pause.begin), min(end, pause.end or end))
        for pause in summary.pauses
        if pause.begin < end and (pause.end is None or pause.end > begin)
    ]


def _page(template: str, title: str, **values: Any) -> str:
    return render(template, title=title, style=_style(), **values)


@cache
def _style() -> Markup:
    """The style sheet of the pages, without the font, which is a file of its own."""
    sheet = Path(WEB, "look/assets/base.css").read_text(encoding="utf-8")
    return Markup(_FONT.sub("", sheet))  # noqa: S704
