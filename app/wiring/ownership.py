"""Which files are trusted: settings that another user may have written are refused, and secrets must be readable by one
user only."""

from __future__ import annotations

import grp
import logging
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.wiring.settings import Settings
from campaigns.errors import UsageError
from providers.settings import AccountSettings, Secret

if TYPE_CHECKING:
    from providers.notify.settings import NotifySettings

logger = logging.getLogger(__name__)


def refuse_files_of_others(path: Path) -> None:
    """Raise UsageError if a user other than this one and root may have written or can replace these settings: they
    decide where the keys are sent."""
    file = path.resolve()
    for place in (file, file.parent):
        found = place.stat()
        if found.st_uid not in (0, os.geteuid()):
            raise _untrusted(path, f"{place} belongs to {_name(found.st_uid)}", f"sudo chown $USER {place}")
        if _is_written_by_others(found):
            raise _untrusted(path, f"others may write to {place}", f"chmod go-w {place}")


def _untrusted(path: Path, why: str, how: str) -> UsageError:
    return UsageError(
        f"{path} was found but is not used: {why}.",
        hint=f"If you trust it: drumbeat --config {path} …, or {how}",
    )


def _is_written_by_others(found: os.stat_result) -> bool:
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return False  # as in /tmp, users cannot replace each other's files
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_own_group(found.st_gid)


def _is_own_group(group_id: int) -> bool:
    """Whether only root and this user are in the group; many systems give each user a group."""
    user = _name(os.geteuid())
    try:
        group = grp.getgrgid(group_id)
    except KeyError:
        return False
    return group.gr_name == user and not set(group.gr_mem) - {user}


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def open_secrets(table: AccountSettings | NotifySettings) -> Iterator[Path]:
    """The files of the table's secrets that other users may read."""
    for name in type(table).model_fields:
        secret = getattr(table, name)
        if isinstance(secret, Secret) and (file := secret.file) is not None and _is_read_by_others(file):
            yield file


def _is_read_by_others(file: Path) -> bool:
    try:
        found = file.stat()
    except OSError:
        return False
    by_group = bool(found.st_mode & stat.S_IRGRP) and not _is_own_group(found.st_gid)
    return bool(found.st_mode & stat.S_IROTH) or by_group


def warn_of_open_secrets(settings: Settings) -> None:
    """Log the files of secrets that other users may read."""
    tables: list[AccountSettings | NotifySettings] = [*settings.accounts.values(), *settings.notify]
    for table in tables:
        for file in open_secrets(table):
            logger.warning(
                "Other users of this machine may read the secret %s; try chmod 600 %s",
                file,
                file,
                extra={"action": "secret_readable_by_others"},
            )
