"""Names to complete in a shell: of campaigns, their runs, and accounts. Quick, and empty where anything is wrong: it
loads no settings and no database layer."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from storage.database.names import select_names

FILE_NAME: Final = "drumbeat.toml"


def campaign_names(config: Path | None, database: str | None) -> Sequence[str]:
    """The campaigns, the newest first."""
    return select_names(_database_url(config, database), "campaigns")


def run_numbers(name: str, config: Path | None, database: str | None) -> Sequence[str]:
    """The numbers of the campaign's runs, the newest first."""
    return select_names(_database_url(config, database), "runs", name)


def account_names(config: Path | None) -> Sequence[str]:
    """The accounts of the settings, in their order."""
    accounts = _settings(_file(config)).get("providers")
    return list(accounts) if isinstance(accounts, dict) else []


def _file(config: Path | None) -> Path:
    here = Path.cwd()
    places = [folder / FILE_NAME for folder in (here, *here.parents)]
    return config or next((path for path in places if path.is_file()), here / FILE_NAME)


def _settings(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}


def _database_url(config: Path | None, database: str | None) -> str:
    """As the settings resolve it: a path in the file is beside the file."""
    file = _file(config)
    given = database or os.environ.get("DRUMBEAT_DATABASE__URL")
    table = _settings(file).get("database")
    written = table.get("url") if isinstance(table, dict) else None
    url = given or (
        written if isinstance(written, str) else f"sqlite:///{file.with_name('drumbeat.db').name}"
    )
    kind, separator, place = url.partition(":///")
    if kind != "sqlite":
        return url
    return f"{kind}{separator}{((Path.cwd() if given else file.parent) / place).absolute()}"
