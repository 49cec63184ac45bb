"""The tutorial in the browser is true: its steps lead to its numbers, and its names are on the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import DESK, chromium, join, start, stop, watched
from tests.browser.tutorial import Tutorial, bold, write_folder
from tests.support.emulator import running_emulator

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]
ELSEWHERE = {"second terminal", "Start", "Pause…", "Resume…"}
"""In a terminal, on the page of the invitation, and while it is sent."""


async def test_the_tutorial_in_the_browser_leads_to_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    with running_emulator(sent_after=0, delivered_after=0, read_after=0) as emulator:
        write_folder(tmp_path / "project", emulator.port)
        site, invitation = start(tmp_path / "project")
        try:
            async with chromium() as browser, watched(browser, site, viewport=DESK) as seen:
                await join(seen, site, invitation)
                tutorial = Tutorial(seen.page)
                await tutorial.follow()
                assert seen.faults == []
        finally:
            stop(site)
        assert emulator.summary()["total"] == 15
    assert {name for name in bold() - ELSEWHERE if name not in tutorial.pages} == set()
