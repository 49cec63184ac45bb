"""A campaign's messages in doubt: what is known of each, and what can still be found out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from app.views.message.previews import preview_lines
from app.views.messages import ENDED
from app.views.people.people import name_of
from app.wiring.settings import Settings
from campaigns.frozen import frozen
from campaigns.message.content import read_content
from providers.registry import capabilities_of
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.views.doubtful import COUNTED, DoubtfulMessage, count_doubtful, doubtful_messages

PAGE: Final = 100


@frozen
class Doubt:
    """One message that may have arrived."""

    message: DoubtfulMessage
    name: str
    text: Sequence[str]
    """The message line by line as it was sent; empty: it is not kept."""
    meaning: str


@frozen
class Doubts:
    """A page of them."""

    campaign: Campaign
    found: Sequence[Doubt]
    count: int
    """Of the campaign in all; one more than COUNTED: more than that."""
    asks: bool
    """Whether the provider can be asked about them, which the runner does by itself."""
    asks_after: timedelta | None
    """How long after the call it is asked."""
    next: int | None
    """Where the next page begins; None: this is the last."""

    @property
    def all_counted(self) -> bool:
        return self.count <= COUNTED


async def doubts_page(
    connection: Connection, settings: Settings, name: str, *, after: int = 0, phone: str | None = None
) -> Doubts:
    """`after`: the `next` of the page before; `phone`: only those to it. Raises NotFound."""
    campaign = await require(connection, name)
    found = await doubtful_messages(connection, campaign.id, PAGE + 1, after, phone)
    count = await count_doubtful(connection, campaign.id) if phone is None else len(found)
    account = settings.accounts.get(campaign.spec.provider)
    able = None if account is None else capabilities_of(account.adapter)
    return Doubts(
        campaign,
        [_doubt(message) for message in found[:PAGE]],
        count,
        able is not None and (able.looks_up or able.idempotent),
        account.settle_after if account is not None else None,
        found[PAGE - 1].job_id if len(found) > PAGE else None,
    )


def _doubt(message: DoubtfulMessage) -> Doubt:
    text = preview_lines(read_content(message.content)) if message.content else []
    return Doubt(message, name_of(message.vars), text, ENDED.get(message.reason or "", ""))
