"""Personal data that leaves as a file: lists of people, and all that is held of one person; and its erasure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import orjson

from app.wiring.rights import act
from campaigns.errors import InvalidInput, Unavailable
from campaigns.frozen import frozen
from storage.database.compression import unpack
from storage.database.engine import Engine, reading, writing
from storage.receipts.user_ids import every_placeholder_of, other_numbers
from storage.retention.erasing import Traces, erase, find_traces, rows_of

ELSEWHERE: Final = (
    "backups of the database, until they are replaced: erase again after restoring one",
    "the lists that were loaded, drafts with theirs, rejects files, exported reports and logs",
    "the provider, which keeps its own messages and contacts",
    "receipts and replies that arrive from now on: they are stored like any others, see [retention]",
)
"""Where a person's data may still be after it was erased from the database."""
LOOKED_AT: Final = 1_000
"""Rows of each kind that a page looks through for a number which may stand anywhere in them."""
MOST_ROUNDS: Final = 5
"""How often what arrived while the rest was erased is erased too."""


@frozen
class Erased:
    """How many rows of a person were erased, by kind."""

    phone: str
    rows: dict[str, int]

    @property
    def facts(self) -> Iterator[tuple[str, int]]:
        return facts_of(self.rows)

    @property
    def json(self) -> dict[str, Any]:
        return {"phone": self.phone, "erased": self.rows, "still_held_by": list(ELSEWHERE)}


def facts_of(rows: dict[str, int]) -> Iterator[tuple[str, int]]:
    """The kinds that have rows, as readable names."""
    return ((kind.replace("_", " "), count) for kind, count in rows.items() if count)


@act("people.export")
async def allow_list(engine: Engine, name: str, which: str) -> None:
    """A list of people of the campaign or the draft `name` leaves as a file: `which` of them."""


@act("contacts.export", about="phone")
async def export_person(engine: Engine, phone: str, now: datetime) -> dict[str, Any]:
    """All that the database holds about the person."""
    found = await _held(engine, phone)
    kinds = {kind: [_readable(row) for row in rows] for kind, rows in found.items()}
    return {"phone": phone, "exported_at": now, **kinds}


async def _held(engine: Engine, phone: str, most: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows by kind, under any name of the person."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for name in await _names(engine, phone):
        for kind, rows in (await _rows(engine, name, most)).items():
            known = kinds.setdefault(kind, [])
            known += [row for row in rows if row not in known]
    return kinds


async def _names(engine: Engine, phone: str) -> list[str]:
    """The number, the person's other ones, and the user ids under which lists may name the person."""
    async with reading(engine) as connection:
        numbers = [phone, *(await other_numbers(connection, [phone])).get(phone, ())]
        named = [name for number in numbers for name in await every_placeholder_of(connection, number)]
        return list(dict.fromkeys(numbers + named))


async def _rows(engine: Engine, name: str, most: int | None = None) -> dict[str, list[dict[str, Any]]]:
    async with reading(engine) as connection:
        return await rows_of(connection, await find_traces(connection, name, most))


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Shows stored JSON as JSON, and a webhook's body as text."""
    shown = dict(row)
    if "body" in shown:
        body = shown["body"] if shown.pop("size") is None else unpack(shown["body"])
        shown["body"] = body.decode("utf-8", "replace")
    for name in ("vars", "content", "tags", "headers", "report"):
        if isinstance(shown.get(name), str):
            shown[name] = _parsed(shown[name])
    return shown


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


async def what_is_held(engine: Engine, phone: str, most: int | None = None) -> dict[str, int]:
    """How many rows of each kind the database holds about the person; `most`: of webhooks, rejects and reports of
    unknown messages only so many of the newest are looked through, for a page that is not to wait."""
    return {kind: len(rows) for kind, rows in (await _held(engine, phone, most)).items()}


@act("contacts.erase", about="phone")
async def erase_person(engine: Engine, phone: str, now: datetime) -> Erased:
    """Erase all that the database holds about the person. They get no more messages unless they opt in again.

    Raises InvalidInput, with nothing erased, while a message to them is under way; Unavailable where something about
    them is still there in the end.
    """
    counts = await what_is_held(engine, phone)
    names = await _names(engine, phone)
    for name in names:
        async with reading(engine) as connection:
            _refuse_under_way(await find_traces(connection, name))
    for name in reversed(names):
        await _erase(engine, name, now)
    return Erased(phone, counts)


async def _erase(engine: Engine, phone: str, now: datetime) -> None:
    """What is held under one name of the person."""
    left: dict[str, int] = {}
    for _ in range(MOST_ROUNDS):
        async with reading(engine) as connection:
            traces = await find_traces(connection, phone)
        _refuse_under_way(traces)
        async with writing(engine) as connection:
            done = await erase(connection, traces, now)
        left = {kind: len(rows) for kind, rows in (await _rows(engine, phone)).items()}
        if done and not any(left.values()):
            return
    kinds = ", ".join(f"{count} {kind}" for kind, count in facts_of(left))
    raise Unavailable(
        f"Something about {phone} is still there after {MOST_ROUNDS} rounds of erasing: {kinds or 'messages'}.",
        hint="Something goes on arriving about them. Stop drumbeat run and drumbeat serve, and erase again.",
    )


def _refuse_under_way(traces: Traces) -> None:
    if traces.under_way:
        raise InvalidInput(
            f"A message to {traces.phone} is being sent or in doubt; nothing was erased, because its outcome "
            "could not be stored.",
            hint="Wait until it is sent, or settle it with drumbeat campaign resolve; then erase again.",
        )
    if traces.new_webhooks:
        raise InvalidInput(
            f"A webhook about {traces.phone} has arrived and is not processed yet; nothing was erased.",
            hint="drumbeat run processes it; then erase again.",
        )
