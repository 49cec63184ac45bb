"""Every limit holds over every window, the tightest wins, a stall is not made up for, and no room is wasted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.time.pace import Rate
from scheduler.sending.buckets import gap_bucket, rate_bucket
from scheduler.sending.pacing import Pacer
from tests.support.cases import each
from tests.support.examples import share
from tests.support.timeline import Timeline, run_on_timeline

SECOND = timedelta(seconds=1)
NEVER_SENT = float("inf")
TOLERANCE = 1e-6


def most_in_a_window(times: list[float], length: float) -> int:
    """The most entries in any half-open window of `length` seconds."""
    most, first = 0, 0
    for last, moment in enumerate(times):
        while times[first] <= moment - length + TOLERANCE:
            first += 1
        most = max(most, last - first + 1)
    return most


def smallest_gap(times: list[float]) -> float:
    return min((b - a for a, b in pairwise(times)), default=float("inf"))


async def send(pacer: Pacer, run_id: int, count: int, stalls: dict[int, float] | None = None) -> list[float]:
    """The times at which `count` sends of a run get their turn; `stalls` holds the sender up before some."""
    loop = asyncio.get_running_loop()
    times = []
    for number in range(count):
        if stalls and number in stalls:
            await asyncio.sleep(stalls[number])
        await pacer.turn(run_id)
        times.append(loop.time())
    return times


@asynccontextmanager
async def leaving(pacer: Pacer, run_id: int, recipients: int = 1) -> AsyncIterator[None]:
    """While a request is written."""
    gate = pacer.gate(run_id, recipients)
    assert await gate.open()
    yield
    if gate.counts:
        gate.passed()


async def send_on_ways(
    pacer: Pacer, run_id: int, ways: list[float], stalls: dict[int, float] | None = None
) -> list[float]:
    """When calls leave that are on their way for so long after their turns, such as for a connection; `stalls` holds
    the process up while some are written."""
    loop, times = asyncio.get_running_loop(), list[float]()
    assert isinstance(loop, Timeline)

    async def call(number: int, way: float) -> None:
        await asyncio.sleep(way)
        async with leaving(pacer, run_id):
            loop.stall(stalls.get(number, 0.0) if stalls else 0.0)
            times.append(loop.time())

    calls = []
    for number, way in enumerate(ways):
        await pacer.turn(run_id)
        calls.append(asyncio.create_task(call(number, way)))
    await asyncio.gather(*calls)
    return times


stalls_of = st.dictionaries(st.integers(0, 200), st.floats(0, 10), max_size=5)


@share(0.4)
@given(per_second=st.integers(1, 1000), stalls=stalls_of)
def test_a_rate_holds_over_every_second(per_second: int, stalls: dict[int, float]) -> None:
    async def main() -> list[float]:
        return await send(Pacer([rate_bucket(Rate(per_second, SECOND))]), 1, 300, stalls)

    assert most_in_a_window(run_on_timeline(main()), 1.0) <= per_second


@share(0.4)
@given(count=st.integers(1, 1000), per=st.sampled_from([60, 3600]), stalls=stalls_of)
def test_a_rate_per_minute_or_hour_holds_over_every_such_window(
    count: int, per: int, stalls: dict[int, float]
) -> None:
    async def main() -> list[float]:
        return await send(Pacer([rate_bucket(Rate(count, timedelta(seconds=per)))]), 1, 300, stalls)

    assert most_in_a_window(run_on_timeline(main()), per) <= count


@share(0.4)
@given(gap=st.integers(1, 5000), stalls=stalls_of)
def test_a_gap_holds_between_any_two_sends_and_a_stall_is_not_made_up_for(
    gap: int, stalls: dict[int, float]
) -> None:
    async def main() -> list[float]:
        pacer = Pacer([])
        pacer.admit(1, timedelta(milliseconds=gap), None, NEVER_SENT)
        return await send(pacer, 1, 210, stalls)

    assert smallest_gap(run_on_timeline(main())) >= gap / 1000 - TOLERANCE


@share(0.4)
@given(
    gap=st.integers(0, 300),
    lane=st.integers(1, 200),
    account=st.integers(1, 200),
    run=st.integers(1, 200),
)
def test_limits_are_composed_and_the_tightest_sets_the_pace(
    gap: int, lane: int, account: int, run: int
) -> None:
    async def main() -> list[float]:
        pacer = Pacer([rate_bucket(Rate(account, SECOND)), rate_bucket(Rate(lane, SECOND))])
        pacer.admit(1, timedelta(milliseconds=gap), Rate(run, SECOND), NEVER_SENT)
        return await send(pacer, 1, 150)

    times = run_on_timeline(main())
    assert smallest_gap(times) >= gap / 1000 - TOLERANCE
    assert most_in_a_window(times, 1.0) <= min(lane, account, run)


@share(0.4)
@given(account=st.integers(1, 100), first_gap=st.integers(0, 200), second_gap=st.integers(0, 200))
def test_lanes_of_one_account_share_its_rate_and_keep_their_own_gaps(
    account: int, first_gap: int, second_gap: int
) -> None:
    async def main() -> list[list[float]]:
        shared = rate_bucket(Rate(account, SECOND))
        pacers = [Pacer([shared]), Pacer([shared])]
        for pacer, gap in zip(pacers, (first_gap, second_gap), strict=True):
            pacer.admit(1, timedelta(milliseconds=gap), None, NEVER_SENT)
        return list(await asyncio.gather(*(send(pacer, 1, 80) for pacer in pacers)))

    first, second = run_on_timeline(main())
    assert smallest_gap(first) >= first_gap / 1000 - TOLERANCE
    assert smallest_gap(second) >= second_gap / 1000 - TOLERANCE
    assert most_in_a_window(sorted(first + second), 1.0) <= account


ways_of = st.lists(st.floats(0, 2), min_size=2, max_size=100)


@share(0.4)
@given(gap=st.integers(1, 1000), ways=ways_of, stalls=stalls_of)
def test_a_gap_holds_between_the_moments_of_leaving_however_long_each_call_is_on_its_way(
    gap: int, ways: list[float], stalls: dict[int, float]
) -> None:
    async def main() -> list[float]:
        pacer = Pacer([])
        pacer.admit(1, timedelta(milliseconds=gap), None, NEVER_SENT)
        return await send_on_ways(pacer, 1, ways, stalls)

    assert smallest_gap(run_on_timeline(main())) >= gap / 1000 - TOLERANCE


@share(0.4)
@given(per_second=st.integers(1, 1000), ways=ways_of)
def test_a_rate_holds_over_every_second_of_leaving_however_long_each_call_is_on_its_way(
    per_second: int, ways: list[float]
) -> None:
    async def main() -> list[float]:
        return await send_on_ways(Pacer([rate_bucket(Rate(per_second, SECOND))]), 1, ways * 3)

    assert most_in_a_window(run_on_timeline(main()), 1.0) <= per_second


@pytest.mark.parametrize("per_second", [2, 20, 80, 1000])
def test_calls_that_are_long_on_their_way_cost_a_lane_no_pace(per_second: int) -> None:
    """Each has to make a connection, say, which takes longer than the gap."""

    async def main() -> list[float]:
        dice = random.Random(1)
        ways = [dice.uniform(0.1, 0.2) for _ in range(min(per_second * 20, 8_000) + 1)]
        return await send_on_ways(Pacer([rate_bucket(Rate(per_second, SECOND))]), 1, ways)

    times = run_on_timeline(main())
    assert (len(times) - 1) / (times[-1] - times[0]) / per_second >= 0.97


def test_after_a_batch_the_next_leaves_when_every_recipient_had_a_gap() -> None:
    async def main() -> list[float]:
        pacer, loop = Pacer([]), asyncio.get_running_loop()
        pacer.admit(1, timedelta(milliseconds=100), None, NEVER_SENT)
        times = []
        for recipients in (5, 1, 1):
            async with leaving(pacer, 1, recipients):
                times.append(loop.time())
        return times

    first, second, third = run_on_timeline(main())
    assert (second - first, third - second) == pytest.approx((0.5, 0.1))


def test_the_next_one_waits_from_when_the_last_one_was_written() -> None:
    async def main() -> float:
        pacer, loop = Pacer([]), asyncio.get_running_loop()
        assert isinstance(loop, Timeline)
        pacer.admit(1, timedelta(milliseconds=100), None, NEVER_SENT)
        async with leaving(pacer, 1):
            loop.stall(1.0)
        written = loop.time()
        async with leaving(pacer, 1):
            return loop.time() - written

    assert run_on_timeline(main()) == pytest.approx(0.1)


def test_a_run_without_limits_counts_no_requests() -> None:
    assert not Pacer([]).gate(1).counts


def test_who_came_first_leaves_first_and_no_more_are_started_than_can_leave() -> None:
    async def main() -> tuple[list[int], float]:
        pacer, left, loop = Pacer([]), list[int](), asyncio.get_running_loop()
        pacer.admit(1, timedelta(milliseconds=100), None, NEVER_SENT)

        async def leave(number: int) -> None:
            async with leaving(pacer, 1):
                left.append(number)

        leaves = [asyncio.create_task(leave(number)) for number in range(4)]
        await asyncio.sleep(0)
        begun = loop.time()
        await pacer.turn(1)
        waited = loop.time() - begun
        await asyncio.gather(*leaves)
        return left, waited

    left, waited = run_on_timeline(main())
    assert left == [0, 1, 2, 3]
    assert waited >= 0.3 - TOLERANCE


def test_what_left_before_a_restart_holds_the_next_from_leaving() -> None:
    async def main() -> float:
        pacer, loop = Pacer([rate_bucket(Rate(1, SECOND))]), asyncio.get_running_loop()
        pacer.prime(idle=0.4)
        begun = loop.time()
        async with leaving(pacer, 1):
            return loop.time() - begun

    assert run_on_timeline(main()) == pytest.approx(0.6)


@each("per_second", [1, 2, 5, 20, 49, 50, 51, 80, 200, 1000])
def test_a_saturated_lane_comes_within_three_percent_of_its_rate(per_second: int) -> None:
    async def main() -> list[float]:
        return await send(Pacer([rate_bucket(Rate(per_second, SECOND))]), 1, per_second * 20 + 1)

    times = run_on_timeline(main())
    achieved = (len(times) - 1) / (times[-1] - times[0])
    assert achieved / per_second >= 0.97


def test_a_fast_lane_is_woken_once_for_several() -> None:
    async def main() -> list[float]:
        return await send_on_ways(Pacer([rate_bucket(Rate(1_000, SECOND))]), 1, [0.0] * 1_000)

    assert len(set(run_on_timeline(main()))) <= 200


def test_a_gap_outlives_a_restart() -> None:
    async def main() -> float:
        pacer = Pacer([])
        pacer.admit(1, timedelta(seconds=10), None, idle=4.0)
        before = asyncio.get_running_loop().time()
        await pacer.turn(1)
        return asyncio.get_running_loop().time() - before

    assert run_on_timeline(main()) == pytest.approx(6.0)


def test_a_restart_while_sends_may_still_go_out_waits_for_them_too() -> None:
    async def main() -> float:
        bucket = gap_bucket(SECOND, timedelta(), random.Random(1))
        assert bucket is not None
        bucket.prime(idle=-0.1)
        before = asyncio.get_running_loop().time()
        await Pacer([bucket]).turn(1)
        return asyncio.get_running_loop().time() - before

    assert run_on_timeline(main()) == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ((None, None), 200),
        ((Rate(1000, SECOND), None), 98),
        ((Rate(80, SECOND), None), 7),
        ((Rate(5, SECOND), None), 1),
        ((Rate(1000, SECOND), Rate(20, SECOND)), 2),
    ],
)
def test_a_slice_is_what_a_tenth_of_a_second_lets_go(limits: tuple[Rate | None, ...], size: int) -> None:
    assert Pacer(rate_bucket(rate) for rate in limits).slice_size(1) == size
