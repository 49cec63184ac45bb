"""Puts rows into the audience: who keeps a number, and which old place a returning row takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

import orjson

from campaigns.intake.model import Chunk, IntakeOptions, Reject
from campaigns.intake.read import Intake
from campaigns.phones.phone import bucket
from campaigns.phones.user_ids import PREFIX
from campaigns.reject_codes import RejectCode
from scheduler.audience.file_threads import WHOLE, in_thread
from storage.audience.audience import (
    Audience,
    Holder,
    Place,
    RejectedRow,
    Source,
    add_recipients,
    add_rejects,
    holders,
    import_sources,
    rejects_at,
    remove_recipients,
    remove_rejects,
    replace_recipients,
)
from storage.database.engine import Connection, Engine, writing
from storage.receipts.user_ids import learn_listed_numbers, numbers_of_placeholders
from storage.runs.editions import Edition

T = TypeVar("T")
PART: Final = 5_000
"""Late rejects that are stored in one transaction."""


class RowKeeper:
    """Stores the chunks of one file into one edition; every row ends as a recipient or as a reject. A chunk is a
    transaction."""

    def __init__(
        self,
        engine: Engine,
        edition: Edition,
        import_id: int,
        intake: Intake,
        options: IntakeOptions,
        now: datetime,
    ) -> None:
        self._engine = engine
        self._edition = edition
        self._import = import_id
        self._intake = intake
        self._policy = options.duplicates
        self._account = options.user_ids.account
        self._now = now
        self._sources: dict[int, Source] = {}
        self._earlier: Counter[int] = Counter()
        """Earlier import -> how many rows of this file are of people whom it brought."""
        self._returned: dict[Place, int] = {}
        """Old place -> line in this file, of the rows that came back through a rejects file."""
        self._late: dict[int, tuple[Place, str]] = {}
        """Line in this file -> place and reason, of accepted rows that a later row made duplicates."""
        self._twins: dict[str, int] = {}
        """Number -> line in this file of the row to delete at the end, if all rows of a repeated number are
        rejected."""

    @property
    def settled(self) -> int:
        """How many rows took the place of an earlier file's reject."""
        return len(self._returned)

    @property
    def earlier(self) -> dict[Source, int]:
        """Earlier file -> how many rows were left out because it brought their people."""
        counted: Counter[Source] = Counter()
        for id_, rows in sorted(self._earlier.items()):
            counted[self._sources[id_]] += rows
        return counted

    async def store(self, chunk: Chunk) -> list[Reject]:
        """Store one chunk; its rejects, the duplicates among them, in file order."""
        async with writing(self._engine) as connection:
            chunk = await self._with_known_numbers(connection, chunk)
            places = await self._places(connection, chunk)
            audience = self._audience(chunk, places)
            taken = await add_recipients(connection, self._edition, audience)
            duplicates = await self._duplicates(connection, chunk, audience, taken) if taken else []
            found = self._intake.placed([*chunk.rejects, *duplicates])
            found.sort(key=lambda reject: reject.line)
            await self._add_rejects(connection, [self._stored(reject, places) for reject in found])
        return found

    async def _with_known_numbers(self, connection: Connection, chunk: Chunk) -> Chunk:
        """The numbers in place of user ids, where the provider or the list itself shows them: so that a person whom it
        names both ways is one."""
        if chunk.user_ids and self._account:
            await learn_listed_numbers(connection, self._account, chunk.user_ids, self._now)
        if PREFIX not in "".join(chunk.phones):
            return chunk
        named = [at for at, phone in enumerate(chunk.phones) if phone.startswith(PREFIX)]
        known = await numbers_of_placeholders(connection, [chunk.phones[at] for at in named])
        if not known:
            return chunk
        phones = [known.get(phone, phone) for phone in chunk.phones]
        return replace(chunk, phones=phones, buckets=list(map(bucket, phones)))

    async def finish(self) -> list[Reject]:
        """Delete rows that later rows made duplicates; returns them as rejects."""
        now_at = {line: place for place, line in self._returned.items()}
        for line in self._twins.values():
            place = now_at.get(line, (self._import, line))
            self._late[line] = (
                place,
                "Other rows have the same number; with --duplicates reject none is kept.",
            )
        for phones in _parts(list(self._twins)):
            async with writing(self._engine) as connection:
                await remove_recipients(connection, self._edition, phones)
        late = await in_thread(self._late_rejects, WHOLE) if self._late else []
        places = {line: place for line, (place, _) in self._late.items()}
        for part in _parts(late):
            async with writing(self._engine) as connection:
                await self._add_rejects(connection, [self._stored(reject, places) for reject in part])
        return late

    def _late_rejects(self) -> list[Reject]:
        records = self._intake.records(set(self._late))
        return self._intake.placed(self._late_reject(line, raw) for line, raw in records)

    async def _add_rejects(self, connection: Connection, rows: Sequence[RejectedRow]) -> None:
        await add_rejects(connection, self._edition.campaign_id, rows)

    def _audience(self, chunk: Chunk, places: dict[int, Place]) -> Audience:
        imports, lines = [self._import] * len(chunk.lines), chunk.lines
        if places:
            at = [places.get(line, (self._import, line)) for line in chunk.lines]
            imports, lines = [place[0] for place in at], [place[1] for place in at]
        return Audience(
            imports, lines, chunk.phones, chunk.regions, chunk.buckets, chunk.vars, chunk.recipient_fields
        )

    async def _places(self, connection: Connection, chunk: Chunk) -> dict[int, Place]:
        """Line in this file -> old place, of rows that take the place of an earlier file's reject."""
        claims = [(reject.line, reject.origin) for reject in chunk.rejects]
        if any(chunk.origins):
            claims += zip(chunk.lines, chunk.origins, strict=True)
        wanted = {origin for _, origin in claims if origin is not None}
        if not wanted:
            return {}
        found = await rejects_at(connection, self._edition, wanted)
        places: dict[int, Place] = {}
        for line, origin in sorted(claims, key=lambda claim: claim[0]):
            free = [place for place in found.get(origin or 0, ()) if place not in self._returned]
            if free:
                places[line] = free[0]
                self._returned[free[0]] = line
        await remove_rejects(connection, self._edition.campaign_id, places.values())
        return places

    async def _duplicates(
        self, connection: Connection, chunk: Chunk, audience: Audience, taken: list[int]
    ) -> list[Reject]:
        held = await holders(connection, self._edition, {audience.phones[at] for at in taken})
        if not self._sources:
            self._sources = await import_sources(connection, self._edition.campaign_id)
        if self._policy == "last":
            return await self._keep_last(connection, chunk, audience, taken, held)
        if self._policy == "reject":
            for holder in (holder for holder in held.values() if self._is_ours(holder.place)):
                self._twins[holder.phone] = self._line_here(holder.place)
        places = [held[chunk.phones[at]].place for at in taken]
        self._earlier.update(place[0] for place in places if not self._is_ours(place))
        return [
            self._duplicate(chunk, at, f"Same number as {self._where(place)}.")
            for at, place in zip(taken, places, strict=True)
        ]

    async def _keep_last(
        self,
        connection: Connection,
        chunk: Chunk,
        audience: Audience,
        taken: list[int],
        held: dict[str, Holder],
    ) -> list[Reject]:
        """The last row of each number becomes the recipient; all before it are duplicates."""
        last = {audience.phones[at]: at for at in taken}
        for phone, holder in held.items():
            reason = (
                f"Line {chunk.lines[last[phone]]} of {self._sources[self._import].file} has the same number."
            )
            if self._is_ours(holder.place):
                self._late[self._line_here(holder.place)] = (holder.place, reason)
            else:
                await self._add_rejects(connection, [_superseded(holder, reason)])
        await replace_recipients(connection, self._edition, audience.only(sorted(last.values())))
        return [
            self._duplicate(chunk, at, f"Line {chunk.lines[last[audience.phones[at]]]} has the same number.")
            for at in taken
            if last[audience.phones[at]] != at
        ]

    def _is_ours(self, place: Place) -> bool:
        return place[0] == self._import or place in self._returned

    def _line_here(self, place: Place) -> int:
        return self._returned.get(place, place[1])

    def _where(self, place: Place) -> str:
        if place[0] == self._import:
            return f"line {place[1]}"
        return f"line {place[1]} of {self._sources[place[0]]}"

    def _duplicate(self, chunk: Chunk, at: int, reason: str) -> Reject:
        column = self._intake.detected.phone_column
        raw = chunk.raws[at].decode()
        return Reject(chunk.lines[at], column, RejectCode.DUPLICATE, reason, raw, chunk.origins[at])

    def _late_reject(self, line: int, raw: str) -> Reject:
        place, reason = self._late[line]
        origin = place[1] if place[0] != self._import else None
        return Reject(line, self._intake.detected.phone_column, RejectCode.DUPLICATE, reason, raw, origin)

    def _stored(self, reject: Reject, places: dict[int, Place]) -> RejectedRow:
        place = places.get(reject.line, (self._import, reject.line))
        return RejectedRow(place, reject.column, reject.code, reject.reason, reject.raw)


def _superseded(holder: Holder, reason: str) -> RejectedRow:
    """The reject of an earlier file's row, put together from what is stored of it."""
    raw = ",".join([holder.phone, *map(str, orjson.loads(holder.vars).values())])
    return RejectedRow(holder.place, None, RejectCode.DUPLICATE, reason, raw)


def _parts(rows: list[T]) -> Iterator[list[T]]:
    return (rows[start : start + PART] for start in range(0, len(rows), PART))
