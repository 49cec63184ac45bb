"""A table of cases in one test loses no case: each runs, and every one that fails is named."""

from __future__ import annotations

import inspect

import pytest

from tests.support.cases import each

seen: list[int] = []


@each(("number", "limit"), [(1, 3), pytest.param(5, 3, id="five"), (2, 3), (7, 3)])
def small(number: int, limit: int) -> None:
    seen.append(number)
    assert number < limit


def test_every_case_runs_and_each_that_fails_is_named() -> None:
    seen.clear()
    with pytest.raises(ExceptionGroup) as caught:
        small()
    assert seen == [1, 5, 2, 7]
    assert [note for one in caught.value.exceptions for note in one.__notes__] == [
        "The case: five",
        "The case: number=7, limit=3",
    ]


async def test_so_it_is_where_a_test_waits() -> None:
    @each("number", [1, 2])
    async def waits(number: int) -> None:
        with pytest.raises(ValueError, match="never"):
            int(number)

    with pytest.raises(BaseExceptionGroup) as caught:
        await waits()
    assert len(caught.value.exceptions) == 2


def test_fixtures_are_still_asked_for_and_a_case_may_be_run_alone() -> None:
    @each("number", [1, 2])
    def with_folder(number: int, folder: str) -> None:
        assert (number, folder) == (3, "here")

    assert list(inspect.signature(with_folder).parameters) == ["folder"]
    with_folder(3, "here")


def test_an_empty_table_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="shows nothing"):
        each("number", [])
