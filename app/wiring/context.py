"""What a command gets from the options before it: the settings, and an open database. Imports little."""

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
    """The options that stand before the command."""

    debug: ClassVar[bool] = False

    def __init__(self, config: Path | None, database: str | None, log_format: Format = "text") -> None:
        self.config = config
        self.database_url = database
        self.log_format = log_format

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once. Those that are found, not named, must be this user's."""
        from app.wiring.logs import set_up_logs
        from app.wiring.ownership import refuse_strangers
        from app.wiring.settings import find_config, load_settings

        set_up_logs(verbose=self.debug, format=self.log_format)
        if self.config is None and (found := find_config(Path.cwd())) is not None:
            refuse_strangers(found)
        return load_settings(self.config, self.database_url)

    @asynccontextmanager
    async def database(self, *, create: bool = False) -> AsyncIterator[Engine]:
        """An engine on the database at the newest revision.

        With `create`, a SQLite file that is not there yet is made. Raises NotFound where it is not,
        UsageError where it has to be upgraded first, Unavailable where the server does not answer.
        """
        from app.wiring.databases import opened

        async with opened(self.settings, create=create) as engine:
            yield engine

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection for reading, on which everything is seen as at one moment. Raises as `database` does."""
        from app.wiring.databases import snapshot

        async with self.database() as engine, snapshot(engine) as connection:
            yield connection
