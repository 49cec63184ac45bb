"""A list goes through the browser: uploaded, understood, corrected."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from app.views.drafts.list_step import IN_PROCESS
from tests.app.actions.drafts.test_lists import people
from tests.browser.conftest import Site, chromium, join, start, stop, watched
from tests.support.project import SETTINGS

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "drumbeat.toml").write_text(SETTINGS.format(port=9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OURVOICE_API_KEY", "x")
        site, invitation = start(folder)
    yield site, invitation
    stop(site)


def mended(rejects: Path) -> bytes:
    rows = list(csv.reader(StringIO(rejects.read_text(encoding="utf-8-sig"), newline=""), delimiter=";"))
    text = StringIO()
    csv.writer(text, delimiter=";").writerows(
        [rows[0], *([f"+4477008{row[3]:0>5}", *row[1:]] for row in rows[1:])]
    )
    return text.getvalue().encode()


async def test_a_list_is_uploaded_and_its_bad_rows_are_corrected(empty: tuple[Site, str]) -> None:
    site, invitation = empty
    async with chromium() as browser:
        async with watched(browser, site) as seen:
            page = seen.page
            await join(seen, site, invitation)
            await page.goto("/campaigns/new")
            await page.focus("[name=name]")
            await page.keyboard.type("spring")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/spring/list")
            await page.set_input_files(
                "input[type=file]",
                {"name": "people.csv", "mimeType": "text/csv", "buffer": people(50, {3, 9})},
            )
            await page.wait_for_selector("#bad")
            await seen.look("the list after its upload")
            async with page.expect_download() as downloading:
                await page.click("text=Download them to correct")
            rejects = await (await downloading.value).path()
            await page.set_input_files(
                "#correct input[type=file]",
                {"name": "mended.csv", "mimeType": "text/csv", "buffer": mended(rejects)},
            )
            await page.wait_for_selector("text=2 rows put back")
            assert await page.locator("#bad").count() == 0
            await seen.look("the list after its correction")
            await page.set_input_files(
                "#correct input[type=file]",
                {"name": "x.csv", "mimeType": "text/csv", "buffer": b"phone\n1\n"},
            )
            await page.wait_for_selector("[role=alert]")
            await seen.look("the list after a wrong upload")
            seen.faults = [fault for fault in seen.faults if "status of 422" not in fault]
            assert seen.faults == []
            large = people(5_000, set()).replace("é".encode(), "é".encode() * 150)
            assert len(large) > IN_PROCESS
            await page.goto("/campaigns/new")
            await page.fill("#f-name", "large")
            await page.click("button.main")
            await page.set_input_files(
                "input[type=file]",
                {"name": "large.csv", "mimeType": "text/csv", "buffer": large},
            )
            await page.wait_for_selector("#columns", timeout=60_000)
            assert seen.faults == [], "a page that waits for a check shows it in the end"
        async with watched(browser, site) as seen:
            for step in ("list", "file"):
                await seen.judge(f"/campaigns/drafts/spring/{step}")
            assert seen.faults == []
