"""The world in which every operation has something to do: made once, and copied for each test that changes it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage.database.engine import open_engine
from tests.support.once import made_once
from tests.web.api.world import World, fill, settings_in, without_network


@pytest.fixture(scope="session")
def filled_folder(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A project with a filled database."""

    def make(folder: Path) -> None:
        shutil.copyfile(sqlite_template, folder / "drumbeat.db")
        asyncio.run(_fill(folder))

    return made_once(tmp_path_factory, "api-world", make)


async def _fill(folder: Path) -> None:
    engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
    await fill(engine, folder)
    await engine.dispose()


@pytest.fixture
async def new_world(
    filled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], World]]:
    """Makes worlds that are all alike."""
    made: list[World] = []

    def copy() -> World:
        folder = tmp_path / f"world-{len(made)}"
        shutil.copytree(filled_folder, folder)
        url = f"sqlite:///{folder / 'drumbeat.db'}"
        made.append(World(open_engine(url), settings_in(folder, url)))
        without_network(monkeypatch, made[-1].created)
        return made[-1]

    yield copy
    for world in made:
        await world.engine.dispose()


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()
