"""Values that do not change: they are dataclasses, whose methods are not compiled anew for each class."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field, replace
from pathlib import Path
from threading import Barrier
from typing import Final

import pytest

from campaigns.frozen import field_names, frozen

PRODUCT: Final = ("campaigns", "providers", "storage", "scheduler", "app", "terminal", "web")
ROOT: Final = Path(__file__).parents[2]


@frozen
class Reading:
    lane: str
    value: int = 0
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)


@frozen
class Corrected(Reading):
    """Of the same fields, and not the same."""


@frozen
class Nothing:
    pass


@frozen
class Silent:
    key: str

    def __repr__(self) -> str:
        return "Silent(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Silent)


def test_values_are_equal_by_their_fields() -> None:
    one = Reading("a", 1)
    assert one == Reading("a", 1, note="other")
    assert hash(one) == hash(Reading("a", 1, note="other"))
    assert one != replace(one, value=2)
    assert one != Corrected("a", 1)
    assert one.__eq__(1) is NotImplemented
    assert (Nothing(), hash(Nothing())) == (Nothing(), hash(Nothing()))
    assert {one: "known"}[copy.copy(one)] == "known"
    assert pickle.loads(pickle.dumps(one)) == one


def test_values_are_printed_with_their_fields() -> None:
    assert repr(Reading("a", 1, "hidden", "b")) == "Reading(lane='a', value=1, note='b')"
    assert repr(Nothing()) == "Nothing()"


def test_methods_of_a_class_of_its_own_stay() -> None:
    assert (repr(Silent("a")), Silent("a") == Silent("b")) == ("Silent(…)", True)


def test_values_are_dataclasses() -> None:
    assert field_names(Corrected) == ("lane", "value", "secret", "note")
    assert asdict(Reading("a")) == {"lane": "a", "value": 0, "secret": "", "note": ""}
    match Reading("a", 1):
        case Reading(lane, value):
            assert (lane, value) == ("a", 1)


@frozen
class Base:
    key: str


@frozen
class Derived(Base):
    values: list[int] = field(default_factory=list)


@frozen
class Unpickled:
    key: str


@frozen
class Concurrent:
    key: str
    value: int = 0


def test_a_class_is_completed_when_it_is_first_used() -> None:
    assert "__match_args__" not in vars(Derived)
    assert Derived("a") == Derived("a", [])
    assert Base("b").key == "b"
    one, other = (object.__new__(Unpickled) for _ in range(2))
    one.__dict__["key"] = other.__dict__["key"] = "a"
    assert one == other
    with pytest.raises(
        TypeError, match=r"Unpickled.__init__\(\) missing 1 required positional argument: 'key'"
    ):
        Unpickled()


def test_threads_may_use_a_class_first_at_the_same_time() -> None:
    together = Barrier(8)

    def made(number: int) -> Concurrent:
        together.wait(5)
        return Concurrent(key="a", value=number)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(made, range(8))) == [Concurrent("a", number) for number in range(8)]


def test_a_value_that_does_not_change_is_frozen_by_this() -> None:
    """Python's own way takes long at each import. `campaigns/errors.py` imports nothing."""
    ways = [
        str(path.relative_to(ROOT))
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        if "@dataclass(frozen=True" in path.read_text(encoding="utf-8")
    ]
    assert ways == ["campaigns/errors.py"]
