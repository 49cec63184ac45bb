"""Whoever takes a lane goes on where its owner left off."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from scheduler.sending.shift import Shift
from storage.database.engine import writing
from storage.sending.lanes import note_sends, take_lane
from tests.scheduler.engines.conftest import Bench


@pytest.mark.parametrize("kind", ["embedded-postgresql"])
async def test_sends_of_the_owner_until_it_lets_go_count_for_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = bench.lanes["ourvoice/shop"]

    async def take_late(*arguments: Any, **options: Any) -> int | None:
        async with writing(bench.engine) as connection:  # the owner's last slice, just before it lets go
            await note_sends(connection, lane.name, lane.now())
        return await take_lane(*arguments, **options)

    monkeypatch.setattr("scheduler.sending.lease.take_lane", take_late)
    shift = Shift(bench.engine, lane, "next", asyncio.Event(), no_other_runner=False, jitter=random.Random())
    assert await shift._take()
    assert shift.idle < timedelta(minutes=1).total_seconds()
