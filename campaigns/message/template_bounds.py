"""Limits what rendering a text may cost: no powers, nested loops or macros, and no intermediate text longer than any
message. Jinja2's sandbox denies access to Python objects, but does not limit memory."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, Final

from jinja2 import StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from campaigns.message.plain_texts import MAX_TEXT

MAX_WIDTH: Final = 1_000
"""Limit of a number given to a filter or a method, which mostly sets the length of its result."""
MAX_BITS: Final = 1 << 12
"""Limit of the result of a multiplication."""
_WIDE: Final = re.compile(r"\d{4,}|\*")
_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Pow: "powers (**) are not supported",
    nodes.Macro: "macros are not used in a message",
    nodes.CallBlock: "macros are not used in a message",
    nodes.Include: "a message is one text",
    nodes.Import: "a message is one text",
    nodes.FromImport: "a message is one text",
    nodes.Extends: "a message is one text",
    nodes.Block: "a message is one text",
}


def unbounded(tree: nodes.Template) -> tuple[int, str] | None:
    """The line of an expression without a limit, and why it is refused."""
    for node in tree.find_all(tuple(_REFUSED)):
        return node.lineno, next(why for kind, why in _REFUSED.items() if isinstance(node, kind))
    for loop in tree.find_all(nodes.For):
        if loop.recursive or any(inner is not loop for inner in _loops_in(loop)):
            return loop.lineno, "nested loops are not supported in a message"
    return None


def _loops_in(loop: nodes.For) -> Iterator[nodes.For]:
    for part in (*loop.body, *loop.else_):
        if isinstance(part, nodes.For):
            yield part
        yield from part.find_all(nodes.For)


class _Generator(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox with a limit on every operation that can make a long value from short ones. Raises SecurityError."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"*", "+", "%"})

    def __init__(self, finalize: Callable[[Any], str] | None = None) -> None:
        # No HTML escaping: the output is a chat message, which would show `&amp;` literally.
        super().__init__(
            undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=finalize
        )
        self.globals.clear()
        self.filters = {name: _bounded(name, function) for name, function in self.filters.items()}

    def joined(self, parts: Iterable[Any]) -> str:
        """The result of the operator `~`."""
        return join_bounded(map(str, parts))

    def call_binop(self, context: Context, operator_: str, left: Any, right: Any) -> Any:
        if operator_ == "*":
            return _multiplied(left, right)
        if operator_ == "+":
            _require_short(_length(left) + _length(right))
            return operator.add(left, right)
        if isinstance(left, str):
            _require_narrow(left, right if isinstance(right, tuple) else (right,))
        return operator.mod(left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        name = getattr(__obj, "__name__", "")
        owner = getattr(__obj, "__self__", None)
        if owner is None:  # `format` comes wrapped by the sandbox
            owner = getattr(getattr(__obj, "__wrapped__", None), "__self__", None)
        _require_bounded(name, owner, *args, *kwargs.values())
        return _short(super().call(__context, __obj, *args, **kwargs))


def join_bounded(parts: Iterable[str]) -> str:
    """The parts as one text. Raises SecurityError as soon as it is longer than any message."""
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        _require_short(size)
        kept.append(part)
    return "".join(kept)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter with limits on its arguments and its result."""
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        _require_bounded(name, *args[first:], *kwargs.values())
        return _short(function(*args, **kwargs))

    return filtered


def _require_bounded(name: str, subject: Any = None, *args: Any) -> None:
    _require_short(max(map(_length, (subject, *args)), default=0))
    if any(isinstance(arg, int) and abs(arg) > MAX_WIDTH for arg in args):
        raise SecurityError(f"a number given to {name!r} is above {MAX_WIDTH:,}")
    if name in ("format", "format_map"):
        _require_narrow(str(subject), args)
    if name == "replace" and len(args) > 1 and isinstance(args[1], str):
        subject, old, new = str(subject), str(args[0]), args[1]
        _require_short(len(subject) + (subject.count(old) if old else len(subject) + 1) * len(new))
    if name == "join":
        _require_short(len(args[0] if args and isinstance(args[0], str) else "") * _length(subject))


def _require_narrow(template: str, values: Iterable[Any]) -> None:
    """A format must not set a width longer than a message."""
    if _WIDE.search(template) or any(isinstance(value, str) and len(value) > MAX_TEXT for value in values):
        raise SecurityError("the format's field width is too large")


def _multiplied(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise SecurityError("a number becomes too large")
    elif isinstance(left, int) != isinstance(right, int):
        times, thing = (left, right) if isinstance(left, int) else (right, left)
        _require_short(max(0, times) * _length(thing))
    return operator.mul(left, right)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 0


def _short(value: Any) -> Any:
    _require_short(_length(value))
    return value


def _require_short(size: int) -> None:
    if size > MAX_TEXT:
        raise SecurityError(f"it becomes longer than {MAX_TEXT:,} characters")
