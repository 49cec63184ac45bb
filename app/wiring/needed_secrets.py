"""What a command that serves or sends needs, and which of it is missing, such as secrets: found before it begins, all
at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.wiring.ownership import warn_of_open_secrets
from app.wiring.settings import FILE_NAME, Settings
from campaigns.errors import DrumbeatError, UsageError
from campaigns.frozen import frozen
from providers.registry import capabilities_of
from providers.settings import AccountSettings, Secret, reveal_key

logger = logging.getLogger(__name__)


@frozen
class MissingSecret:
    """A secret that cannot be used."""

    account: str
    key: str
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"providers.{self.account}.{self.key}: {self.problem}"


def require_secrets(settings: Settings, *, webhooks: bool = False) -> None:
    """Raise UsageError naming every secret that is missing, or where this is no project's folder; with `webhooks`,
    report those of webhooks in the log."""
    _refuse_empty_folder(settings)
    warn_of_open_secrets(settings)
    _refuse([one for name in settings.accounts for one in missing_keys(settings, name)])
    if webhooks:
        _report_webhook_secrets(settings)


def _refuse_empty_folder(settings: Settings) -> None:
    """Somebody who is in the wrong folder must not believe that all is sent."""
    database = settings.sqlite_file
    if settings.path is None and not settings.accounts and database is not None and not database.exists():
        raise UsageError(
            f"There is no {FILE_NAME} in {Path.cwd()} or in a folder above it, and no database.",
            hint="Change to the folder of your project, name its file with --config, or begin one: drumbeat init",
        )


def require_keys(settings: Settings, account: str) -> None:
    """Raise UsageError if sending through the account lacks a secret."""
    _refuse(list(missing_keys(settings, account)))


def missing_keys(settings: Settings, account: str) -> Iterator[MissingSecret]:
    """What sending through the account lacks."""
    yield from _missing(account, "api_key", settings.accounts[account].api_key)


def missing_webhook_secrets(settings: Settings, account: str) -> Iterator[MissingSecret]:
    """What receiving the account's webhooks lacks."""
    for key, secret in settings.accounts[account].webhook_secrets.items():
        yield from _missing(account, key, secret)


def receives_webhooks(account: AccountSettings) -> bool:
    """Whether its provider sends webhooks."""
    return capabilities_of(account.adapter).webhooks


def awaits_webhooks(account: AccountSettings) -> bool:
    """Whether its webhooks are set up here."""
    return receives_webhooks(account) and any(account.webhook_secrets.values())


def _report_webhook_secrets(settings: Settings) -> None:
    """Raises UsageError where no account can receive any, though some should."""
    receiving = [name for name, account in settings.accounts.items() if receives_webhooks(account)]
    missing = {name: list(missing_webhook_secrets(settings, name)) for name in receiving}
    if receiving and all(missing.values()):
        _refuse([one for found in missing.values() for one in found])
    for one in (one for found in missing.values() for one in found):
        logger.warning(
            "%s %s Until then its webhooks are answered with 503.",
            one,
            one.hint,
            extra={"action": "webhook_secret_missing", "account": one.account},
        )


def _missing(account: str, key: str, secret: Secret | None) -> Iterator[MissingSecret]:
    try:
        reveal_key(secret, key)
    except DrumbeatError as error:
        yield MissingSecret(account, key, str(error), error.hint)


def _refuse(missing: Sequence[MissingSecret]) -> None:
    if not missing:
        return
    if len(missing) == 1:
        raise UsageError(str(missing[0]), hint=missing[0].hint)
    problems = "\n".join(map(str, missing))
    hints = " ".join(dict.fromkeys(one.hint for one in missing))
    raise UsageError(f"{len(missing)} secrets are missing:\n{problems}", hint=hints)
