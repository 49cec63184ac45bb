"""Campaigns for the tests: stored straight into the database, with as many invented recipients as a test wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert, select

from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState
from providers.ourvoice.settings import OurVoiceAccount
from storage.database.engine import Engine, reading, writing
from storage.tables.audience import campaigns, imports, recipients
from storage.tables.runs import jobs

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def phone(number: int) -> str:
    """The invented recipient of that number: 0-999 in Britain's range for fiction, the others in France's."""
    return f"+447700{900_000 + number}" if number < 1000 else f"+336399{80_000 + number - 1000:05d}"


def spec(name: str = "spring", **tables: Any) -> CampaignSpec:
    """A campaign through the account `ourvoice` and its sender `shop`, without a pace by default."""
    values: dict[str, Any] = {
        "name": name,
        "provider": "ourvoice",
        "senders": ["shop"],
        "content": {"text": "Hi {{ first_name }}"},
        "pace": {"delay_between": 0},
        **tables,
    }
    return CampaignSpec.model_validate(values)


def account(base_url: str, key_file: Path, session_id: str, **values: Any) -> OurVoiceAccount:
    """An Our Voice account with the sender `shop`, its key in `key_file`."""
    key_file.write_text("test-key")
    return OurVoiceAccount.model_validate(
        {
            "adapter": "ourvoice",
            "base_url": base_url,
            "api_key": f"file:{key_file}",
            "currency": "XOF",
            "timeout": "2s",
            "settle_after": "1s",
            "senders": [{"name": "shop", "session_id": session_id, "number": "+2290197000000"}],
            **values,
        }
    )


async def store_campaign(
    engine: Engine,
    wanted: CampaignSpec,
    size: int,
    *,
    start_at: datetime | None = EPOCH,
    vars: Mapping[str, str] | None = None,
) -> int:
    """Store the campaign with recipients 0 to `size` - 1, scheduled for `start_at`; its id."""
    people = [
        {
            "line": number + 2,
            "phone": phone(number),
            "region": "GB" if number < 1000 else "FR",
            "bucket": number % 10_000,
            "vars": orjson.dumps(vars or {"first_name": f"Ada {number}"}).decode(),
        }
        for number in range(size)
    ]
    return await _store(engine, wanted, people, start_at)


async def store_people(
    engine: Engine, wanted: CampaignSpec, phones: Sequence[str], *, rotate: int, start_at: datetime
) -> int:
    """Store the campaign with these people; `rotate` moves each to another of its lanes. Its id."""
    people = [
        {
            "line": place + 2,
            "phone": phone,
            "region": None,
            "bucket": place + rotate,
            "vars": '{"first_name": "Ada"}',
        }
        for place, phone in enumerate(phones)
    ]
    return await _store(engine, wanted, people, start_at)


async def _store(
    engine: Engine, wanted: CampaignSpec, people: Sequence[dict[str, Any]], start_at: datetime | None
) -> int:
    state = CampaignState.SCHEDULED if start_at else CampaignState.DRAFT
    async with writing(engine) as connection:
        campaign_id = await connection.scalar(
            insert(campaigns)
            .values(
                name=wanted.name,
                state=state,
                spec=wanted.to_json(),
                category=wanted.category,
                start_at=start_at,
                created_at=EPOCH,
                updated_at=EPOCH,
                recipients=len(people),
            )
            .returning(campaigns.c.id)
        )
        assert campaign_id is not None
        import_id = await connection.scalar(
            insert(imports)
            .values(
                campaign_id=campaign_id,
                source="list.csv",
                digest=wanted.name,
                rows=len(people),
                accepted=len(people),
                rejected=0,
                duplicates=0,
                detected="{}",
                created_at=EPOCH,
            )
            .returning(imports.c.id)
        )
        if people:
            rows = [{"campaign_id": campaign_id, "import_id": import_id, **person} for person in people]
            await connection.execute(insert(recipients), rows)
    return int(campaign_id)


async def job_rows(engine: Engine) -> list[Any]:
    """Every job, in the order of its making."""
    async with reading(engine) as connection:
        return list(await connection.execute(select(jobs).order_by(jobs.c.id)))


def later(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)
