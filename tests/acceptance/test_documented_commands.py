"""README and tutorials are true: every block of shell in them runs, in order, and prints what is shown below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

import campaigns.time.clock
from tests.support.dated import ahead, seconds_to
from tests.support.emulator import Emulator, running_emulator
from tests.support.paths import ROOT
from tests.support.shell_blocks import Reader, blocks_of

README, BROWSER, TERMINAL = (
    ROOT / name for name in ("README.md", "docs/tutorials/browser.md", "docs/tutorials/terminal.md")
)
NOT_RUN = {README: 3, BROWSER: 3, TERMINAL: 3}
"""Blocks that the pages mark as not run, with a reason."""
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
"""Before the times that the pages name."""
LIST = "phone,first_name,code\n+2290197000000,Ada,A1\n+2290197000001,,A2\n"
"""A list of the reader's own, where a tutorial asks for one."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running_emulator(ahead=seconds_to(NOW), sent_after=0, delivered_after=0, read_after=0) as running:
        yield running


@pytest.fixture
def reader(tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(campaigns.time.clock, "datetime", ahead(seconds_to(NOW)))
    place = {"DRUMBEAT_PROVIDERS__OURVOICE__BASE_URL": emulator.ourvoice}
    return Reader(tmp_path, {"OURVOICE_API_KEY": emulator.api_key, **place})


def test_the_readme(reader: Reader) -> None:
    shown = blocks_of(README)
    below = dict(pairwise(shown))
    printed = dict(reader.follow(README))
    untrue = [
        (block.text, line)
        for block, output in printed.items()
        if below[block].kind == "text"
        for line in missing(below[block].text, output)
    ]
    assert untrue == []
    assert len(printed) == 6


@pytest.mark.parametrize("page", [BROWSER, TERMINAL], ids=lambda page: page.stem)
def test_the_tutorials(page: Path, reader: Reader) -> None:
    (reader.root / "spring").mkdir()
    (reader.root / "spring" / "spring.csv").write_text(LIST)
    assert list(reader.follow(page))


def test_blocks_that_are_not_run_are_counted() -> None:
    found = Counter({page: sum(block.why is not None for block in blocks_of(page)) for page in NOT_RUN})
    assert found == NOT_RUN


def missing(shown: str, printed: str) -> list[str]:
    """The lines shown that are not among those printed, `…` stands for anything."""
    lines = {shape(line) for line in printed.splitlines()}
    return [
        line
        for line in map(shape, elsewhere(shown).splitlines())
        if line and not any(re.fullmatch(re.escape(line).replace("…", ".*"), each) for each in lines)
    ]


def elsewhere(shown: str) -> str:
    """Without what only a terminal shows: hints at the end, progress, and the lines of tables."""
    return re.sub(
        r"^Sending .*$|^[ ─]+$", "", re.sub(r"^Next: .*\Z", "", shown, flags=re.M | re.S), flags=re.M
    )


def shape(line: str) -> str:
    """Any number is as good as another, and so is the folder."""
    return " ".join(re.sub(r"[\d,.]*\d", "0", re.sub(r"/\S*(?=/my-campaigns)", "", line)).split())
