"""`make screenshots`: the pictures of the documentation, from the emulators, at a fixed time on 1 December 2026."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import DESK, PHONE, Site, chromium, drumbeat, join, start, stop, watched
from tests.browser.tutorial import Tutorial, write_folder
from tests.support.dated import seconds_to
from tests.support.emulator import running_emulator
from tests.support.paths import ROOT

NOW = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)
"""A Tuesday morning in Europe: America still sleeps, and Australia does again."""
LARGEST = 80_000
COLOURS = 128
SAME = 0.001
"""A picture of which no larger share of pixels differs stays: a graph moves by a pixel from one time to the next."""
TALLEST = {"list": 1330, "message": 1130, "today": 860, "waiting-phone": 1345}
NEWS = """
name = "winter-news"
provider = "ourvoice"
senders = ["shop"]
[audience]
csv = "news.csv"
[content]
text = "Hi {{ first_name }}, our winter list is here. Your code: {{ code }}"
[hours]
allow = "09:00-18:00"
[pace]
delay_between = 5
[budget]
currency = "XOF"
max = "20000"
"""
FIXED_SECONDS = """() => {
  const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (all.nextNode())
    all.currentNode.data = all.currentNode.data.replace(/\\b(\\d\\d:\\d\\d):\\d\\d\\b/g, "$1:30");
}"""


async def main(folder: Path) -> None:
    """Follow the tutorial, beside a campaign in which many wait for their morning; and look."""
    os.environ["OURVOICE_API_KEY"] = "test-key"
    ahead = seconds_to(NOW)
    with tempfile.TemporaryDirectory() as place, running_emulator(ahead=ahead) as emulator:
        project = Path(place, "project")
        write_folder(project, emulator.port)
        (project / "news.csv").write_bytes((ROOT / "sample_data" / "spring_sale.csv").read_bytes())
        (project / "winter-news.toml").write_text(NEWS)
        drumbeat(project, "campaign", "load", "winter-news.toml", "--now", ahead=ahead)
        site, invitation = start(project, ahead)
        try:
            async with chromium() as browser:
                await take(browser, site, invitation, folder)
        finally:
            stop(site)


async def take(browser: Browser, site: Site, invitation: str, folder: Path) -> None:
    async with watched(browser, site, viewport=DESK) as seen:
        await join(seen, site, invitation)

        async def picture(name: str) -> None:
            if name == "campaign":
                await settled(seen.page, "spring")
            await shoot(seen.page, folder, name)

        await Tutorial(seen.page, picture).follow()
    async with looking(browser, site) as page:
        await settled(page, "winter-news")
        await shoot(page, folder, "waiting")
        await page.goto("/")
        await shoot(page, folder, "today")
    async with looking(browser, site, viewport=PHONE, color_scheme="dark") as page:
        await settled(page, "winter-news")
        await shoot(page, folder, "waiting-phone")


@asynccontextmanager
async def looking(browser: Browser, site: Site, **options: object) -> AsyncIterator[Page]:
    async with watched(browser, site, **{"viewport": DESK, **options}) as seen:
        yield seen.page


async def settled(page: Page, campaign: str) -> None:
    """The campaign's page, a while after all messages have gone that do not wait."""
    await page.goto(f"/campaigns/{campaign}")
    pace = page.locator(".figures div", has_text="messages per second now")
    await expect(pace.locator("dd")).to_have_text("0", timeout=120_000)


async def shoot(page: Page, folder: Path, name: str) -> None:
    """Write the picture, if it shows something new."""
    await page.evaluate("scrollTo(0, 0)")
    await page.evaluate(FIXED_SECONDS)
    taken = await page.screenshot(full_page=True, animations="disabled", caret="hide", scale="css")
    image = Image.open(BytesIO(taken)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, TALLEST.get(name, image.height))))
    image = image.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")
    place = folder / f"{name}.webp"
    if place.exists() and is_same(Image.open(place).convert("RGB"), image):
        print(f"  {place.name}: as it was")
        return
    image.save(place, lossless=True, quality=100, method=6)
    print(f"  {place.name}: {place.stat().st_size:,} bytes")
    if place.stat().st_size > LARGEST:
        raise SystemExit(f"{place} has more than {LARGEST:,} bytes.")


def is_same(old: Image.Image, new: Image.Image) -> bool:
    if old.size != new.size:
        return False
    differs = ImageChops.difference(old, new).convert("L").point(lambda value: 255 if value > 16 else 0)
    return differs.histogram()[255] <= SAME * old.width * old.height


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
