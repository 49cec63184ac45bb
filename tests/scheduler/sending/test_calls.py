"""How many calls to an account are under way at once, and how many of them one of its senders may have."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.sending.lanes import CALLS, Account, open_account
from tests.support.campaigns import account as ourvoice


def opened(tmp_path: Path, senders: int) -> Account:
    session = "a3f1b2c4-1234-4abc-9def-000011112222"
    named = [{"name": f"s{number}", "session_id": session} for number in range(senders)]
    return open_account("ourvoice", ourvoice("http://nowhere", tmp_path / "key", session, senders=named))


async def begin_all_it_may(account: Account) -> int:
    """What a lane begins where none of its calls ends; how many."""
    count = 0
    while count < account.calls_per_lane:
        await account.begin_call()
        count += 1
    return count


async def test_of_a_thousand_senders_the_one_that_is_at_work_has_what_it_needs(tmp_path: Path) -> None:
    assert await begin_all_it_may(opened(tmp_path, 1000)) == CALLS / 2


async def test_lanes_whose_calls_hang_leave_some_to_one_that_comes(tmp_path: Path) -> None:
    account = opened(tmp_path, 1000)
    taken = [await begin_all_it_may(account) for _ in range(5)]
    assert account.under_way == sum(taken) < CALLS
    assert account.calls_per_lane >= CALLS // 2**6
    for _ in range(sum(taken)):
        account.end_call()
    assert account.under_way == 0


async def test_never_more_than_all_however_many_lanes_begin_one(tmp_path: Path) -> None:
    account, most, now = opened(tmp_path, 1000), 0, 0

    async def call() -> None:
        nonlocal most, now
        await account.begin_call()
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        account.end_call()

    await asyncio.gather(*(call() for _ in range(1000)))
    assert most == CALLS
    assert account.under_way == 0


async def test_calls_that_wait_for_a_place_get_one_in_their_order_and_a_cancelled_one_takes_none(
    tmp_path: Path,
) -> None:
    account, begun = opened(tmp_path, 1000), list[int]()
    for _ in range(CALLS):
        await account.begin_call()

    async def call(number: int) -> None:
        await account.begin_call()
        begun.append(number)

    waiting = [asyncio.create_task(call(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert not begun
    waiting[0].cancel()  # while it waits
    account.end_call()
    waiting[1].cancel()  # when it has been given a place
    await asyncio.gather(*waiting[:3], return_exceptions=True)
    assert (begun, account.under_way) == ([2], CALLS)
    account.end_call()
    await waiting[3]
    assert (begun, account.under_way) == ([2, 3], CALLS)
