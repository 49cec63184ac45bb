"""The documentation is that of this code: generated pages, links, commands, and words for every reason."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import click
import pytest

from app.views.messages import ENDED, WAITS
from campaigns.phones.phone import read_phone
from cli import cli
from tests.support.cases import each
from tests.support.paths import ROOT

SCRIPT = ROOT / "docs" / "generate.py"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("sample_data/*.md"), *ROOT.glob("docs/**/*.md")]
)
WRITTEN = [page for page in PAGES if page.name != "cli.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:\$ )?(drumbeat [^#\n]+)", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_reference_pages_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--check"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0


@each("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        place, _, anchor = link.partition("#")
        if re.match(r"https?:", place):
            continue
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in headings(target), f"{link}: no such heading"


def headings(page: Path) -> set[str]:
    """The anchors that the page's headings have."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text("utf-8"))
    }
    assert {page for page in ROOT.glob("docs/**/*.md") if page != index} <= linked


@each("page", WRITTEN, ids=name_of)
def test_every_command_shown_exists_with_its_options(page: Path) -> None:
    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        for command in re.split(r"&&|\||;", line):
            if command.strip().startswith("drumbeat "):
                assert_known(shlex.split(command)[1:])


def assert_known(words: list[str]) -> None:
    """Walk the words through the groups to a command, and check each option against it."""
    command: click.Command = cli
    options = options_of(cli)
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"{word} is no option of {command.name}"
        elif isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), word)
            if inner is None:
                continue  # the value of an option before the command
            command, options = inner, options | options_of(inner)
    assert not isinstance(command, click.Group) or {"--help", "…"} & {*words}, f"no command: {words}"


def options_of(command: click.Command) -> set[str]:
    return {name for param in command.get_params(click.Context(command)) for name in param.opts}


def test_every_reason_and_hold_that_the_code_writes_is_explained() -> None:
    reasons, holds = set[str](), set[str]()
    for folder in ("campaigns", "scheduler", "storage"):
        for path in (ROOT / folder).glob("**/*.py"):
            text = path.read_text(encoding="utf-8")
            reasons |= set(re.findall(r"reason[\"']?[=:] ?\"([a-z]+_?[a-z_]*)\"", text))
            holds |= set(re.findall(r"held_by=\"([a-z_]+)\"", text))
    assert reasons, "the pattern finds nothing any more"
    assert reasons <= ENDED.keys()
    assert holds <= WAITS.keys()


EXAMPLE = re.compile(r"(?<![\w.+])\+\d{8,15}(?!\d)")
CODE = sorted(
    path
    for room in ("app", "scheduler", "terminal", "campaigns", "sample_data")
    for path in (ROOT / room).rglob("*.*")
    if path.suffix in (".py", ".toml") and path.parent.name != "phones"
)


@each("page", [page for page in [*PAGES, *CODE] if EXAMPLE.search(page.read_text("utf-8"))], ids=name_of)
def test_numbers_in_examples_can_be_typed_as_they_are(page: Path) -> None:
    """In the documentation, and in the hints of errors."""
    read = {number: read_phone(number, landlines=True) for number in EXAMPLE.findall(page.read_text("utf-8"))}
    assert [number for number, phone in read.items() if getattr(phone, "number", None) != number] == []
