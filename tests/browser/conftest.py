"""A real browser, and a site to look at: what a demonstration has sent."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.support.demonstration import demonstration
from tests.support.forks import Fork, run_main
from tests.support.paths import ROOT
from tests.support.project import invoke

CHROMIUM = shutil.which("chromium")
REQUIRED = os.environ.get("DRUMBEAT_CHROMIUM") == "required"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAME, PASSWORD = "ada@example.com", "correct horse battery"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules of axe that look at colours."""
AXE = "options => axe.run(options).then(found => found.violations)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None and not REQUIRED:
        reason = "THE PAGES ARE NOT TESTED IN A BROWSER: there is no Chromium. Install it: make browser"
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason))


@dataclass
class Site:
    """`drumbeat up` in a folder, with one admin."""

    folder: Path
    address: str
    process: Fork
    state: dict[str, object] = field(default_factory=dict)
    """The cookies of the admin's browser."""


def drumbeat(folder: Path, *arguments: str, ahead: float = 0) -> None:
    with _dated(folder, ahead, *arguments) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 3), err


def start(folder: Path, ahead: float = 0) -> tuple[Site, str]:
    """`drumbeat up` there, its clock `ahead` by so many seconds; and the path of its first invitation."""
    process = _dated(folder, ahead, "up", "--port", "0")
    seen = []
    for line in process.stderr:
        seen.append(line)
        found = re.search(r"(http://127\.0\.0\.1:\d+)(/join/\S+)", line)
        if found:
            return Site(folder, found[1], process), found[2]
    raise AssertionError(f"it did not start: {seen}")


def _dated(folder: Path, ahead: float, *arguments: str) -> Fork:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = ("tests.support.dated", str(ahead), "cli")
    return Fork(run_main, *program, *arguments, folder=folder, environment=environment)


def stop(site: Site) -> None:
    site.process.terminate()
    try:
        site.process.communicate(timeout=20)
    except TimeoutExpired:
        site.process.kill()
        raise


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    shown, folder = demonstration(tmp_path_factory), tmp_path_factory.mktemp("site")
    shutil.copytree(shown / "drumbeat-demo", folder, dirs_exist_ok=True)
    assert invoke(folder, "db", "adopt", "--yes").code == 0
    site, join = start(folder)
    yield site, join
    stop(site)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM, "there is no Chromium here: make browser"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Watched:
    """A page whose every fault is kept."""

    page: Page
    context: BrowserContext
    faults: list[str] = field(default_factory=list)

    async def judge(self, address: str) -> None:
        """Open it, and note what is wrong with it in both themes, on a desk and on a phone."""
        await self.page.goto(address)
        for size in (PHONE, DESK):
            await self.page.set_viewport_size(size)
            for scheme in ("dark", "light"):
                await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await self.look(
                    f"{address} ({scheme}, {size['width']} px)", COLOURS if scheme == "dark" else {}
                )

    async def look(self, name: str, rules: dict[str, list[str]] | None = None) -> None:
        """Note what is wrong with the page that is shown."""
        wide = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wide > 0:
            self.faults.append(f"{name}: scrolls sideways by {wide} px")
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(Axe().axe_script)
        for violation in await self.page.evaluate(AXE, {"resultTypes": ["violations"], **(rules or {})}):
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            self.faults.append(f"{name}: axe {violation['id']}: {nodes}")


@asynccontextmanager
async def watched(browser: Browser, site: Site, **options: object) -> AsyncIterator[Watched]:
    """A context of the browser in which console messages and requests to other servers are faults."""
    state = site.state or None
    context = await browser.new_context(
        base_url=site.address,
        timezone_id="Europe/Paris",
        storage_state=state,  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    seen = Watched(page, context)
    page.on("console", lambda message: seen.faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.faults.append(f"error: {error}"))
    context.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((site.address, "data:", "blob:"))
            else seen.faults.append(f"a request left the machine: {request.url}")
        ),
    )
    yield seen
    await context.close()


async def join(seen: Watched, site: Site, path: str) -> None:
    """The first admin chooses a name and a password."""
    await seen.page.goto(path)
    await seen.page.fill("[name=name]", NAME)
    await seen.page.fill("[name=password]", PASSWORD)
    await seen.page.click("button.main")
    await seen.page.wait_for_selector("text=Needs you")
    site.state = dict(await seen.context.storage_state())
