"""A value of a report as HTML: people read it rounded, and the element keeps it exactly."""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

from markupsafe import Markup

from campaigns.figures import Share, percent
from campaigns.money.costs import plain
from web.look.environment import moment, number


def cell(value: Any, zone: tzinfo) -> Any:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case Share():
            return _exact(repr(float(value)), percent(value))
        case int():
            return _exact(value, number(value))
        case Decimal():
            return _exact(plain(value), _grouped(plain(value)))
        case datetime():
            return moment(value, zone)
        case Enum():
            return str(value.value)
        case _:
            return str(value)


def _grouped(amount: str) -> str:
    """`9,540.00`"""
    whole, _, places = amount.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.removeprefix('-')):,}.{places}"


def is_numeric(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _exact(value: object, shown: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(value, shown)
