"""Who wrote back after a message: what counts as a reply to it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, func

from storage.tables.contacts import inbound, optouts
from storage.tables.runs import jobs


def is_reply() -> ColumnElement[bool]:
    """The inbound message answers the job's: written to the account by its person after it was sent. The reply that
    opted them out does not count."""
    opted_out = exists().where(
        optouts.c.phone == inbound.c.phone, optouts.c.action == "out", optouts.c.at == inbound.c.at
    )
    account = inbound.c.account.concat("/")
    return and_(
        inbound.c.phone == jobs.c.phone,
        inbound.c.at > func.coalesce(jobs.c.sent_at, jobs.c.accepted_at),
        func.substr(jobs.c.lane, 1, func.length(account)) == account,
        ~opted_out,
    )
