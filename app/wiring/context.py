"""The settings and the open database for a command. Imports little."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from app.wiring.logs import Format
    from app.wiring.settings import Settings
    from storage.database.engine import Connection, Engine


class Context:
    """The options given before the command."""

    debug: ClassVar[bool] = False

    def __init__(self, config: Path | None, database: str | None, log_format: Format = "text") -> None:
        self.config = config
        self.database_url = database
        self.log_format = log_format

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once. A file that was found, not given by --config, must belong to this user."""
        from app.wiring.logs import set_up_logs
        from app.wiring.ownership import refuse_files_of_others
        from app.wiring.settings import find_config, load_settings

        set_up_logs(verbose=self.debug, format=self.log_format)
        if self.config is None and (found := find_config(Path.cwd())) is not None:
            refuse_files_of_others(found)
        return load_settings(self.config, self.database_url)

    @asynccontextmanager
    async def database(self, *, create: bool = False) -> AsyncIterator[Engine]:
        """An engine on the database at the newest revision.

        With `create`, a missing SQLite file is created. Raises NotFound if it is missing otherwise,
        UsageError if it must be upgraded first, Unavailable if the server does not answer.
        """
        from app.wiring.databases import opened

        async with opened(self.settings, create=create) as engine:
            yield engine

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection for reading one consistent snapshot. Raises as `database` does."""
        from app.wiring.databases import snapshot

        async with self.database() as engine, snapshot(engine) as connection:
            yield connection
