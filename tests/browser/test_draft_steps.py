"""From a list to a campaign that sends, by keyboard alone: message, rules, review; and each step in both themes, at
both widths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Page

from tests.app.actions.drafts.test_lists import people
from tests.browser.conftest import Site, chromium, join, start, stop, watched
from tests.support.project import SETTINGS

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]

AT = "/campaigns/drafts/spring"
CARD = """
[[content.template.cards]]
header = { image = { url = "https://shop.example/lemon.png" } }
parameters = ["LEMON", "15 %"]
buttons = [{ index = 0, type = "quick_reply", parameter = "more" }, { index = 1, type = "url", parameter = "lemon" }]
"""
CAROUSEL = f"""
name = "cards"
provider = "meta"
senders = ["one"]
[content.template]
name = "fruit"
{CARD * 3}
"""
FOCUSED = (
    "document.activeElement ? [document.activeElement.name, document.activeElement.innerText].join('|') : ''"
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "drumbeat.toml").write_text(SETTINGS.format(port=9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OURVOICE_API_KEY", "x")
        site, invitation = start(folder)
    yield site, invitation
    stop(site)


async def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the field or button of that name has the focus."""
    for _ in range(150):
        await page.keyboard.press("Tab")
        if wanted in str(await page.evaluate(FOCUSED)):
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


async def test_a_list_is_sent_by_keyboard_alone(empty: tuple[Site, str]) -> None:
    site, invitation = empty
    async with chromium() as browser:
        async with watched(browser, site) as seen:
            page = seen.page
            await join(seen, site, invitation)
            await page.goto("/campaigns/new")
            await tab_to(page, "name|")
            await page.keyboard.type("spring")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/spring/list")
            await page.set_input_files(
                "input[type=file]", {"name": "p.csv", "mimeType": "text/csv", "buffer": people(20, set())}
            )
            await page.wait_for_selector(".figures")

            await page.goto(f"{AT}/message")
            await seen.look("an empty message")
            await tab_to(page, "sender:ourvoice/shop")
            await page.keyboard.press("Space")
            await tab_to(page, "content.text")
            await page.keyboard.type("Hi *{{ first_name }}*")
            await page.wait_for_selector(".bubble strong mark")
            await seen.look("a message with its preview")
            await tab_to(page, "Save and go on to the rules")
            await page.keyboard.press("Enter")

            await page.wait_for_url("**/spring/rules")
            await tab_to(page, "pace.rate")
            await page.keyboard.type("1/m")
            await page.wait_for_selector("text=the campaign's rate, 1/m")
            await seen.look("the rules")
            await tab_to(page, "Save and go on to the review")
            await page.keyboard.press("Enter")

            await page.wait_for_url("**/spring/review")
            await page.wait_for_selector("button.send-all", timeout=60_000)
            await seen.look("the review")
            await tab_to(page, "Send 20 messages now")
            assert seen.faults == []
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/campaigns/spring")
            assert "It is not sent a second time." in await _text(page, f"{AT}/review")
        async with watched(browser, site) as seen:
            for step in ("message", "rules", "review"):
                await seen.judge(f"{AT}/{step}")
            (site.folder / "drafts" / "cards").mkdir()
            (site.folder / "drafts" / "cards" / "campaign.toml").write_text(CAROUSEL)
            await seen.judge("/campaigns/drafts/cards/message")
            assert await seen.page.locator(".slides > li").count() == 3
            assert seen.faults == []


async def _text(page: Page, address: str) -> str:
    """What the page says once the campaign has been launched."""
    for _ in range(30):
        await page.goto(address)
        text = await page.inner_text("main")
        if "has not started" not in text:
            return text
        await page.wait_for_timeout(500)
    return text
