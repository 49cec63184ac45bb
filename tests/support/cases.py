"""A table of cases as one test: a case costs no more than itself, and every one that fails is named.

For what needs no fixture of its own per case; where it does, `pytest.mark.parametrize`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import product
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

Test = Callable[..., Any]


def each(
    names: str | Sequence[str],
    rows: Iterable[Any],
    *,
    ids: Iterable[object] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """Written like `pytest.mark.parametrize`. Called with the arguments of one case, the test runs that one."""
    keys = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)
    table = [_case(keys, row) for row in rows]
    if callable(ids):
        table = [(" ".join(str(ids(value)) for value in values.values()), values) for _, values in table]
    elif ids is not None:
        table = [(str(label), values) for label, (_, values) in zip(ids, table, strict=True)]
    assert table, "a test without cases shows nothing"

    def merge(test: Test) -> Test:
        if inspect.iscoroutinefunction(test):

            @wraps(test)
            async def merged(*case: Any, **fixtures: Any) -> None:
                failures: list[BaseException] = []
                for label, values in [(str(case), {})] if case else table:
                    with _kept(failures, label, values):
                        await test(*case, **fixtures, **values)
                _raise(failures)
        else:

            @wraps(test)
            def merged(*case: Any, **fixtures: Any) -> None:
                failures: list[BaseException] = []
                for label, values in [(str(case), {})] if case else table:
                    with _kept(failures, label, values):
                        test(*case, **fixtures, **values)
                _raise(failures)

        signature = inspect.signature(test)
        left = [one for name, one in signature.parameters.items() if name not in keys]
        merged.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return merged

    return merge


def each_once(*lists: Sequence[Any]) -> list[ParameterSet]:
    """Every combination of the lists, for `pytest.mark.parametrize`: `make test` runs as few of them as have each value
    once, the others are `large`."""
    shown = {tuple(turn % len(values) for values in lists) for turn in range(max(map(len, lists)))}
    return [
        pytest.param(
            *(values[place] for values, place in zip(lists, places, strict=True)),
            marks=() if places in shown else pytest.mark.large,
        )
        for places in product(*(range(len(values)) for values in lists))
    ]


def _case(keys: tuple[str, ...], row: Any) -> tuple[str, dict[str, Any]]:
    """What it is called, if it has a name, and its arguments."""
    given = row.values if isinstance(row, ParameterSet) else (row,) if len(keys) == 1 else tuple(row)
    values = dict(zip(keys, given, strict=True))
    label = row.id if isinstance(row, ParameterSet) else None
    return str(label or ""), values


@contextmanager
def _kept(failures: list[BaseException], label: str, values: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except (Exception, pytest.fail.Exception) as failure:
        name = label or ", ".join(f"{key}={value!r:.200}" for key, value in values.items())
        failure.add_note(f"The case: {name}")
        failures.append(failure)


def _raise(failures: list[BaseException]) -> None:
    if failures:
        raise BaseExceptionGroup("cases that fail", failures)
