"""Campaigns: created by a load, found by name; their state is changed by guarded updates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import NotFound
from campaigns.frozen import frozen
from campaigns.nearest import nearest
from campaigns.states import CampaignState
from storage.audience.audience import lock_campaign
from storage.database.engine import lock_names
from storage.runs.editions import edition_of
from storage.runs.side_runs import OF_TEST
from storage.tables.audience import campaigns, imports, rejects
from storage.tables.retention import purged_rejects
from storage.tables.runs import runs

if TYPE_CHECKING:
    from campaigns.message.content import MessageType
    from campaigns.spec.campaign_spec import CampaignSpec
    from campaigns.spec.schedule_spec import ScheduleSpec


@frozen
class Campaign:
    """A row of `campaigns`."""

    id: int
    name: str
    state: CampaignState
    reason: str | None
    spec_json: str
    start_at: datetime | None
    created_at: datetime
    purged_at: datetime | None = None
    """When its list was purged, or began to be."""
    recipients: int = 0
    """People of its list, those purged among them."""

    @cached_property
    def spec(self) -> CampaignSpec:
        """The campaign file; parsed when it is asked for, which most commands never do."""
        from campaigns.spec.campaign_spec import CampaignSpec

        return CampaignSpec.from_json(self.spec_json)

    # What short commands need of the file, without the models of a whole one, which take a tenth of their time.

    @cached_property
    def file(self) -> dict[str, Any]:
        """The campaign file as `CampaignSpec.to_json` stores it: without keys that are None."""
        found: dict[str, Any] = json.loads(self.spec_json)
        return found

    @property
    def lanes(self) -> tuple[str, ...]:
        """As `spec.lanes`."""
        return tuple(f"{self.file['provider']}/{sender}" for sender in self.file["senders"])

    @property
    def has_templates(self) -> bool:
        """As `spec.has_templates`."""
        contents = [variant["content"] for variant in self.file.get("variants", ())]
        return any("template" in content for content in contents or [self.file["content"]])

    @cached_property
    def schedule(self) -> ScheduleSpec:
        """As `spec.schedule`."""
        from campaigns.spec.schedule_spec import ScheduleSpec
        from campaigns.spec.stored import read_stored

        return read_stored(ScheduleSpec, self.file.get("schedule", {}))

    @property
    def types(self) -> tuple[MessageType, ...]:
        """As `spec.content.types`."""
        from campaigns.message.message_types import types_in

        return types_in(self.file["content"])


@frozen
class CampaignLine:
    """A campaign as `campaign list` shows it."""

    id: int
    name: str
    state: CampaignState
    reason: str | None
    category: str
    recipients: int
    rejected: int
    start_at: datetime | None
    created_at: datetime


@frozen
class ImportLine:
    """One file that was loaded into a campaign."""

    source: str
    """The file's name."""
    digest: str
    """SHA-256 of its bytes."""
    rows: int
    """Its rows: accepted and rejected."""
    accepted: int
    """Rows that became recipients."""
    rejected: int
    """Rows that did not."""
    duplicates: int
    """Those of the rejected whose number was there already."""
    created_at: datetime
    """When it was loaded."""


async def lock_name(connection: AsyncConnection, name: str) -> None:
    """Another process that would make a campaign of that name waits until this transaction ends."""
    await lock_names(connection, [f"campaign {name}"])


async def create(connection: AsyncConnection, spec: CampaignSpec, now: datetime) -> Campaign:
    """A new campaign in state draft. The caller has locked the name, and made sure that it is free."""
    row = await connection.execute(
        insert(campaigns)
        .values(
            name=spec.name,
            state=CampaignState.DRAFT,
            spec=spec.to_json(),
            category=spec.category,
            created_at=now,
            updated_at=now,
        )
        .returning(campaigns)
    )
    return _campaign(row.mappings().one())


async def paused_for(connection: AsyncConnection, reason: str) -> list[tuple[str, str]]:
    """Name and file, JSON, of the paused campaigns whose reason begins so."""
    found = select(campaigns.c.name, campaigns.c.spec).where(
        campaigns.c.state == CampaignState.PAUSED, campaigns.c.reason.startswith(reason, autoescape=True)
    )
    return [(row.name, row.spec) for row in await connection.execute(found)]


async def find(connection: AsyncConnection, name: str) -> Campaign | None:
    """The campaign of that name."""
    row = await connection.execute(select(campaigns).where(campaigns.c.name == name))
    found = row.mappings().one_or_none()
    return _campaign(found) if found else None


async def require(connection: AsyncConnection, name: str) -> Campaign:
    """The campaign of that name. Raises NotFound, naming the nearest one there is."""
    if found := await find(connection, name):
        return found
    names = (await connection.execute(select(campaigns.c.name))).scalars().all()
    guess = nearest(name, names)
    hint = f"Did you mean {guess}?" if guess else "drumbeat campaign list"
    raise NotFound(f"There is no campaign {name!r}.", hint=hint)


async def require_locked(connection: AsyncConnection, name: str) -> Campaign:
    """As `require`, locked, and as it is once others have released it."""
    campaign = await require(connection, name)
    await lock_campaign(connection, campaign.id)
    return await require(connection, name)


async def replace_spec(
    connection: AsyncConnection, campaign_id: int, spec: CampaignSpec, now: datetime
) -> None:
    """Store an edited campaign file."""
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id)
        .values(spec=spec.to_json(), category=spec.category, updated_at=now)
    )


async def discard_empty(connection: AsyncConnection, campaign_id: int) -> None:
    """Delete a draft into which nothing was ever loaded."""
    files = select(imports.c.id).where(imports.c.campaign_id == campaign_id)
    await connection.execute(
        delete(campaigns).where(
            campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.DRAFT, ~files.exists()
        )
    )


async def lists_of_campaigns(connection: AsyncConnection) -> list[Path]:
    """The lists that the campaigns were loaded from."""
    lists = (
        orjson.loads(spec)["audience"].get("csv")
        for spec in await connection.scalars(select(campaigns.c.spec))
    )
    return [Path(csv) for csv in lists if csv]


def is_only_tested() -> ColumnElement[bool]:
    """Whether nothing of a campaign is stored but what a test of its draft needed: it is listed with the drafts."""
    its = imports.c.campaign_id == campaigns.c.id
    return and_(
        campaigns.c.state == CampaignState.DRAFT,
        exists().where(its, imports.c.source == OF_TEST),
        ~exists().where(its, imports.c.edition == campaigns.c.edition),
    )


async def loaded_campaigns(connection: AsyncConnection, names: Sequence[str]) -> dict[str, CampaignState]:
    """The states of those of these that are campaigns, and more than tested drafts."""
    query = select(campaigns.c.name, campaigns.c.state).where(campaigns.c.name.in_(names), ~is_only_tested())
    return {row.name: CampaignState(row.state) for row in await connection.execute(query)}


async def list_campaigns(connection: AsyncConnection) -> list[CampaignLine]:
    """Every campaign, the newest first; drafts that were only tested are none yet."""
    rows = await connection.execute(
        select(
            campaigns.c.id,
            campaigns.c.name,
            campaigns.c.state,
            campaigns.c.reason,
            campaigns.c.category,
            campaigns.c.recipients,
            (_count_of(rejects, rejects.c.import_id.in_(_newest_imports())) + _purged_rejects()).label(
                "rejected"
            ),
            campaigns.c.start_at,
            campaigns.c.created_at,
        )
        .where(~is_only_tested())
        .order_by(campaigns.c.created_at.desc(), campaigns.c.id.desc())
    )
    return [CampaignLine(**{**row, "state": CampaignState(row["state"])}) for row in rows.mappings()]


async def list_imports(connection: AsyncConnection, campaign_id: int) -> Sequence[ImportLine]:
    """The files that a campaign's audience came from, the oldest first."""
    rows = await connection.execute(
        select(
            imports.c.source,
            imports.c.digest,
            imports.c.rows,
            imports.c.accepted,
            imports.c.rejected,
            imports.c.duplicates,
            imports.c.created_at,
        )
        .where(imports.c.campaign_id == campaign_id, imports.c.edition == edition_of(campaign_id))
        .order_by(imports.c.id)
    )
    return [ImportLine(**row) for row in rows.mappings()]


async def was_launched(connection: AsyncConnection, campaign_id: int) -> bool:
    """Whether the campaign was ever launched; tests do not count."""
    real = runs.c.kind != "test"
    found = await connection.execute(
        select(runs.c.id).where(runs.c.campaign_id == campaign_id, real).limit(1)
    )
    return found.first() is not None


def _count_of(table: Any, *only: Any) -> Any:
    mine = table.c.campaign_id == campaigns.c.id
    return select(func.count()).select_from(table).where(mine, *only).scalar_subquery()


def _newest_imports() -> Any:
    newest = (imports.c.campaign_id == campaigns.c.id, imports.c.edition == campaigns.c.edition)
    return select(imports.c.id).where(*newest).correlate(campaigns)


def _purged_rejects() -> ColumnElement[int]:
    gone = cast(func.coalesce(func.sum(purged_rejects.c.rows), 0), BigInteger)
    return select(gone).where(purged_rejects.c.campaign_id == campaigns.c.id).scalar_subquery()


def _campaign(row: RowMapping) -> Campaign:
    return Campaign(
        id=row["id"],
        name=row["name"],
        state=CampaignState(row["state"]),
        reason=row["reason"],
        spec_json=row["spec"],
        start_at=row["start_at"],
        created_at=row["created_at"],
        purged_at=row["purged_at"],
        recipients=row["recipients"],
    )
