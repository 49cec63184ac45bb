"""The steps of docs/tutorials/browser.md, with the list, the corrections and the text that it gives."""

from __future__ import annotations

import csv
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path

from playwright.async_api import Page, expect

from app.demo.starter import write_starter
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "tutorials" / "browser.md").read_text(encoding="utf-8")
PATIENCE = 60_000
"""Milliseconds, however busy the machine is."""
expect.set_options(timeout=PATIENCE)
Picture = Callable[[str], Awaitable[None]]


def block(kind: str) -> str:
    """The first block of that kind."""
    found = re.search(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)
    assert found, f"the tutorial has no {kind} any more"
    return found[1]


def bold() -> set[str]:
    """The names of buttons, fields and headings."""
    return set(re.findall(r"\*\*([^*]+)\*\*", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)))


def write_folder(folder: Path, port: int) -> None:
    """The starter files, and the three settings that the tutorial turns on."""
    write_starter(folder)
    place = folder / "drumbeat.toml"
    text = re.sub(r"^# (base_url|currency|price)", r"\1", place.read_text(), flags=re.MULTILINE)
    place.write_text(text.replace(":8899/", f":{port}/"))


def corrected(rejects: str) -> str:
    """The downloaded rows with the tutorial's corrections."""
    new = dict(re.findall(r"^\| (\d+) \| [^|]+ \| `([^`]+)` \|$", TEXT, re.MULTILINE))
    rows = list(csv.DictReader(StringIO(rejects, newline="")))
    text = StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows({**row, "Mobile": new.get(row["drumbeat_line"], row["Mobile"])} for row in rows)
    return text.getvalue()


async def no_picture(name: str) -> None:
    """Where only the steps matter."""


@dataclass
class Tutorial:
    """One reader, from the link on."""

    page: Page
    picture: Picture = no_picture
    seen: set[str] = field(default_factory=set)
    """The text of every page that was passed."""

    @cached_property
    def pages(self) -> str:
        return "\n".join(self.seen)

    async def follow(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        await self.list()
        await self.message()
        await self.rules_and_review()
        await self.look()

    async def press(self, name: str) -> None:
        """The link or button, or the summary that opens more, of this name; what was there to read is kept."""
        await self.read()
        named = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        await named.or_(self.page.locator("summary", has_text=name)).first.click()

    async def read(self) -> None:
        self.seen.add(await self.page.inner_text("main"))

    async def list(self) -> None:
        page = self.page
        await page.goto("/")
        await self.press("New campaign")
        await page.get_by_label("Name", exact=True).first.fill("spring")
        await self.press("Create the draft")
        await page.wait_for_url("**/spring/list")
        file = {"name": "spring.csv", "mimeType": "text/csv", "buffer": block("csv").encode()}
        await page.set_input_files("input[type=file]", file)  # type: ignore[arg-type]
        await expect(page.locator(".figures")).to_contain_text("13")
        await page.get_by_label("Country of numbers without +").select_option(label="United Kingdom")
        await self.press("Save how the list is used")
        await expect(page.locator("#bad")).to_contain_text("3 rows left out")
        await self.picture("list")
        async with page.expect_download() as downloading:
            await self.press("Download them to correct")
        rejects = (await (await downloading.value).path()).read_text(encoding="utf-8-sig")
        file = {"name": "c.csv", "mimeType": "text/csv", "buffer": corrected(rejects).encode()}
        await page.set_input_files("#correct input[type=file]", file)  # type: ignore[arg-type]
        await expect(page.locator("#bad")).to_contain_text("1 row left out")
        await self.press("Continue with 15 recipients")

    async def message(self) -> None:
        page = self.page
        await page.wait_for_url("**/spring/message")
        await page.get_by_label("shop").check()
        await page.fill("[name='content.text']", block("text").strip())
        await expect(page.locator(".bubble strong mark").first).to_have_text("Ada")
        await page.mouse.click(5, 300)
        await self.picture("message")
        await page.get_by_role("button", name="Save", exact=True).last.click()
        await self.press("Where a cell is blank")
        await page.get_by_label("first_name", exact=True).fill("there")
        await self.press("Save and go on to the rules")

    async def rules_and_review(self) -> None:
        page = self.page
        await page.wait_for_url("**/spring/rules")
        await self.press("Save and go on to the review")
        await page.wait_for_selector("button.send-all")
        await self.picture("review")
        await self.press("Send 15 messages now")

    async def look(self) -> None:
        page = self.page
        await page.wait_for_url("**/campaigns/spring")
        await expect(page.locator("main")).to_contain_text("Finished")
        await expect(page.locator("main")).to_contain_text("14 of 16 rows delivered")
        await self.read()
        await self.picture("campaign")
        await page.locator(".legend tr", has_text="failed").get_by_role("link").click()
        await page.locator("a.phone").click()
        await expect(page.locator("main")).to_contain_text("not on WhatsApp")
        await self.picture("person")
        await page.goto("/campaigns/spring")
        await self.press("Report")
        await self.read()
