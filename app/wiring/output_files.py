"""Where a command may write: never over the project's own files, only over plain files, and over an existing file only
on request."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.wiring.settings import Settings
from campaigns.atomic_files import whole_file
from campaigns.errors import UsageError
from providers.settings import Secret
from storage.audience.campaigns import lists_of_campaigns
from storage.database.engine import Connection

BESIDE_A_DATABASE: Final = ("", "-wal", "-shm", "-journal", ".lock")
"""The suffixes of the database's files."""
HAVE_FORCE: Final = ("--output", "the backup")
"""What has the flag --force beside it."""
_SQLITE: Final = b"SQLite format 3\0"


def output_place(
    path: Path, needed: Iterable[Path], *, option: str, force: bool = False, over_database: bool = False
) -> Path:
    """The resolved path. Raises UsageError if nothing may be written there; `needed` are the project's files, and
    any other database is spared too, but for `over_database`."""
    try:
        place = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be resolved: {error}.", hint=f"Give {option} another name."
        ) from error
    if not place.parent.is_dir():
        raise UsageError(f"There is no folder {place.parent}.", hint=f"mkdir -p {place.parent}")
    spared = not over_database and _is_campaign_or_database(place)
    if spared or any(_is_same(place, other) for other in needed):
        raise UsageError(
            f"{path} belongs to the project and is not overwritten.", hint=f"Give {option} another name."
        )
    if not path.exists():
        return place
    if not place.is_file():
        raise UsageError(
            f"{path} is not a plain file; only plain files are written.", hint=f"Give {option} another name."
        )
    if not force:
        instead = ", or replace it with --force" if option in HAVE_FORCE else ""
        raise UsageError(f"{path} already exists.", hint=f"Give {option} another name{instead}.")
    return place


async def report_place(connection: Connection, settings: Settings, path: Path, *, force: bool) -> Path:
    """Where a report may be written; the lists of loaded campaigns are protected too. Raises UsageError."""
    needed = [*needed_files(settings), *await lists_of_campaigns(connection)]
    return output_place(path, needed, option="--output", force=force)


def needed_files(settings: Settings) -> Iterator[Path]:
    """The settings, the secrets, the database with what is beside it, and the campaigns here with their lists, whether
    they exist yet or not."""
    if settings.path is not None:
        yield settings.path
    if settings.sqlite_file is not None:
        yield from (Path(f"{settings.sqlite_file}{end}") for end in BESIDE_A_DATABASE)
    for table in (*settings.accounts.values(), *settings.notify):
        for _, value in table:
            if isinstance(value, Secret) and value.place.startswith("file:"):
                yield Path(value.place.removeprefix("file:")).expanduser()
    for folder in {Path.cwd(), *([settings.path.parent] if settings.path else [])}:
        for file in folder.glob("*.toml"):
            yield file
            yield from _list_of(file)


def write_port_file(path: Path, port: int) -> None:
    """Write the port; overwrites only an older port file."""
    is_ours = path.is_file() and path.stat().st_size <= len("65535") and path.read_bytes().isdigit()
    with whole_file(output_place(path, (), option="--port-file", force=is_ours), replace=True) as file:
        file.write(str(port))


def _list_of(file: Path) -> Iterator[Path]:
    """The list that a campaign file names; nothing for any other file."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        yield file.parent / tomllib.loads(file.read_text(encoding="utf-8-sig"))["audience"]["csv"]


def _is_same(place: Path, other: Path) -> bool:
    """Whether both are the same file under any name; for missing files the comparison ignores case."""
    with suppress(OSError, RuntimeError):
        return str(place).casefold() == str(other.resolve()).casefold() or place.samefile(other)
    return False


def _is_campaign_or_database(place: Path) -> bool:
    if not place.is_file():
        return False
    with suppress(OSError), place.open("rb") as file:
        return place.suffix.lower() == ".toml" or file.read(len(_SQLITE)) == _SQLITE
    return True
