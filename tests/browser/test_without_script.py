"""Without JavaScript: the marketer's whole path, from the log-in to the log-out. And beside it a browser with
JavaScript, whose page follows what is done in the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NAME, PASSWORD, chromium, join, start, stop, watched
from tests.browser.test_drafts import mended
from tests.browser.tutorial import write_folder
from tests.support.emulator import running_emulator

LIST = "".join(
    [
        "Phone;First Name;Where\n",
        *(f"+4477009{at:05d};Name {at};GB\n" for at in range(4)),
        "+4477;Name 4;GB\n",
    ]
)
pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(180)]


async def test_the_whole_path_works_without_javascript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    with running_emulator() as emulator:
        write_folder(tmp_path / "project", emulator.port)
        site, invitation = start(tmp_path / "project")
        try:
            async with chromium() as browser, watched(browser, site, java_script_enabled=False) as seen:
                seen.page.set_default_timeout(30_000)
                await join(seen, site, invitation)
                await log_out_and_in(seen.page)
                await use_list(seen.page)
                await write_message(seen.page)
                await send(seen.page)
                site.state = dict(await seen.context.storage_state())
                async with watched(browser, site) as beside:
                    await look_and_stop(seen.page, beside.page)
                    assert beside.faults == []
                await log_out(seen.page)
                assert [fault for fault in seen.faults if "status of 403" not in fault] == []
        finally:
            stop(site)
        assert emulator.summary()["total"] == 1, "the test; the pace of the campaign allows one an hour"


async def press(page: Page, name: str) -> None:
    """The button or link of this name."""
    named = page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name))
    await named.first.click()


async def upload(page: Page, within: str, content: bytes) -> None:
    file = {"name": "people.csv", "mimeType": "text/csv", "buffer": content}
    await page.locator(f"{within} input[type=file]").first.set_input_files(file)  # type: ignore[arg-type]
    await page.locator(within).get_by_role("button", name="Upload").first.click()


async def log_out(page: Page) -> None:
    await page.goto("/settings")
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(page.get_by_label("Password")).to_be_visible()


async def log_out_and_in(page: Page) -> None:
    await log_out(page)
    for password, then in (("wrong", "is wrong"), (PASSWORD, "Needs you")):
        await page.get_by_label("Name").fill(NAME)
        await page.get_by_label("Password").fill(password)
        await press(page, "Log in")
        await expect(page.locator("main")).to_contain_text(then)


async def use_list(page: Page) -> None:
    """Upload, correction, mapping."""
    await press(page, "New campaign")
    await page.get_by_label("Name", exact=True).first.fill("spring")
    await press(page, "Create the draft")
    await upload(page, "main", LIST.encode())
    await expect(page.locator("#bad")).to_contain_text("1 row left out")
    async with page.expect_download() as downloading:
        await press(page, "Download it to correct")
    await upload(page, "#correct", mended(await (await downloading.value).path()))
    await expect(page.locator("main")).to_contain_text("1 row put back")
    used = page.get_by_label("Where is used as")
    await used.select_option(label="Country of the number")
    await press(page, "Save how the list is used")
    await expect(used).to_have_value("country_code")
    await press(page, "Continue with 5 recipients")


async def write_message(page: Page) -> None:
    """What inserts by JavaScript is not shown; the preview is by a button; a test goes to one's own phone."""
    await expect(page.get_by_role("button", name="First Name", exact=True)).to_be_hidden()
    await expect(page.locator("main")).to_contain_text("{{ first_name }}")
    await page.get_by_label("shop").check()
    await page.get_by_role("textbox", name="Text", exact=True).first.fill("Hi {{ first_name }}")
    await press(page, "Show")
    await expect(page.locator(".bubble mark")).to_have_text("Name 0")
    await page.get_by_label("Your own number").fill("+447700900500")
    await press(page, "Save and send 1 test message")
    await expect(page.locator("main")).to_contain_text("Sent to +447700900500")
    await press(page, "Save and go on to the rules")


async def send(page: Page) -> None:
    """Rules, of which the form shows the fields that the choice needs, and the review."""
    await expect(page.get_by_label("Date and time")).to_be_hidden()
    await page.get_by_label("At a time").check()
    await expect(page.get_by_label("Date and time")).to_be_visible()
    await page.get_by_label("When I send it").check()
    await page.get_by_label("Messages on a sender at most").fill("1/h")
    await press(page, "Show again")
    await expect(page.locator("#preview")).to_contain_text("the campaign's rate, 1/h")
    await press(page, "Save and go on to the review")
    await press(page, "Send 5 messages now")


async def look_and_stop(page: Page, beside: Page) -> None:
    """The campaign's page, and whom its numbers count; pause, resume, cancel. The buttons of the page beside follow,
    and what is focused or opened there stays so."""
    await page.wait_for_url("**/campaigns/spring")
    for _ in range(60):
        if await page.locator(".verdict-line .chip", has_text="running").count():
            break
        await page.wait_for_timeout(250)
        await page.reload()
    await page.locator(".legend tr", has_text="waiting").get_by_role("link", name="5").click()
    await page.locator("a.phone").first.click()
    await expect(page.locator("main")).to_contain_text("Hi Name")

    await beside.goto("/campaigns/spring")
    await beside.locator("summary", has_text="The numbers").click()
    await beside.wait_for_event("response", lambda answer: answer.url.endswith("/live"))
    await beside.wait_for_event("response", lambda answer: answer.url.endswith("/live"))
    await expect(beside.locator("details[open] > summary", has_text="The numbers")).to_be_focused()
    await beside.get_by_role("link", name="Cancel…").focus()
    for act, button, then, acts in (
        ("Pause", "Pause 5 messages", "paused", ["Resume…", "Cancel…"]),
        ("Resume", "Resume and send 5 messages", "running", ["Pause…", "Cancel…"]),
        ("Cancel", "Cancel 5 messages for good", "cancelled", []),
    ):
        await page.goto("/campaigns/spring")
        await press(page, f"{act}…")
        await press(page, button)
        await expect(page.locator(".verdict-line .chip")).to_have_text(then)
        await expect(beside.locator(".verdict-line .chip")).to_have_text(then)
        await expect(beside.locator(".head .acts a")).to_have_text(acts)
        if acts:
            await expect(beside.get_by_role("link", name="Cancel…")).to_be_focused()
