"""A report as a file: sound in a browser without a server, and on paper of the size A4."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.browser.conftest import chromium
from tests.support.demonstration import demonstration
from tests.support.project import invoke

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(120)]

A4 = {"width": round((210 - 2 * 12) / 25.4 * 96), "height": round((297 - 2 * 14) / 25.4 * 96)}
"""Between the margins of the style sheet, in pixels."""
CUT_OFF = """() => [...document.querySelectorAll("main *")]
    .filter((one) => !one.closest("svg, .hidden-label"))
    .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map((one) => one.outerHTML.slice(0, 80))"""
COLOURS = "[document.body, document.querySelector('h1')].map((one) => getComputedStyle(one))"


@pytest.fixture(params=["summary", "recipients", "failures"])
def place(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the demonstration."""
    folder, place = demonstration(tmp_path_factory) / "drumbeat-demo", tmp_path / "report.html"
    assert invoke(folder, "report", request.param, "spring-sale", "--output", str(place)).code == 0
    return place


async def test_a_report_is_sound_in_a_browser_and_on_paper(place: Path) -> None:
    faults: list[str] = []
    async with chromium() as browser:
        page = await browser.new_page(color_scheme="dark")
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda request: faults.append(request.url))
        await page.goto(place.as_uri())
        found = await Axe().run(page, options={"resultTypes": ["violations"]})
        assert [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]] == []
        await page.emulate_media(media="print")
        await page.set_viewport_size(A4)  # type: ignore[arg-type]
        assert await page.evaluate(CUT_OFF) == []
        ground, ink = await page.evaluate(f"{COLOURS}.map((one) => [one.backgroundColor, one.color])")
        assert (ground[0], ink[1]) == ("rgb(255, 255, 255)", "rgb(26, 27, 29)"), "light, whatever the theme"
        assert len(await page.pdf(format="A4")) > 1000
        assert faults == [place.as_uri()], "it asks for nothing but itself"
