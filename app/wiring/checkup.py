"""The checks of `drumbeat doctor`. Each returns findings and raises nothing."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.wiring.context import Context
from app.wiring.databases import copy_of, opened
from app.wiring.needed_secrets import missing_keys, missing_webhook_secrets
from app.wiring.ownership import open_secrets
from app.wiring.probes import Probe, probe
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.money.costs import plain
from providers.notify.services import is_known_address
from providers.notify.settings import NotifySettings
from storage.audience.list_sizes import size_differences
from storage.database.engine import Connection, reading
from storage.database.orphans import COUNTED, Orphans, find_orphans
from storage.runs.cost_sums import Sums, cost_differences
from storage.runs.job_counts import differences
from storage.runs.time_counts import time_differences

LIBRARIES = ("sqlalchemy", "httpx", "aiohttp", "pandas", "phonenumbers", "apscheduler")
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock that shows an earlier time is wrong."""
Wrong = TypeVar("Wrong")


@frozen
class Finding:
    what: str
    ok: bool
    said: str
    fix: str = ""


async def check_up(context: Context) -> list[Finding]:
    """Every finding, from the machine to the providers; stops if the settings cannot be read."""
    findings = [_python(), _libraries(), _clock(), _zones()]
    try:
        settings = context.settings
    except DrumbeatError as error:
        return [*findings, Finding("settings", False, str(error), error.hint)]
    findings.append(_settings(settings))
    findings += _secrets(settings)
    findings += [finding for table in settings.notify for finding in _notify(table)]
    findings += await _database(settings)
    for name in settings.accounts:
        findings += [_answered(answer) for answer in await probe(settings, name)]
    return findings


def _answered(answer: Probe) -> Finding:
    who = f"{answer.account}/{answer.sender}" if answer.sender else answer.account
    return Finding(f"provider {who}", answer.ok, answer.said, answer.hint)


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, platform.python_version(), "Install Python 3.11 or newer.")


def _libraries() -> Finding:
    return Finding("libraries", True, ", ".join(f"{name} {version(name)}" for name in LIBRARIES))


def _clock() -> Finding:
    now = datetime.now(UTC)
    return Finding(
        "clock", now > EARLIEST, now.strftime("%Y-%m-%d %H:%M:%S UTC"), "Set the machine's clock (NTP)."
    )


def _zones() -> Finding:
    try:
        ZoneInfo("Africa/Porto-Novo")
    except ZoneInfoNotFoundError:
        return Finding("time zones", False, "no time zone data", "pip install tzdata")
    return Finding("time zones", True, "known")


def _settings(settings: Settings) -> Finding:
    if settings.path is None:
        return Finding("settings", False, "no drumbeat.toml here or above", "drumbeat init")
    if not settings.accounts:
        return Finding("settings", False, f"{settings.path} has no provider", "Add [providers.NAME] to it.")
    return Finding("settings", True, str(settings.path))


def _secrets(settings: Settings) -> list[Finding]:
    findings = []
    for name, account in settings.accounts.items():
        missing = list(missing_keys(settings, name))
        findings += [Finding(f"secret of {name}", False, one.problem, one.hint) for one in missing]
        if not missing:
            findings.append(Finding(f"secret of {name}", True, f"{account.api_key.place} is set"))
        findings += _webhook_secrets(settings, name)
        for file in open_secrets(account):
            warning = f"other users of this machine may read {file}; try chmod 600 {file}"
            findings.append(Finding(f"secret of {name}", True, warning))
    return findings


def _webhook_secrets(settings: Settings, name: str) -> Iterator[Finding]:
    """A secret that the settings do not name is no fault: without webhooks it is not needed."""
    missing = {one.key: one for one in missing_webhook_secrets(settings, name)}
    for key, secret in settings.accounts[name].webhook_secrets.items():
        what, found = f"webhooks of {name}", missing.get(key)
        if found is None:
            yield Finding(what, True, f"{key} is set")
        elif secret is None:
            yield Finding(what, True, f"{key} is not in the settings; drumbeat serve needs it")
        else:
            yield Finding(what, False, f"{key}: {found.problem}", found.hint)


def _notify(table: NotifySettings) -> Iterator[Finding]:
    """Whether its secret is there, and known to apprise where it is an address."""
    what = f"notify {table.name}"
    secret = table.apprise or table.secret
    try:
        known = secret is None or table.apprise is None or is_known_address(table.apprise)
        if secret is not None:
            secret.reveal()
    except DrumbeatError as error:
        yield Finding(what, False, str(error), error.hint)
        return
    place = secret.place if secret else ""
    if known:
        yield Finding(what, True, f"{place} is set")
    else:
        yield Finding(
            what, False, f"{place} is no address that apprise knows", f"drumbeat notify test {table.name}"
        )
    for file in open_secrets(table):
        yield Finding(what, True, f"other users of this machine may read {file}; try chmod 600 {file}")


async def _database(settings: Settings) -> list[Finding]:
    file = settings.sqlite_file
    place = str(file or "PostgreSQL")
    if file is not None and file.parent.is_dir() and not file.exists():
        return [Finding("database", True, f"{place} does not exist yet; the first load creates it")]
    try:
        async with opened(settings, create=False) as engine:
            if problem := await copy_of(engine):
                found = Finding("database", False, problem, "drumbeat db adopt")
            else:
                found = Finding("database", True, f"{place} answers and is at the newest revision")
            async with reading(engine) as connection:
                return [
                    found,
                    *await _kept_numbers(connection),
                    _references(await find_orphans(connection)),
                ]
    except DrumbeatError as error:
        hint = error.hint.replace("campaign load SPEC", "db upgrade")
        return [Finding("database", False, str(error), hint)]


async def _kept_numbers(connection: Connection) -> list[Finding]:
    """Whether what reports and pages show is equal to a recount."""
    return [
        _recounted(
            "counts",
            await differences(connection),
            "the numbers of messages by state are those of a recount",
            "number of messages by state",
            lambda one: (
                f"run {one.run_id} shows {one.kept:,} {one.state} on {one.lane} and has {one.counted:,}"
            ),
        ),
        _recounted(
            "costs",
            await cost_differences(connection),
            "what messages cost adds up to the sums that reports show",
            "sum of what messages cost",
            lambda one: (
                f"run {one.run_id} shows {_costs(one.kept)} in {one.country or 'no country'}, "
                f"and has {_costs(one.counted)}"
            ),
        ),
        _recounted(
            "time line",
            await time_differences(connection),
            "the numbers of messages by time are those of a recount",
            "number of messages by time",
            lambda one: (
                f"from {one.at:%Y-%m-%d %H:%M:%S} UTC on run {one.run_id} shows {one.kept_sent:,} sent and "
                f"{one.kept_delivered:,} delivered, and has {one.sent:,} and {one.delivered:,}"
            ),
        ),
        _recounted(
            "lists",
            await size_differences(connection),
            "the numbers of people of each campaign are those of a recount",
            "number of people of a campaign",
            lambda one: f"{one.campaign} shows {one.kept:,} and has {one.counted:,}",
        ),
    ]


def _recounted(
    what: str, wrong: Sequence[Wrong], right: str, thing: str, said_of: Callable[[Wrong], str]
) -> Finding:
    """`wrong`: where what reports and pages show differs from a recount. Three sentences: where nothing does, what of
    its kind is wrong, such as `number of messages`, and what is wrong about one."""
    if not wrong:
        return Finding(what, True, right)
    first, *rest = thing.partition(" of ")
    one_or_more = f"{counted(len(wrong), first)}{''.join(rest)} {'is' if len(wrong) == 1 else 'are'} wrong"
    return Finding(what, False, f"{one_or_more}: {said_of(wrong[0])}", "drumbeat db recount")


def _costs(sums: Sums) -> str:
    return f"{sums.messages:,} messages, {plain(sums.charged)} charged and {plain(sums.expected)} expected"


NAMES = {"jobs": "message", "attempts": "call", "events": "event", "runs": "run", "recipients": "recipient"}
"""What rows of these tables are."""


def _references(orphans: Sequence[Orphans]) -> Finding:
    if not orphans:
        return Finding(
            "references", True, "every message has its run and recipient, every call and event its message"
        )
    parts = [
        f"{'at least ' if one.rows == COUNTED else ''}{counted(one.rows, NAMES[one.table])} without "
        f"{'its' if one.rows == 1 else 'their'} {NAMES[one.target]}, such as {one.table}.id {one.first}"
        for one in orphans
    ]
    fix = f"Restore a backup of the database; or stop all runners and delete these rows by hand: {orphans[0].removal}"
    return Finding("references", False, f"rows were deleted by hand: {'; '.join(parts)}", fix)
