"""Who did what, when, and what came of it. Rows are only added: one before an act, one after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables.access import audit, audit_outcomes
from storage.tables.audience import campaigns

Facts = Mapping[str, Any]


@frozen
class AuditRow:
    """One act. `outcome` None: it is under way, or was interrupted, and may have been done."""

    id: int
    at: datetime
    actor: str
    role: str
    via: str
    act: str
    subject: str | None
    given: Facts
    before: Facts | None
    outcome: str | None
    reason: str | None
    after: Facts | None

    @property
    def changes(self) -> list[tuple[str, Any, Any]]:
        """What differs between before and after: name, before, after."""
        before, after = self.before or {}, self.after or {}
        return [
            (name, before.get(name), after.get(name))
            for name in dict.fromkeys((*before, *after))
            if before.get(name) != after.get(name)
        ]


async def add_act(
    connection: AsyncConnection,
    at: datetime,
    actor: tuple[str, str, str],
    act: str,
    subject: str | None,
    given: Facts,
    before: Facts | None,
) -> int:
    """Store that it is about to be done; returns its number. `actor`: name, role, by which door."""
    name, role, via = actor
    values = {
        "at": at,
        "actor": name,
        "role": role,
        "via": via,
        "act": act,
        "subject": subject,
        "given": _json(given),
        "before": None if before is None else _json(before),
    }
    added = await connection.execute(insert(audit).values(values).returning(audit.c.id))
    return int(added.scalar_one())


async def add_outcome(
    connection: AsyncConnection,
    number: int,
    at: datetime,
    outcome: str,
    reason: str | None,
    after: Facts | None,
) -> None:
    values = {"audit_id": number, "at": at, "outcome": outcome, "reason": reason}
    await connection.execute(
        insert(audit_outcomes).values(**values, after=None if after is None else _json(after))
    )


async def list_acts(
    connection: AsyncConnection,
    limit: int,
    *,
    before: int | None = None,
    subject: str | None = None,
    actor: str | None = None,
) -> Sequence[AuditRow]:
    """The newest acts first; `before`: only those with a smaller number."""
    o = audit_outcomes.c
    query = (
        select(audit, o.outcome, o.reason, o.after)
        .outerjoin(audit_outcomes, o.audit_id == audit.c.id)
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(audit.c.id < before)
    if subject:
        query = query.where(audit.c.subject == subject)
    if actor:
        query = query.where(audit.c.actor == actor)
    return [_row(row) for row in await connection.execute(query)]


async def who_did(
    connection: AsyncConnection, acts: Sequence[str], subjects: Sequence[str]
) -> dict[str, str]:
    """Who has done one of these acts last, by what it was about."""
    newest = (
        select(func.max(audit.c.id))
        .join(audit_outcomes, audit_outcomes.c.audit_id == audit.c.id)
        .where(audit.c.subject.in_(subjects), audit.c.act.in_(acts), audit_outcomes.c.outcome == "done")
        .group_by(audit.c.subject)
    )
    found = select(audit.c.subject, audit.c.actor).where(audit.c.id.in_(newest))
    return dict((await connection.execute(found)).all())


def _row(row: Any) -> AuditRow:
    return AuditRow(
        row.id,
        row.at,
        row.actor,
        row.role,
        row.via,
        row.act,
        row.subject,
        orjson.loads(row.given),
        orjson.loads(row.before) if row.before else None,
        row.outcome,
        row.reason,
        orjson.loads(row.after) if row.after else None,
    )


async def campaign_facts(connection: AsyncConnection, name: str) -> Facts | None:
    """What acts change about a campaign; None: there is none of that name."""
    c = campaigns.c
    query = select(c.state, c.reason, c.start_at, c.approved_by, c.edition).where(c.name == name)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    facts = {
        "state": row.state,
        "reason": row.reason,
        "start_at": row.start_at,
        "approved_by": row.approved_by,
        "list": row.edition,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _json(facts: Facts) -> str:
    return orjson.dumps(facts).decode()
