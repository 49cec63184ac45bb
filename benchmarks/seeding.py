"""Databases to measure on: a campaign and its people, made by the database itself, so that a million take seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

import psutil
from sqlalchemy import insert, text

from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState
from providers.meta.settings import MetaAccount
from storage.database.engine import Engine, reading, writing
from storage.database.schema import upgrade
from storage.tables.audience import campaigns, imports

ACCOUNT: Final = "meta"
SENDER: Final = "shop"
LANE: Final = f"{ACCOUNT}/{SENDER}"
BEGUN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PEOPLE: Final = text(
    """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :size)
    INSERT INTO recipients (campaign_id, import_id, line, phone, region, bucket, vars)
    SELECT :campaign, :import, i + 2, '+44' || CAST(7100000000 + i AS TEXT), 'GB', i % 10000,
           '{"first_name":"Ada","code":"SPRING' || CAST(i AS TEXT) || '"}'
    FROM n
    """
)


def phone(number: int) -> str:
    return f"+44{7_100_000_000 + number}"


@contextmanager
def new_database() -> Iterator[str]:
    """The URL of a SQLite file that does not exist yet."""
    with TemporaryDirectory(prefix="drumbeat-bench-") as folder:
        yield f"sqlite:///{Path(folder, 'bench.db')}"


@contextmanager
def new_server() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL server that was started for it, as durable as it comes."""
    from tests.support.databases import fresh_database, own_server

    with own_server() as server, fresh_database(server.url) as url:
        yield url


DATABASES: Final = {"SQLite": new_database, "PostgreSQL": new_server}


async def database_seconds(engine: Engine) -> float:
    """Processor time that the database took so far: all processes of a PostgreSQL server; SQLite's is that of this
    process, with all else that it does."""
    if engine.dialect.name == "sqlite":
        return process_time()
    async with reading(engine) as connection:
        backend = psutil.Process((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
    postmaster = backend.parent()
    assert postmaster is not None
    every = [postmaster, *postmaster.children()]
    ended = postmaster.cpu_times()
    running = sum(times.user + times.system for times in (process.cpu_times() for process in every))
    return float(running + ended.children_user + ended.children_system)


def meta_account(port: int, folder: Path, *, names: Sequence[str] = (SENDER,), **values: Any) -> MetaAccount:
    """An account at the stub, with these senders."""
    key = folder / "api_key"
    key.write_text("the key of the benchmarks")
    senders = [
        {"name": name, "phone_number_id": f"10654035224292{number}", **values}
        for number, name in enumerate(names, 2)
    ]
    base_url = f"http://127.0.0.1:{port}/v24.0"
    return MetaAccount.model_validate(
        {"adapter": "meta", "base_url": base_url, "api_key": f"file:{key}", "senders": senders}
    )


def campaign(name: str = "bench", **tables: Any) -> CampaignSpec:
    """A marketing template with two variables, and one cap: what most campaigns are."""
    template = {"name": "spring", "language": "en", "parameters": ["{{ first_name }}", "{{ code }}"]}
    values: dict[str, Any] = {
        "name": name,
        "provider": ACCOUNT,
        "senders": [SENDER],
        "category": "marketing",
        "content": {"template": template},
        "caps": [{"max": 2, "per": "7d"}],
    }
    return CampaignSpec.model_validate({**values, **tables})


async def store(engine: Engine, wanted: CampaignSpec, size: int) -> None:
    """Migrate, and store the campaign with its people; it is due."""
    await upgrade(engine)
    head: Mapping[str, Any] = {
        "name": wanted.name,
        "state": CampaignState.SCHEDULED,
        "spec": wanted.to_json(),
    }
    async with writing(engine) as connection:
        added = insert(campaigns).values(
            **head,
            category=wanted.category,
            start_at=BEGUN,
            created_at=BEGUN,
            updated_at=BEGUN,
            recipients=size,
        )
        campaign_id = await connection.scalar(added.returning(campaigns.c.id))
        read = insert(imports).values(
            campaign_id=campaign_id, source="-", digest=wanted.name, rows=size, accepted=size, rejected=0,
            duplicates=0, detected="{}", created_at=BEGUN,
        )  # fmt: skip
        import_id = await connection.scalar(read.returning(imports.c.id))
        await connection.execute(_PEOPLE, {"size": size, "campaign": campaign_id, "import": import_id})
