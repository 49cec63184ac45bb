"""Receipts asked for one by one: one that cannot be read takes no other with it."""

from __future__ import annotations

import pytest

from campaigns.errors import AccountError, NotFound, Unavailable
from campaigns.states import JobState
from providers.events import Report
from providers.polling import MOST_FAILURES, PORTION, one_by_one


class Asked:
    """A provider that breaks at some messages and does not know others."""

    def __init__(self, **broken: Exception) -> None:
        self.broken = broken
        self.ids: list[str] = []

    async def __call__(self, message_id: str) -> Report | None:
        self.ids.append(message_id)
        if message_id in self.broken:
            raise self.broken[message_id]
        return Report(message_id, "sent", JobState.SENT)


def ids(count: int) -> list[str]:
    return [f"m{number}" for number in range(count)]


async def test_an_unreadable_receipt_is_left_out_and_the_others_are_reported():
    asked = Asked(m3=Unavailable("not a message"), m5=NotFound(), m7=KeyError("a fault of ours"))
    told = [report.message_id async for page in one_by_one(ids(10), asked) for report in page]
    assert told == [name for name in ids(10) if name not in ("m3", "m5", "m7")]


async def test_receipts_read_before_a_failure_are_returned_before_the_error():
    asked = Asked(**{name: Unavailable(name) for name in ids(20)[4:]})
    told: list[str] = []

    async def poll() -> None:
        async for page in one_by_one(ids(20), asked):
            told.extend(report.message_id for report in page)

    with pytest.raises(Unavailable, match="m6"):
        await poll()
    assert told == ids(4)
    assert asked.ids == ids(4 + MOST_FAILURES)


async def test_a_refused_account_is_not_polled_again():
    asked = Asked(m1=AccountError("no such key"))
    with pytest.raises(AccountError):
        [page async for page in one_by_one(ids(9), asked)]
    assert asked.ids == ids(2)


async def test_a_single_one_that_cannot_be_read_is_an_error():
    with pytest.raises(Unavailable):
        [page async for page in one_by_one(["m0"], Asked(m0=Unavailable("not a message")))]


async def test_a_caller_may_stop_although_no_receipt_is_known():
    asked = Asked(**{name: NotFound() for name in ids(300)})
    async for page in one_by_one(ids(300), asked):
        assert page == []
        break
    assert len(asked.ids) < PORTION
