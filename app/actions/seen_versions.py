"""A change that is made only to the campaign as somebody has seen it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from campaigns.errors import InvalidInput
from storage.audience.campaigns import lock_name
from storage.database.engine import Connection, Engine, ahead_of_changes
from storage.views.campaign_version import campaign_version


class ChangedMeanwhile(InvalidInput):
    """The campaign was changed after it was looked at; nothing was done."""


async def refuse_changed(connection: Connection, name: str, seen: Collection[str]) -> None:
    """Raise ChangedMeanwhile unless the campaign's version is one of these; NotFound without such a campaign."""
    if await campaign_version(connection, name) not in seen:
        raise ChangedMeanwhile(
            f"{name} was changed after you looked at it; nothing was done.",
            hint="Get it again, decide again, and send its new ETag.",
        )


@contextmanager
def only_as_seen(engine: Engine, name: str, seen: Collection[str]) -> Iterator[None]:
    """Within it, the first change is made only to the campaign as it was `seen`: this is looked at in the transaction
    of the change, which other people's acts on the campaign wait for. What follows may build on that change.

    That change raises ChangedMeanwhile, NotFound."""
    compared = False

    async def compare(connection: Connection) -> None:
        nonlocal compared
        if not compared:
            await lock_name(connection, name)
            await refuse_changed(connection, name, seen)
            compared = True

    with ahead_of_changes(engine, compare):
        yield
