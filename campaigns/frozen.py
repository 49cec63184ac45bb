"""Values that do not change: how nearly every value of this project is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from operator import attrgetter
from threading import RLock
from typing import Any, Final, TypeVar, dataclass_transform

T = TypeVar("T")

FIELDS: Final = "__dataclass_fields__"
"""Where `dataclasses` looks for the fields of a class."""
METHODS: Final = ("__init__", "__eq__", "__hash__", "__repr__")
_ONE_AT_A_TIME: Final = RLock()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass that does not change, which the type checker sees to.

    With `dataclass(frozen=True)` Python sees to it, and a value of twelve fields takes five times as long to make. It
    also compiles six methods for each class while its module is loaded, half a millisecond; a command loads up to 250
    classes and makes values of a few. This collects the fields and compiles `__init__` when a class is first used; its
    values are equal and are printed as those of a dataclass. Every field is a parameter, in order.
    """
    until_used = _UntilUsed(cls, [name for name in METHODS if cls.__dict__.get(name) is None])
    for name in until_used.methods:
        setattr(cls, name, until_used.method(name))
    setattr(cls, FIELDS, until_used)
    return cls


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of its fields, in order."""
    return tuple(each.name for each in fields(cls))


class _UntilUsed:
    """Stands for the fields of a class, and for the methods that it has not of its own, until one is asked for."""

    def __init__(self, cls: type[Any], methods: Sequence[str]) -> None:
        self._cls = cls
        self.methods = methods

    def __get__(self, value: object, owner: type[Any]) -> dict[str, Field[Any]]:
        self._complete()
        found: dict[str, Field[Any]] = getattr(owner, FIELDS)
        return found

    def method(self, name: str) -> Callable[..., Any]:
        def first_call(value: object, /, *args: Any, **named: Any) -> Any:
            self._complete()
            return getattr(self._cls, name)(value, *args, **named)

        return first_call

    def _complete(self) -> None:
        """Another thread that uses the class meanwhile calls these methods, and waits."""
        with _ONE_AT_A_TIME:
            if self._cls.__dict__[FIELDS] is self:
                made = _methods(self._cls)
                for name in self.methods:
                    setattr(self._cls, name, made[name])


def _methods(cls: type[Any]) -> dict[str, Callable[..., Any]]:
    own_doc, cls.__doc__ = cls.__doc__, "not shown"  # or dataclass works out a signature to show
    own = fields(dataclass(init=False, repr=False, eq=False)(cls))
    cls.__doc__ = own_doc
    compared = [each.name for each in own if each.compare]
    shown = [each.name for each in own if each.repr]
    values = attrgetter(*compared) if compared else lambda _: ()

    def is_equal(one: object, other: object) -> bool:
        return values(one) == values(other) if other.__class__ is one.__class__ else NotImplemented

    def hashed(one: object) -> int:
        return hash(values(one))

    def printed(one: object) -> str:
        inside = ", ".join(f"{name}={getattr(one, name)!r}" for name in shown)
        return f"{one.__class__.__qualname__}({inside})"

    return {
        "__init__": _initializer(cls, own),
        "__eq__": is_equal,
        "__hash__": hashed,
        "__repr__": printed,
    }


def _initializer(cls: type[Any], own: Sequence[Field[Any]]) -> Callable[..., None]:
    """The `__init__` of a dataclass with these fields, without annotations: to go over the fields a second time, as
    `dataclass` would, costs a hundredth of a short command."""
    known: dict[str, Any] = {"_made": MISSING}
    parameters, lines = ["self"], []
    for each in own:
        parameter = value = each.name
        if each.default_factory is not MISSING:
            known[f"_make_{each.name}"] = each.default_factory
            parameter = f"{each.name}=_made"
            value = f"_make_{each.name}() if {each.name} is _made else {each.name}"
        elif each.default is not MISSING:
            known[f"_default_{each.name}"] = each.default
            parameter = f"{each.name}=_default_{each.name}"
        parameters.append(parameter)
        lines.append(f"self.{each.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}): {'; '.join(lines) or 'pass'}", known)  # noqa: S102
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made
