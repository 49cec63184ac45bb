"""Fixtures that every suite shares: both databases, at the newest revision; and how hard hypothesis tries."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine as SyncEngine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import LRUCache

from storage.database.changes import Changes, noticing_changes
from storage.database.engine import open_engine
from tests.support.databases import Pool, end_server, fresh_database, migrate_file, new_place, shared_server
from tests.support.once import made_once
from tests.support.paths import ROOT, quick_folder

for profile, examples in {"quick": 10, "suite": 15, "all": 60, "soak": 2000}.items():
    settings.register_profile(profile, max_examples=examples, deadline=None)
settings.load_profile("suite")
ON_BOTH = (
    "tests/storage",
    "tests/scheduler/engines",
    "tests/acceptance/test_alone.py",
    "tests/acceptance/test_budget.py::test_a_run_stops_at_its_budget_over_all_its_lanes",
    "tests/acceptance/test_budget.py::test_a_budget_lowered_while_it_sends_holds",
    "tests/acceptance/test_budget.py::test_the_providers_report_settles_the_reservation",
    "tests/acceptance/test_budget.py::test_a_tier_is_shared_by_the_accounts_lanes",
    "tests/acceptance/test_caps.py::test_nobody_is_above_the_cap_and_everyone_gets_what_it_allows",
    "tests/acceptance/test_fencing.py",
)
"""Where `make test` runs what takes a database on SQLite and on PostgreSQL: storage, whose subject the database is, and
promises that rest on its locks. Elsewhere the repetition on PostgreSQL is a `twin`, for `make test-all` alone."""

SERVER = "TESTS_SERVER_PLACE"
"""The folder of the PostgreSQL server of this session."""

if folder := quick_folder():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)
os.environ["TZ"] = "UTC"
time.tzset()
gc.set_threshold(20_000)
sys.modules.setdefault("sniffio", None)
"""It is not installed, and httpx looks for it in every folder of the path at each request to an app."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[SERVER] = str(new_place())


def pytest_unconfigure(config: pytest.Config) -> None:
    """When all workers have ended."""
    if not hasattr(config, "workerinput"):
        end_server(Path(os.environ[SERVER]))


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of a run, see `terminal.running`: it takes a sixth less of the processor than asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


def pytest_itemcollected(item: pytest.Item) -> None:
    if _is_twin(item):
        item.add_marker("twin")


def _is_twin(item: pytest.Item) -> bool:
    """Whether the same test runs on SQLite, and its subject is not the database."""
    given = getattr(item, "callspec", None)
    taken = {"database_url", "empty_database_url"} & set(given.params if given else ())
    return any(given.params[name] == "postgresql" for name in taken) and not item.nodeid.startswith(ON_BOTH)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker begins with its share of the long tests, so that none of them is left to the end."""
    for item in items:
        if item.get_closest_marker("alone") and "acceptance" not in item.path.parts:
            raise pytest.UsageError(
                f"{item.nodeid} is not in tests/acceptance: `make test` would not run it."
            )
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    rest = iter(_mixed([item for item in items if item not in set(long)]))
    share = -(-len(items) // workers)
    parts = [long[number::workers] for number in range(workers)]
    items[:] = [item for part in parts for item in (*part, *islice(rest, share - len(part)))]


def _mixed(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The files of tests/acceptance, whose tests wait as much as they work, evenly among those that only work: at any
    time some workers wait and the others have the processors."""
    files = [list(file) for _, file in groupby(items, lambda item: item.path)]
    placed: list[tuple[float, list[pytest.Item]]] = []
    for is_waiting in (True, False):
        kind = [file for file in files if ("acceptance" in file[0].path.parts) is is_waiting]
        before = [0, *accumulate(map(len, kind))]
        placed += [((at + len(file) / 2) / before[-1], file) for at, file in zip(before, kind, strict=False)]
    return [item for _, file in sorted(placed, key=lambda each: each[0]) for item in file]


def pytest_collection_finish() -> None:
    """Six thousand tests stay to the end: to look for garbage in them again and again takes a tenth of the time."""
    gc.freeze()


FEW_VALUES = 250
"""As many as a statement may bring to SQLite in the tests: what grows with the rows must not be values. Builds of the
library take 999, 32,766 or 250,000."""


@pytest.fixture(scope="session", autouse=True)
def few_values() -> Iterator[None]:
    """Every SQLite connection that this process opens is as narrow."""
    connect = sqlite3.connect

    def narrow(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, FEW_VALUES)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        for module in (sqlite3, sqlite3.dbapi2):
            patch.setattr(module, "connect", narrow)
        yield


@pytest.fixture(scope="session", autouse=True)
def clean_root() -> Iterator[None]:
    """What a test writes, it writes into a folder of its own, not into the project's; tools' own folders aside."""
    before = set(os.listdir(ROOT))
    yield
    left = sorted(
        name for name in set(os.listdir(ROOT)) - before if not name.startswith((".", "__pycache__"))
    )
    assert not left, f"a test has written into the project's folder: {', '.join(left)}"


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """A statement is compiled once for all engines of a dialect: each test opens an engine of its own, which would
    begin with an empty cache."""
    caches: defaultdict[type[object], LRUCache[Any, Any]] = defaultdict(lambda: LRUCache(2000))
    shared = property(lambda engine: caches[type(engine.dialect)], lambda engine, _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyncEngine, "_compiled_cache", shared, raising=False)
        patch.setattr(DefaultDialect, "__eq__", lambda one, other: type(one) is type(other))
        patch.setattr(DefaultDialect, "__hash__", lambda one: hash(type(one)))
        yield


@pytest.fixture(scope="session")
def postgres() -> str:
    """The URL of the maintenance database of the session's server."""
    return shared_server(Path(os.environ[SERVER]))


@pytest.fixture(scope="session")
def postgres_pool(postgres: str) -> Iterator[Pool]:
    pool = Pool(postgres)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        migrate_file(folder / "drumbeat.db")

    return made_once(tmp_path_factory, "template", make) / "drumbeat.db"


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A migrated SQLite database."""
    return f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / 'drumbeat.db')}"


@pytest.fixture
def postgres_url(postgres_pool: Pool) -> Iterator[str]:
    """A migrated PostgreSQL database."""
    with postgres_pool.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database, once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """One without tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with fresh_database(request.getfixturevalue("postgres")) as url:
        yield url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a migrated database, once on SQLite and once on PostgreSQL."""
    engine = open_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def changes(engine: AsyncEngine) -> AsyncIterator[Changes]:
    """Notices what is committed on the same database."""
    async with noticing_changes(engine) as changes:
        yield changes


@pytest.fixture
async def sqlite_engine(sqlite_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a migrated SQLite database, where the suite does not need both."""
    engine = open_engine(sqlite_url)
    yield engine
    await engine.dispose()
