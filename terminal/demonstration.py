"""The demonstration: a folder with settings and a campaign, an emulated provider, a run, and the reports."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

from app.actions.loading import Flags, load_campaign
from app.actions.scheduling import TimeFlags
from app.demo.samples import sample
from app.views.message.sampling import Choice, preview_messages
from app.views.reports.cost_report import cost_report
from app.views.reports.reports import delivery_report, failures_report
from app.wiring.databases import opened, snapshot
from app.wiring.emulation import emulator_running
from app.wiring.settings import load_settings
from campaigns.atomic_files import whole_file
from campaigns.errors import UsageError
from terminal.load_report import print_load
from terminal.output import print_text
from terminal.report_output import print_report
from terminal.running import drive, run_loop, summarise

CAMPAIGN: Final = "spring-sale"
FILES: Final = ("spring_sale.toml", "spring_sale.csv")
MARK: Final = "# Made by `drumbeat demo`; its emulator has ended with it."
SETTINGS: Final = """\
{mark}

[database]
url = "sqlite:///drumbeat.db"

[providers.ourvoice]
adapter = "ourvoice"
base_url = "{address}/ourvoice"
api_key = "file:{key_file}"
currency = "XOF"
rate = "200/s"

[[providers.ourvoice.senders]]
name = "shop"
session_id = "a3f1b2c4-1234-4abc-9def-000011112222"
number = "+2290197000000"
"""
KEY: Final = "test-key"
"""The emulator's key; it is valid nowhere else."""


def show_everything(folder: Path, *, browser: bool) -> None:
    """Load, run and report; with `browser`, serve the pages afterwards until stopped. Raises UsageError if the folder
    holds other files."""
    _make_room(folder)
    print_text(f"1. Starting an emulated Our Voice on this machine; the files go to {folder}/.")
    with emulator_running() as address:
        _write_files(folder, address)
        phone = run_loop(_run(folder))
        if browser:
            print_text("5. The pages. Press Ctrl-C to end the demo.")
            run_loop(_show_pages(folder))
    _print_next_steps(folder, phone)


def _make_room(folder: Path) -> None:
    """An empty folder: a new one, or that of an earlier demo without its files."""
    settings = folder / "drumbeat.toml"
    if folder.exists() and any(folder.iterdir()) and not _is_ours(settings):
        raise UsageError(
            f"{folder} holds other files; nothing was changed.", hint="drumbeat demo --dir new-folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in ("drumbeat.db*", "*rejects*.csv", "api_key", *FILES, settings.name):
        for path in folder.glob(pattern):
            path.unlink()


def _is_ours(settings: Path) -> bool:
    return settings.is_file() and settings.read_text(encoding="utf-8").startswith(MARK)


def _write_files(folder: Path, address: str) -> None:
    key_file = (folder / "api_key").absolute()
    with whole_file(key_file) as file:
        file.write(KEY)
    text = SETTINGS.format(mark=MARK, address=address, key_file=key_file.as_posix())
    with whole_file(folder / "drumbeat.toml") as file:
        file.write(text)
    for name in FILES:
        shutil.copyfile(sample(name), folder / name)


async def _run(folder: Path) -> str:
    """Load, send, report; the number of one recipient."""
    settings = load_settings(folder / "drumbeat.toml")
    async with opened(settings, create=True) as engine:
        print_text("2. Checking the CSV row by row, and loading it.")
        print_load(
            await load_campaign(
                engine,
                settings,
                folder / FILES[0],
                Flags(times=TimeFlags(now=True), rejects=folder / f"{CAMPAIGN}.rejects.csv"),
            )
        )
        print_text("3. Sending the messages, and waiting for their receipts.")
        summary = await drive(engine, settings, until_idle=True, wait_receipts=timedelta(seconds=10))
        summarise(summary)
        if summary.interrupted:
            raise KeyboardInterrupt
        print_text("4. The reports.")
        print_text()
        async with snapshot(engine) as connection:
            for build in (delivery_report, cost_report, failures_report):
                print_report(await build(connection, CAMPAIGN))
            [first] = await preview_messages(connection, CAMPAIGN, Choice.FIRST, 1, 0)
            return first.phone


async def _show_pages(folder: Path) -> None:
    settings = load_settings(folder / "drumbeat.toml")
    async with opened(settings, create=False) as engine:
        await drive(
            engine,
            settings,
            until_idle=False,
            wait_receipts=timedelta(0),
            serve_on=("127.0.0.1", 0),
            pages=True,
        )


def _print_next_steps(folder: Path, phone: str) -> None:
    command = _command()
    print_text("The demo is done. Look around:")
    print_text(f"  cd {folder}")
    print_text(f"  {command} campaign show {CAMPAIGN}")
    print_text(f"  {command} why {CAMPAIGN} {phone}")
    print_text(f"  {command} report recipients {CAMPAIGN} --output recipients.csv")
    print_text(f"In the browser, with the emulated provider at work: {command} demo --browser")
    print_text(f"For your own campaign: {command} init --dir my-campaigns")


def _command() -> str:
    """How to call drumbeat from another folder."""
    return "drumbeat" if shutil.which("drumbeat") else str(Path(sys.argv[0]).absolute())
