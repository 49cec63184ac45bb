"""Renders pages and reports: one Jinja2 environment that escapes all text, shows hidden characters, and fails on a
missing value."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from campaigns.figures import counted, paced, percent
from campaigns.money.costs import Money, from_micros, plain
from campaigns.visible_text import visible
from web.look import chart_geometry
from web.look.state_parts import parts_of

WEB: Final = Path(__file__).parents[1]
"""Templates are named from here: `look/parts.html`, `pages/today/today.html`."""
_SENTENCES: Final = re.compile(r"(?<=[.!?]) ")
_COMMAND: Final = re.compile(r"^drumbeat |(^|[\s(])--[a-z]")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def render(template: str, **values: Any) -> str:
    """The template filled in. Raises UndefinedError for a value that it names and does not get."""
    return environment().get_template(template).render(values)


async def compile_templates() -> None:
    """Compile all templates in a thread: the first view of a page would hold up the event loop for a tenth of a second,
    and with it what is being sent."""
    env = environment()
    for name in env.list_templates(extensions=["html"]):
        await asyncio.to_thread(env.get_template, name)


@cache
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters |= {
        "number": number,
        "percent": percent,
        "paced": paced,
        "counted": counted,
        "moment": moment,
        "wall_time": wall_time,
        "clock": clock,
        "span": span,
        "plain": plain,
        "money": money,
        "micros": lambda micros: plain(from_micros(micros)),
        "pair": lambda text: (text, text),
        "amount": amount,
        "grouped": grouped,
        "without_commands": without_commands,
        "state_parts": parts_of,
    }
    env.globals["geometry"] = chart_geometry
    return env


def _shown(value: Any) -> Any:
    """Text from outside without characters that reorder or control what is around it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None) -> str:
    """`1,234`; `-` for None."""
    return "-" if value is None else f"{value:,}"


def money(amount: Money | None) -> str:
    """`1,200.012 USD`; `-` for None."""
    return "-" if amount is None else f"{grouped(amount.amount)} {amount.currency}"


def grouped(value: Decimal) -> str:
    """An amount of money to be read: `9,999,990.00`, no more places than it has, but two at least."""
    whole, _, places = f"{value:,.6f}".rstrip("0").partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


def without_commands(hint: str) -> str:
    """What to do, without the sentences that are for the command line."""
    kept = [each for each in _SENTENCES.split(hint) if not _COMMAND.search(each)]
    return " ".join(kept)


def amount(value: float) -> str:
    """A rate or a measure, as short as it can be read: `80`, `0.25`, `1,234.5`."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def moment(at: datetime | None, zone: tzinfo = UTC) -> Markup | str:
    """A `time` element: `29 Nov 2026, 14:32 CET`. `-` for None."""
    if at is None:
        return "-"
    shown = f"{wall_time(at, zone)} {at.astimezone(zone).tzname()}"
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(), shown)


def wall_time(at: datetime, zone: tzinfo) -> str:
    """A time that everybody reads off their own clock, so without a zone: `29 Nov 2026, 14:32`."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M}"


def clock(at: datetime | None, zone: tzinfo = UTC) -> Markup | str:
    """Only the time of the day, with seconds: `14:32:05`."""
    if at is None:
        return "-"
    return Markup('<time datetime="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(), f"{at.astimezone(zone):%H:%M:%S}"
    )


def span(duration: timedelta | None) -> str:
    """Roughly how long: `45 s`, `12 min`, `3 h 20 min`, `5 d`. `-` for None."""
    if duration is None:
        return "-"
    seconds = round(duration.total_seconds())
    if seconds < 2 * _MINUTE:
        return f"{seconds} s"
    if seconds < 2 * _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < 2 * _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h {rest // _MINUTE} min" if rest >= _MINUTE else f"{hours} h"
    return f"{seconds // _DAY} d"
