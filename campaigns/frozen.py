"""Values that do not change: how nearly every value of this project is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass that does not change, which the type checker sees to.

    With `dataclass(frozen=True)` Python sees to it, and a value of twelve fields takes five times as long to make. It
    also compiles six methods anew for each class, half a millisecond; a command imports up to 250 of them. This
    compiles `__init__` alone; its values are equal and are printed as those of a dataclass.
    """
    cls.__doc__ = cls.__doc__ or cls.__name__  # or dataclass works out a signature to show
    made = dataclass(slots=True, repr=False, eq=False)(cls)
    for name, method in _methods(made).items():
        if cls.__dict__.get(name) is None:  # one of its own stays
            setattr(made, name, method)
    return made


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of its fields, in order."""
    return tuple(each.name for each in fields(cls))


def _methods(cls: type[Any]) -> dict[str, Callable[..., Any]]:
    compared = [each.name for each in fields(cls) if each.compare]
    shown = [each.name for each in fields(cls) if each.repr]
    values = attrgetter(*compared) if compared else lambda _: ()

    def is_equal(one: object, other: object) -> bool:
        return values(one) == values(other) if other.__class__ is one.__class__ else NotImplemented

    def hashed(one: object) -> int:
        return hash(values(one))

    def printed(one: object) -> str:
        inside = ", ".join(f"{name}={getattr(one, name)!r}" for name in shown)
        return f"{one.__class__.__qualname__}({inside})"

    return {"__eq__": is_equal, "__hash__": hashed, "__repr__": printed}
