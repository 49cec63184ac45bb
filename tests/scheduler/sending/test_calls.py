"""How many calls to an account are under way at once, and how many of them one of its senders may have."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from scheduler.sending.lanes import CALLS, Account, open_account
from tests.support.campaigns import account as ourvoice


def opened(tmp_path: Path, senders: int) -> Account:
    session = "a3f1b2c4-1234-4abc-9def-000011112222"
    named = [{"name": f"s{number}", "session_id": session} for number in range(senders)]
    return open_account("ourvoice", ourvoice("http://nowhere", tmp_path / "key", session, senders=named))


async def begin_all_it_may(account: Account, stack: AsyncExitStack) -> int:
    """What a lane begins where none of its calls ends; how many."""
    count = 0
    while count < account.calls_per_lane:
        await stack.enter_async_context(account.call())
        count += 1
    return count


async def test_of_a_thousand_senders_the_one_that_is_at_work_has_what_it_needs(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        assert await begin_all_it_may(opened(tmp_path, 1000), stack) == CALLS / 2


async def test_lanes_whose_calls_hang_leave_some_to_one_that_comes(tmp_path: Path) -> None:
    account = opened(tmp_path, 1000)
    async with AsyncExitStack() as stack:
        taken = [await begin_all_it_may(account, stack) for _ in range(5)]
        assert account.under_way == sum(taken) < CALLS
        assert account.calls_per_lane >= CALLS // 2**6
    assert account.under_way == 0


async def test_never_more_than_all_however_many_lanes_begin_one(tmp_path: Path) -> None:
    account, most, now = opened(tmp_path, 1000), 0, 0

    async def call() -> None:
        nonlocal most, now
        async with account.call():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(call() for _ in range(1000)))
    assert most == CALLS
