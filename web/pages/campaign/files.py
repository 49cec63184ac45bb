"""A campaign's report as a page, and as a file to keep or send on."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.json_text import to_json
from app.views.reports.exports import write_csv
from app.views.reports.summary import Summary, read_summary
from app.views.reports.workbooks import write_workbook
from app.wiring.databases import snapshot
from campaigns.errors import NotFound
from web.look.environment import render
from web.pages.site import Site, page, site_of, viewer_of, zone_of
from web.reports.html import summary_html, summary_values

FRESH: Final = 30.0
"""Seconds that one read of a report serves all who look at it: it reads every message."""


async def show(request: Request) -> Response:
    name, zone = request.path_params["name"], zone_of(request)
    summary = await _read(site_of(request), name, zone)
    body = await asyncio.to_thread(render, "reports/summary.html", **summary_values(summary, zone))
    return page(
        request, "pages/campaign/report.html", section="campaigns", name=name, summary=summary, body=body
    )


async def download(request: Request) -> Response:
    name, ending, zone = request.path_params["name"], request.path_params["ending"], zone_of(request)
    if ending not in FORMS:
        raise NotFound(f"A report has no form {ending}.", hint=f"Its forms: {', '.join(FORMS)}.")
    media, write = FORMS[ending]
    summary = await _read(site_of(request), name, zone)
    content = await asyncio.to_thread(write, summary.as_file_for(viewer_of(request)), zone)
    file = f"{name}-report-{summary.provenance.made_at:%Y-%m-%d}.{ending}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in file)
    return Response(
        content, media_type=media, headers={"Content-Disposition": f'attachment; filename="{plain}"'}
    )


async def _read(site: Site, name: str, zone: tzinfo) -> Summary:
    async def read() -> Summary:
        async with snapshot(site.engine) as connection:
            return await read_summary(connection, site.settings, name, site.now(), zone=zone)

    return await site.cached(("report", name, str(zone)), read, FRESH)


def _html(summary: Summary, zone: tzinfo) -> bytes:
    return summary_html(summary, zone).encode()


def _json(summary: Summary, zone: tzinfo) -> bytes:
    return to_json(summary.json, indent=2).encode()


def _csv(summary: Summary, zone: tzinfo) -> bytes:
    table, file = summary.report.csv, io.StringIO()
    write_csv(file, [table.headings, *table.rows])
    return file.getvalue().encode()


def _xlsx(summary: Summary, zone: tzinfo) -> bytes:
    with TemporaryDirectory(prefix="drumbeat-report-") as folder:
        place = Path(folder, "report.xlsx")
        write_workbook(place, summary.report, "Report", zone)
        return place.read_bytes()


FORMS: Final[dict[str, tuple[str, Callable[[Summary, tzinfo], bytes]]]] = {
    "html": ("text/html; charset=utf-8", _html),
    "json": ("application/json", _json),
    "csv": ("text/csv; charset=utf-8", _csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _xlsx),
}
FILE_ROUTES: Final = [
    Route("/campaigns/{name}/report", show, methods=["GET"]),
    Route("/campaigns/{name}/report.{ending}", download, methods=["GET"]),
]
